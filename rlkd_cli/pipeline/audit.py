"""Whether a match judge can be trusted, measured on the very texts that it is to judge (`score --audit`).

Every question here goes to the judge itself: the guards that keep hollow texts from it are off, so that what is
measured is the judge and not the guards.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from rlkd_cli.core.steps import PARTS, Part
from rlkd_cli.errors import RecordError
from rlkd_cli.records.schema import Raw, Step
from rlkd_cli.reward.judges import MASTER_KEYS, Judge

Pair = tuple[Part, str, str]


@dataclass(frozen=True)
class Finding:
    """A share between 0 and 1 of `asked` questions, and the bound that a judge to be trusted keeps."""

    test: str
    asked: int
    unanswered: int
    share: float
    bound: float
    at_least: bool

    @property
    def passed(self) -> bool:
        return self.asked > self.unanswered and (
            self.share >= self.bound if self.at_least else self.share <= self.bound
        )

    def record(self) -> Raw:
        return {**self.__dict__, "passed": self.passed}


class Audit:
    """Asks `judge` about up to `size` pairs a test; a likeness of `threshold` is a match."""

    def __init__(
        self, judge: Judge, threshold: float = 0.5, size: int = 100, seed: int = 0
    ) -> None:
        self._judge, self._threshold, self._size, self._rng = (
            judge,
            threshold,
            size,
            random.Random(seed),
        )

    async def run(self, walks: Sequence[tuple[Sequence[Step], Sequence[Step]]]) -> list[Finding]:
        """`walks` are (teacher's steps, student's steps) of one id each. The bounds are ours."""
        pairs = self._some(
            [pair for teacher, student in walks for pair in _pairs(teacher, student)]
        )
        texts = self._some([(part, a, a) for part, a, _ in pairs])
        shuffled = self._some(_shuffled(pairs, self._rng))
        keys = self._some([(part, a, key) for part, a, _ in pairs for key in MASTER_KEYS])
        verdicts = await self._ask(pairs)
        return [
            _agreement("same verdict when asked again", 0.95, verdicts, await self._ask(pairs)),
            _agreement(
                "same verdict with the texts swapped",
                0.9,
                verdicts,
                await self._ask([(p, b, a) for p, a, b in pairs]),
            ),
            _share("yes to a text and itself", 0.95, True, await self._ask(texts)),
            _share("yes to texts of different sub-problems", 0.2, False, await self._ask(shuffled)),
            _share("yes to a master key", 0.02, False, await self._ask(keys)),
        ]

    def _some(self, pairs: list[Pair]) -> list[Pair]:
        return pairs if len(pairs) <= self._size else self._rng.sample(pairs, self._size)

    async def _ask(self, pairs: Sequence[Pair]) -> list[bool | None]:
        async def one(pair: Pair) -> bool | None:
            try:
                return await self._judge.ask(*pair) >= self._threshold
            except RecordError:
                return None

        return list(await asyncio.gather(*map(one, pairs)))


def _pairs(teacher: Sequence[Step], student: Sequence[Step]) -> list[Pair]:
    return [
        (part, getattr(a, part), getattr(b, part))
        for a, b in zip(teacher, student, strict=False)
        for part in PARTS
    ]


def _shuffled(pairs: Sequence[Pair], rng: random.Random) -> list[Pair]:
    """Each text against one of the same part from another pair, where the two differ."""
    found: list[Pair] = []
    for part in PARTS:
        mine = [pair for pair in pairs if pair[0] == part]
        others = [pair[2] for pair in mine]
        rng.shuffle(others)
        found += [
            (part, a, b) for (_, a, own), b in zip(mine, others, strict=True) if b not in (a, own)
        ]
    return found


def _agreement(
    test: str, bound: float, first: Sequence[bool | None], second: Sequence[bool | None]
) -> Finding:
    both = [a == b for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    return Finding(test, len(first), len(first) - len(both), _mean(both), bound, True)


def _share(test: str, bound: float, at_least: bool, verdicts: Sequence[bool | None]) -> Finding:
    known = [verdict for verdict in verdicts if verdict is not None]
    return Finding(test, len(verdicts), len(verdicts) - len(known), _mean(known), bound, at_least)


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 0.0
