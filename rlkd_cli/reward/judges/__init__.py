"""Match judges: how alike two texts of the same part are (Algorithm 1's Match), from 0 to 1."""

import re
import unicodedata
from typing import Any, Protocol

from rlkd_cli import prompts
from rlkd_cli.core.grade import compare_simple
from rlkd_cli.core.steps import PARTS, Part
from rlkd_cli.errors import ModelError, RecordError
from rlkd_cli.models import Sampling, TextModel, user
from rlkd_cli.models.batching import Batcher
from rlkd_cli.models.embedders import Embedder
from rlkd_cli.reward.grading import Grader

# Texts that say nothing and still draw a "yes" from model judges ("One Token to Fool LLM-as-a-Judge", 2507.08794)
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
EMBEDDING_THRESHOLD = 0.9  # ours


class Judge(Protocol):
    """Compares two texts of a part; `name` says how, for records and cache keys."""

    name: str

    def settle(self, part: Part, teacher: str, student: str) -> float | None:
        """What needs no model: 1 for texts that are the same, 0 for one that says nothing; None: ask."""
        ...

    async def ask(self, part: Part, teacher: str, student: str) -> float:
        """How alike, from 0 to 1. RecordError where there is no verdict, which is not the same as no match."""
        ...


def normalize_text(text: str) -> str:
    """A text without case, punctuation at its end, and spacing: two texts that differ only there are the same."""
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


class ExactJudge:
    """Equal after `normalize_text`."""

    name = "exact"

    def settle(self, part: Part, teacher: str, student: str) -> float | None:
        return float(normalize_text(teacher) == normalize_text(student))

    async def ask(self, part: Part, teacher: str, student: str) -> float:
        return float(normalize_text(teacher) == normalize_text(student))


class MathJudge:
    """Answers compared as mathematics, by the evaluation's own grader; the other parts as text."""

    name = "math"

    def __init__(self, grader: Grader) -> None:
        self._grader = grader

    def settle(self, part: Part, teacher: str, student: str) -> float | None:
        same = normalize_text(teacher) == normalize_text(student)
        return None if part == "answer" and not same else float(same)

    async def ask(self, part: Part, teacher: str, student: str) -> float:
        if part != "answer":
            return float(normalize_text(teacher) == normalize_text(student))
        return float(await self._grader.compare(student, teacher) == "correct")


class EmbeddingJudge:
    """The cosine of the two texts' embeddings, 0 where it is negative."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.name = f"embedding:{embedder.name}"
        self._vectors: dict[str, Any] = {}
        self._batcher: Batcher[str, Any] = Batcher(self._embed, 256, len)

    def settle(self, part: Part, teacher: str, student: str) -> float | None:
        return same_or_hollow(part, teacher, student)

    async def ask(self, part: Part, teacher: str, student: str) -> float:
        a, b = [await self._vector(text) for text in (teacher, student)]
        lengths = float((a @ a) ** 0.5 * (b @ b) ** 0.5)
        return max(0.0, float(a @ b) / lengths) if lengths else 0.0

    async def _vector(self, text: str) -> Any:
        if text not in self._vectors:
            self._vectors[text] = await self._batcher(text)
        return self._vectors[text]

    def _embed(self, texts: Any) -> list[Any]:
        return list(self._embedder.embed(list(texts)))


class ModelJudge:
    """A model asked for one word, or, with `probabilities`, for how probable its yes is."""

    def __init__(self, model: TextModel, grader: Grader, probabilities: bool = False) -> None:
        self._model, self._grader = model, grader
        self._sampling = Sampling(max_tokens=4, choices=("yes", "no"), probabilities=probabilities)
        version = prompts.version(*(prompts.load(f"match_{part}") for part in PARTS))
        self.name = f"{model.name}@{version}{'+p' if probabilities else ''}"

    def settle(self, part: Part, teacher: str, student: str) -> float | None:
        return same_or_hollow(part, teacher, student)

    async def ask(self, part: Part, teacher: str, student: str) -> float:
        formulas = part == "answer" and is_formula(teacher) and is_formula(student)
        if formulas and await self._grader.compare(student, teacher) == "correct":
            return 1.0
        texts = {"first": shielded(teacher), "second": shielded(student)}
        reply = await self._model.reply(
            user(prompts.fill(prompts.load(f"match_{part}"), **texts)), self._sampling
        )
        if reply.probabilities:
            return reply.probabilities[0]
        if self._sampling.probabilities:
            raise ModelError(
                f"{self._model.name} gives no probabilities; leave out --threshold and --probabilities"
            )
        if reply.text not in self._sampling.choices:
            raise RecordError("unreadable_verdict", f"the judge wrote {reply.text[:40]!r}")
        return float(reply.text == "yes")


def is_formula(text: str) -> bool:
    """Whether a text is mathematics without words around it, so that computer algebra may compare it."""
    return not re.search(r"[^\W\d_]{3,}", re.sub(r"\\[A-Za-z]+", "", text))


def shielded(text: str) -> str:
    """A text that cannot close the tags it is put between."""
    return re.sub(r"<(?=\s*/?\s*(?:first|second)\b)", "<\u200b", text, flags=re.IGNORECASE)
