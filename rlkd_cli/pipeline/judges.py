"""Match judges: whether two texts of the same part match (Algorithm 1's Match)."""

import re
import unicodedata
from typing import Protocol

from rlkd_cli import prompts
from rlkd_cli.core import grade
from rlkd_cli.core.steps import PARTS, Part
from rlkd_cli.errors import RecordError
from rlkd_cli.models import Sampling, TextModel, user
from rlkd_cli.pipeline.grading import Grader

MASTER_KEYS = {"", "solution", "lets solve this step by step", "thought process", "step", "answer", "yes", "no", "none"}


class Judge(Protocol):
    """Says whether two texts of a part match; `name` says how, for records and cache keys."""

    name: str

    async def match(self, part: Part, teacher: str, student: str) -> bool:
        """RecordError where there is no verdict, which is not the same as no match."""
        ...


def normalize_text(text: str) -> str:
    """A text without case, punctuation at its end, and spacing: two texts that differ only there are the same."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip().rstrip(".!?;:").strip().casefold()


def is_hollow(text: str) -> bool:
    """Whether a text says nothing: such texts are known to draw a "yes" from model judges."""
    words = re.sub(r"[^\w\s]", "", normalize_text(text)).strip()
    return words in MASTER_KEYS - {"yes", "no", "none"} or not re.search(r"\w", text)


class ExactJudge:
    """Equal after `normalize_text`."""

    name = "exact"

    async def match(self, part: Part, teacher: str, student: str) -> bool:
        return normalize_text(teacher) == normalize_text(student)


class MathJudge:
    """Answers compared as mathematics, by the evaluation's own grader; the other parts as text."""

    name = "math"

    def __init__(self, grader: Grader) -> None:
        self._grader = grader

    async def match(self, part: Part, teacher: str, student: str) -> bool:
        if normalize_text(teacher) == normalize_text(student):
            return True
        if part != "answer":
            return False
        return await self._grader.compare(student, teacher) == "correct"


class ModelJudge:
    """A model asked for one word. Texts that are equal, or that say nothing, are not asked about."""

    def __init__(self, model: TextModel) -> None:
        self._model = model
        self.name = f"{model.name}@{prompts.version(*(prompts.load(f'match_{part}') for part in PARTS))}"

    async def match(self, part: Part, teacher: str, student: str) -> bool:
        if normalize_text(teacher) == normalize_text(student):
            return True
        if part == "answer" and (agrees := grade.compare_simple(student, teacher)) is True:
            return agrees
        if is_hollow(teacher) or is_hollow(student):
            return False
        texts = {"first": shielded(teacher), "second": shielded(student)}
        question = prompts.fill(prompts.load(f"match_{part}"), **texts)
        sampling = Sampling(max_tokens=4, choices=("yes", "no"))
        reply = await self._model.reply(user(question), sampling)
        if reply.text not in sampling.choices:
            raise RecordError("unreadable_verdict", f"the judge wrote {reply.text[:40]!r}")
        return reply.text == "yes"


def shielded(text: str) -> str:
    """A text that cannot close the tags it is put between."""
    return re.sub(r"<(?=\s*/?\s*(?:first|second)\b)", "<\u200b", text, flags=re.IGNORECASE)
