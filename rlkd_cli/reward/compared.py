"""A student's steps against the teacher's, of which there may be several: the record of a score."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from rlkd_cli.option import option
from rlkd_cli.records.schema import Raw, Step
from rlkd_cli.reward.matcher import Score
from rlkd_cli.reward.structured import Structure

TeacherSamples = Literal["best", "mean", "first"]


@dataclass(frozen=True, kw_only=True)
class TeacherPaths:
    """Which of the teacher's paths a student is compared with."""

    teacher_samples: Annotated[
        str,
        option(
            "--teacher-samples",
            help="With several teacher paths of an id, use: best, mean, or first.",
            choices=get_args(TeacherSamples),
        ),
    ] = "first"


@dataclass(frozen=True)
class Compared:
    """The structured reward, and the teacher's path, the student's steps and the score behind it.

    With the mean of several paths, `score` is the best one's.
    """

    reward: float
    score: Score
    teacher: Sequence[Step]
    student: Sequence[Step]

    def record(self, raw: Raw) -> Raw:
        """The score record of a student's path `raw`."""
        return {
            "id": raw["id"],
            "sample": raw.get("sample", 0),
            "reward": self.reward,
            "matched_steps": self.score.matched_steps,
            "teacher_steps": len(self.teacher),
            "student_steps": len(self.student),
            "verdicts": [verdict._asdict() for verdict in self.score.verdicts],
        }


async def compare(
    structure: Structure,
    references: Sequence[Sequence[Step]],
    student: Sequence[Step],
    samples: str = "first",
) -> Compared:
    """The reward against the first of the references, the best, or all of them (their mean).

    RecordError where a verdict that it needs is missing.
    """
    used = references[:1] if samples == "first" else references
    scores = await asyncio.gather(*(structure.score(one, student) for one in used))
    rewards = [score.reward or 0.0 for score in scores]
    best = max(range(len(scores)), key=rewards.__getitem__)
    reward = sum(rewards) / len(rewards) if samples == "mean" else rewards[best]
    return Compared(reward, scores[best], used[best], student)
