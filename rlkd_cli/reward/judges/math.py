"""Answers as mathematics."""

from typing import Self

from rlkd_cli.core.steps import Part
from rlkd_cli.reward.grading.grader import Grader
from rlkd_cli.reward.judges.base import Judge, Means, normalize_text


class MathJudge(Judge):
    """Answers compared as mathematics, by the evaluation's own grader; the other parts as text."""

    summary = "answers as mathematics, the rest as text"
    name = "math"

    def __init__(self, grader: Grader) -> None:
        self._grader = grader

    @classmethod
    def open(cls, means: Means) -> Self:
        return cls(means.grader)

    def settle(self, part: Part, teacher: str, student: str) -> float | None:
        same = normalize_text(teacher) == normalize_text(student)
        return None if part == "answer" and not same else float(same)

    async def ask(self, part: Part, teacher: str, student: str) -> float:
        if part != "answer":
            return float(normalize_text(teacher) == normalize_text(student))
        return float(await self._grader.compare(student, teacher) == "correct")
