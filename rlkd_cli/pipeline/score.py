"""`score`: teacher and student joined on id, each student path rewarded, and what the rewards add up to."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rlkd_cli.core.steps import PARTS
from rlkd_cli.core.thinking import reasoning
from rlkd_cli.errors import InputError, RecordError
from rlkd_cli.pipeline.segment import Segmenter
from rlkd_cli.records.read import Item
from rlkd_cli.records.schema import Raw, Step
from rlkd_cli.reward.matcher import Matcher, Score

TeacherSamples = Literal["best", "mean", "first"]


@dataclass
class Scorer:
    """Rewards student records against the teacher's steps for the same id."""

    teacher: dict[str | int, list[list[Step]]]
    matcher: Matcher
    gsrm: Segmenter | None = None
    teacher_samples: TeacherSamples = "first"
    probabilities: bool = False
    seen: set[str | int] = field(default_factory=set)

    async def __call__(self, raw: Raw) -> list[Raw]:
        """One score record. RecordError: no teacher for the id, no steps, or a verdict that could not be had."""
        references = self.teacher.get(raw["id"])
        if not references:
            raise RecordError("no_teacher", f"the teacher's file has no steps for id {raw['id']!r}")
        self.seen.add(raw["id"])
        student = await self.student_steps(raw)
        used = references[:1] if self.teacher_samples == "first" else references
        scores = await asyncio.gather(
            *(self.matcher.score(reference, student) for reference in used)
        )
        if any(score.reward is None for score in scores):
            raise RecordError("judge_failed", "a verdict that the reward needs could not be had")
        best = max(range(len(scores)), key=lambda i: scores[i].reward or 0.0)
        rewards = [score.reward or 0.0 for score in scores]
        reward = sum(rewards) / len(rewards) if self.teacher_samples == "mean" else rewards[best]
        record = score_record(raw, reward, scores[best], len(used[best]), len(student))
        if self.probabilities:
            record["probabilities"] = [
                dict(zip(PARTS, step, strict=True)) for step in scores[best].likeness
            ]
        return [record]

    async def student_steps(self, raw: Raw) -> list[Step]:
        """The record's steps; a path without steps goes through the GSRM. RecordError where that fails."""
        if raw.get("steps"):
            return [Step(**step) for step in raw["steps"]]
        if self.gsrm is None:
            raise RecordError(
                "no_steps", "the record is a path without steps; --gsrm MODEL segments it"
            )
        segmented = await self.gsrm({**raw, "path": reasoning(raw["path"])})
        return [Step(**step) for step in segmented[0]["steps"]]


def score_record(
    raw: Raw, reward: float, score: Score, teacher_steps: int, student_steps: int
) -> Raw:
    return {
        "id": raw["id"],
        "sample": raw.get("sample", 0),
        "reward": reward,
        "matched_steps": score.matched_steps,
        "teacher_steps": teacher_steps,
        "student_steps": student_steps,
        "verdicts": [verdict._asdict() for verdict in score.verdicts],
    }


async def teacher_steps(
    items: Iterable[Item], gsrm: Segmenter | None
) -> dict[str | int, list[list[Step]]]:
    """The teacher's steps by id, several where there are several paths; paths without steps go through the GSRM."""
    steps: dict[str | int, list[list[Step]]] = defaultdict(list)
    places = asyncio.Semaphore(64)

    async def one(item: Item) -> list[Raw] | None:
        if item.fault:
            return None
        if item.raw.get("steps"):
            return [item.raw]
        if gsrm is None:
            raise InputError(
                item.where,
                "steps",
                "missing: the record is a path without steps; --gsrm MODEL segments it",
            )
        async with places:
            try:
                return await gsrm({**item.raw, "path": reasoning(item.raw["path"])})
            except RecordError:
                return None

    for records in await asyncio.gather(*map(one, items)):
        for record in records or []:
            steps[record["id"]].append([Step(**step) for step in record["steps"]])
    return dict(steps)


@dataclass
class Summary:
    """What the rewards of a run add up to; `add` takes score records."""

    rewards: list[float] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    stops: Counter[int] = field(default_factory=Counter)
    matched: int = 0
    wrong: Counter[str] = field(default_factory=Counter)

    def add(self, record: Raw) -> None:
        self.rewards.append(record["reward"])
        self.depths.append(record["matched_steps"])
        verdicts: Sequence[Raw] = record["verdicts"]
        if verdicts and verdicts[-1]["meta_reasoning"] is False:
            self.stops[len(verdicts)] += 1
        for verdict in verdicts:
            if verdict["meta_reasoning"]:
                self.matched += 1
                self.wrong["sub_problem"] += not verdict["sub_problem"]
                self.wrong["answer"] += not verdict["answer"]

    def table(self) -> list[tuple[str, str]]:
        """Rows for people: what, and how much."""
        if not self.rewards:
            return [("scored", "0")]
        rows = [
            ("scored", str(len(self.rewards))),
            ("mean reward", f"{sum(self.rewards) / len(self.rewards):.3f}"),
            ("mean matched steps", f"{sum(self.depths) / len(self.depths):.2f}"),
            ("walks to the end", str(len(self.rewards) - sum(self.stops.values()))),
        ]
        most = max(self.stops.values(), default=1)
        rows += [
            (f"first mismatch at step {step}", f"{'▇' * -(-20 * count // most):<20} {count:>6}")
            for step, count in sorted(self.stops.items())
        ]
        if self.matched:
            rows += [
                ("Q penalties", f"{self.wrong['sub_problem'] / self.matched:.1%} of matched steps")
            ]
            rows += [("A penalties", f"{self.wrong['answer'] / self.matched:.1%} of matched steps")]
        return rows
