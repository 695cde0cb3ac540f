"""`score`: teacher and student joined on id, each student path rewarded, and what the rewards add
up to.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rlkd_cli.core.steps import PARTS
from rlkd_cli.errors import InputError, RecordError
from rlkd_cli.pipeline.estimate import Call
from rlkd_cli.records.read import Item
from rlkd_cli.records.schema import Raw, Step
from rlkd_cli.reward.compared import TeacherSamples, compare
from rlkd_cli.reward.judges import judge_class
from rlkd_cli.reward.structured import Matching, Structure, segmented

# The steps of each id, several where there are several paths
Teacher = dict[str | int, list[list[Step]]]


class Scorer:
    """Rewards student records against the teacher's steps for the same id.

    The teacher is read, and where it has paths segmented, with the first record.
    """

    def __init__(
        self,
        structure: Structure,
        teacher: Iterable[Item],
        in_flight: int,
        teacher_samples: TeacherSamples,
        probabilities: bool,
        watch: str | None,
    ) -> None:
        """`in_flight`: of the teacher's paths, how many are segmented at a time.

        `watch` is an id whose first pair of step sequences is kept, for people to look at.
        """
        self.structure, self._source, self._in_flight = structure, teacher, in_flight
        self._samples, self._probabilities = teacher_samples, probabilities
        self._teacher: Teacher | None = None
        self.left_out: dict[str | int | None, str] = {}  # of the teacher's rows: id, and why
        self.lost = 0  # how many
        self._loading = asyncio.Lock()
        self._watch, self._seen = watch, set[str | int]()
        self.watched: tuple[list[Step], list[Step], Raw] | None = (
            None  # teacher's, student's, the score
        )

    @property
    def unused(self) -> int:
        """How many of the teacher's ids no student record had."""
        return len(self._teacher or {}) - len(self._seen)

    async def teacher(self) -> Teacher:
        """The teacher's steps by id."""
        async with self._loading:
            if self._teacher is None:
                found = await teacher_steps(self._source, self.structure, self._in_flight)
                self._teacher, lost = found
                self.left_out, self.lost = dict(lost), len(lost)
            return self._teacher

    async def __call__(self, raw: Raw) -> Raw:
        """The score record.

        RecordError: no teacher for the id, no steps, or a verdict that could not be obtained.
        """
        references = (await self.teacher()).get(raw["id"])
        if not references:
            why = self.left_out.get(raw["id"])
            if why:
                reason = f"the teacher's row of id {raw['id']!r} could not be used: {why}"
                raise RecordError("teacher_unusable", reason)
            reason = f"the teacher's file has no steps for id {raw['id']!r}"
            raise RecordError("no_teacher", reason)
        self._seen.add(raw["id"])
        student = await self.structure.steps(raw)
        found = await compare(self.structure, references, student, self._samples)
        record = found.record(raw)
        if self._probabilities:
            likeness = found.score.likeness
            record["probabilities"] = [dict(zip(PARTS, step, strict=True)) for step in likeness]
        if self._watch == str(raw["id"]) and self.watched is None:
            self.watched = (list(found.teacher), student, record)
        return record


async def teacher_steps(
    items: Iterable[Item], structure: Structure, in_flight: int
) -> tuple[Teacher, list[tuple[str | int | None, str]]]:
    """The teacher's steps by id, and (id, why) of the rows that are left out.

    Paths without steps go through the GSRM, and are left out where it fails, as invalid rows are.
    """
    steps: Teacher = defaultdict(list)
    places = asyncio.Semaphore(in_flight)

    async def one(item: Item) -> list[Step] | str:
        if item.fault:
            return str(item.fault)
        if item.raw.get("steps"):
            return [Step(**step) for step in item.raw["steps"]]
        if structure.gsrm is None:
            reason = "missing: the record is a path without steps; --gsrm MODEL segments it"
            raise InputError(item.where, "steps", reason)
        async with places:
            try:
                return await segmented(structure.gsrm, item.raw)
            except RecordError as error:
                return f"the GSRM could not segment it ({error})"

    listed, lost = list(items), []
    for item, found in zip(listed, await asyncio.gather(*map(one, listed)), strict=True):
        if isinstance(found, str):
            name = item.raw.get("id")
            lost.append((name if isinstance(name, str | int) else None, found))
        else:
            steps[item.raw["id"]].append(found)
    return dict(steps), lost


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
            ("matched to the end", str(len(self.rewards) - sum(self.stops.values()))),
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


def score_calls(raw: Raw, options: Matching) -> list[Call]:
    """At most one question per part and step; a path without steps is assumed to have eight."""
    steps = raw.get("steps") or [None] * 8
    is_model = judge_class(options.judge).uses == "model"
    calls = [Call(options.judge, 800, 1, 4) for _ in PARTS * len(steps)] if is_model else []
    if options.gsrm and not raw.get("steps"):
        length = len(raw["path"])
        calls.append(Call(options.gsrm, length, length / 8, options.gsrm_max_tokens))
    return calls
