"""Texts that are the same."""

from typing import Self

from rlkd_cli.core.steps import Part
from rlkd_cli.reward.judges.base import Judge, Means, normalize_text


class ExactJudge(Judge):
    """Equal after `normalize_text`."""

    summary = "the same text"
    name = "exact"

    @classmethod
    def open(cls, means: Means) -> Self:
        return cls()

    def settle(self, part: Part, teacher: str, student: str) -> float | None:
        return float(normalize_text(teacher) == normalize_text(student))

    async def ask(self, part: Part, teacher: str, student: str) -> float:
        return float(normalize_text(teacher) == normalize_text(student))
