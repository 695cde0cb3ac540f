"""What a match judge is, and what needs no judge: texts that are the same, and texts that say
nothing.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from rlkd_cli.core.grading.compare import compare_simple
from rlkd_cli.core.steps import Part
from rlkd_cli.models import TextModel
from rlkd_cli.reward.grading.grader import Grader

# Texts that say nothing and still draw a "yes" from model judges ("One Token to Fool
# LLM-as-a-Judge", 2507.08794)
MASTER_KEYS = (
    ":",
    ".",
    " ",
    "Solution",
    "Let's solve this step by step",
    "Thought process:",
    "Step",
    "Answer",
)


@dataclass(frozen=True)
class Means:
    """What a judge may be made of: each takes what it needs.

    `spec` is what the user named; `probabilities`: how sure the judge is will be asked, or shown.
    """

    spec: str
    grader: Grader
    open_model: Callable[[str], TextModel]
    embedder: str
    probabilities: bool


class Judge:
    """Compares two texts of a part, from 0 to 1 (Algorithm 1's Match); `name` goes into records and
    cache keys.

    A likeness of `threshold` is a match, unless the user says otherwise; `is_graded` says whether
    there is anything between 0 and 1. `uses` is what the verdicts depend on besides the two texts.
    `summary` stands in the help.
    """

    summary: ClassVar[str]
    uses: ClassVar[Literal["model", "embedder"] | None] = None
    threshold: ClassVar[float] = 0.5
    is_graded: ClassVar[bool] = False
    name: str

    @classmethod
    def open(cls, means: Means) -> Self:
        """The judge; UsageError or ModelError where it is not available."""
        raise NotImplementedError

    def settle(self, part: Part, teacher: str, student: str) -> float | None:
        """What needs no model: 1 for texts that are the same, 0 for one that says nothing; None:
        ask.
        """
        raise NotImplementedError

    async def ask(self, part: Part, teacher: str, student: str) -> float:
        """How alike. RecordError where there is no verdict, which is not the same as no match."""
        raise NotImplementedError

    async def close(self) -> None:
        """Frees what the judge holds, if anything; the last call."""


def normalize_text(text: str) -> str:
    """A text without case, punctuation at its end, and spacing: two texts that differ only there
    are the same.
    """
    return (
        re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text))
        .strip()
        .rstrip(".!?;:")
        .strip()
        .casefold()
    )


def is_hollow(text: str) -> bool:
    """Whether a text says nothing: no word in it, or one of the master keys."""
    words = _words(text)
    return not words or words in _HOLLOW


def _words(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", "", normalize_text(text)).split())


_HOLLOW = {_words(key) for key in MASTER_KEYS} | {
    "lets think step by step",
    "final answer",
    "the answer is",
    "thought process",
}


def same_or_hollow(part: Part, teacher: str, student: str) -> float | None:
    """1 for equal texts (answers: also equal numbers), 0 where either is hollow, else None."""
    if normalize_text(teacher) == normalize_text(student) or (
        part == "answer" and compare_simple(student, teacher) is True
    ):
        return 1.0
    return 0.0 if is_hollow(teacher) or is_hollow(student) else None


def is_formula(text: str) -> bool:
    """Whether a text is mathematics without words around it, so that computer algebra may compare
    it.
    """
    return not re.search(r"[^\W\d_]{3,}", re.sub(r"\\[A-Za-z]+", "", text))
