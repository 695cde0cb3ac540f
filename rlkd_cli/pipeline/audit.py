"""Whether a match judge can be trusted, measured on the very texts that it is to judge (`score
--audit`).

Every question here goes to the judge itself: the guards that keep hollow texts from it are off, so
that what is measured is the judge and not the guards. What a judge should say yes and no to where
texts differ cannot be known from them: a few pairs of our own say so, and texts whose number was
changed.
"""

import asyncio
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rlkd_cli.core.steps import PARTS, Part
from rlkd_cli.errors import InputError, RecordError
from rlkd_cli.pipeline.score import Scorer
from rlkd_cli.records.read import Input
from rlkd_cli.records.schema import Raw, Step
from rlkd_cli.reward.grading.grader import Grader
from rlkd_cli.reward.judges import MASTER_KEYS, Judge

Pair = tuple[Part, str, str]

# Ours: the same in other words, and what only looks the same
PARAPHRASES: tuple[Pair, ...] = (
    ("answer", "0.5", r"\frac{1}{2}"),
    ("answer", "x = 3/4", r"x=\frac{3}{4}"),
    ("answer", "1,000", "1000"),
    ("answer", "2^{10}", "1024"),
    ("sub_problem", "What is the area of the triangle?", "Find the triangle's area."),
    ("sub_problem", "How many apples are left?", "Determine how many apples remain."),
    (
        "meta_reasoning",
        "To get the perimeter, I first need the length of a side.",
        "A side's length is needed first, so that the perimeter can be found.",
    ),
    (
        "meta_reasoning",
        "Check the result by putting it back into the equation.",
        "Verify the answer by substituting it into the original equation.",
    ),
)
NEAR_MISSES: tuple[Pair, ...] = (
    ("answer", "x=3/4", "x=4/3"),
    ("answer", "-5", "5"),
    ("answer", "(1, 2)", "(2, 1)"),
    ("answer", "x < 3", "x > 3"),
    ("sub_problem", "What is the area of the triangle?", "What is the perimeter of the triangle?"),
    ("sub_problem", "How many apples are left?", "How many apples were there at first?"),
    (
        "meta_reasoning",
        "Solve for x first, then substitute to get y.",
        "Solve for y first, then substitute to get x.",
    ),
    (
        "meta_reasoning",
        "Count the favourable cases, then divide by all cases.",
        "Count the unfavourable cases, then divide by all cases.",
    ),
)
Show = Callable[[int, int], None]  # questions answered, and how many there are


@dataclass(frozen=True)
class Finding:
    """A share (0 to 1) of `asked` questions, and the bound that a judge to be trusted keeps."""

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
        self, judge: Judge, threshold: float = Judge.threshold, size: int = 100, seed: int = 0
    ) -> None:
        self._judge, self._threshold, self._size = judge, threshold, size
        self._rng = random.Random(seed)

    async def run(
        self,
        walks: Sequence[tuple[Sequence[Step], Sequence[Step]]],
        show: Show = lambda done, total: None,
    ) -> list[Finding]:
        """`walks` are (teacher's steps, student's steps) of one id each. The bounds are ours."""
        pairs = self._some(
            [pair for teacher, student in walks for pair in _pairs(teacher, student)]
        )
        texts = self._some([(part, a, a) for part, a, _ in pairs])
        shuffled = self._some(_shuffled(pairs, self._rng))
        keys = self._some([(part, a, key) for part, a, _ in pairs for key in MASTER_KEYS])
        near = [*NEAR_MISSES, *self._some([pair for pair in map(_changed, texts) if pair])]
        asked = (pairs, pairs, pairs, texts, PARAPHRASES, near, shuffled, keys)
        self._show, self._done, self._total = show, 0, sum(map(len, asked))
        verdicts = await self._ask(pairs)
        return [
            _agreement("same verdict twice", 0.95, verdicts, await self._ask(pairs)),
            _agreement(
                "same verdict swapped",
                0.9,
                verdicts,
                await self._ask([(p, b, a) for p, a, b in pairs]),
            ),
            _share("accepts identical texts", 0.95, True, await self._ask(texts)),
            _share("accepts paraphrases", 0.8, True, await self._ask(PARAPHRASES)),
            _share("accepts near misses", 0.1, False, await self._ask(near)),
            _share("accepts unrelated sub-problems", 0.2, False, await self._ask(shuffled)),
            _share("accepts texts without content", 0.02, False, await self._ask(keys)),
        ]

    def _some(self, pairs: list[Pair]) -> list[Pair]:
        return pairs if len(pairs) <= self._size else self._rng.sample(pairs, self._size)

    async def _ask(self, pairs: Sequence[Pair]) -> list[bool | None]:
        async def one(pair: Pair) -> bool | None:
            try:
                return await self._judge.ask(*pair) >= self._threshold
            except RecordError:
                return None
            finally:
                self._done += 1
                self._show(self._done, self._total)

        return list(await asyncio.gather(*map(one, pairs)))


def _pairs(teacher: Sequence[Step], student: Sequence[Step]) -> list[Pair]:
    return [
        (part, getattr(a, part), getattr(b, part))
        for a, b in zip(teacher, student, strict=False)
        for part in PARTS
    ]


def _changed(pair: Pair) -> Pair | None:
    """A question or an answer against itself with its last number one larger; None without a
    number.
    """
    part, text, _ = pair
    numbers = list(re.finditer(r"[0-9]+", text))
    if part == "meta_reasoning" or not numbers:
        return None
    last = numbers[-1]
    return part, text, text[: last.start()] + str(int(last.group()) + 1) + text[last.end() :]


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


async def audit_scorer(
    scorer: Scorer, student: Input, seed: int, show: Show, grader: Grader
) -> list[Finding]:
    """Tests the scorer's judge on the pairs that it would score; closes all of it at the end.

    InputError where no id of the student is the teacher's.
    """
    structure = scorer.structure
    try:
        known = await scorer.teacher()
        paired = [i.raw for i in student if i.fault is None and i.raw["id"] in known]
        walks = [(known[raw["id"]][0], await structure.steps(raw)) for raw in paired]
        if not walks:
            reason = "no id of the teacher's file is in it: there is nothing to ask about"
            raise InputError(student.source, "id", reason)
        matcher = structure.matcher
        return await Audit(matcher.judge, matcher.threshold, seed=seed).run(walks, show)
    finally:
        await structure.close()
        await grader.close()
