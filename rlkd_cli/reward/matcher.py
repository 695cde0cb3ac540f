"""The one reward, used twice: what `score` prints for files is what `distill` trains with.

Verdicts are asked for as late as Algorithm 1 allows: a step's M when the M before it matched, its Q
and A when its own M matched. Q and A of a step go out together with the next step's M, and all
pairs walk at once, so the round trips are as many as the longest match is deep, plus one. The eager
strategy asks for everything at once: one round trip, more questions, the same rewards.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from rlkd_cli.core.reward import Normalize, Verdict, structured_reward
from rlkd_cli.core.steps import PARTS, Part, StepLike
from rlkd_cli.errors import RecordError
from rlkd_cli.reward.judges import Judge
from rlkd_cli.reward.once import Once, Share
from rlkd_cli.reward.verdict_cache import VerdictCache

Strategy = Literal["lazy", "eager"]
Likeness = float | None  # from 0 to 1; None: not asked, or the judge failed
Pairs = Sequence[tuple[StepLike, StepLike]]


@dataclass
class Held:
    """What a walk has asked and waits for, and the judge's failures that it met."""

    shares: list[Share[float]] = field(default_factory=list)
    failures: list[RecordError] = field(default_factory=list)

    async def value(self, answer: "Likeness | Share[float]") -> Likeness:
        """An answer that is here, or that has to be waited for."""
        if not isinstance(answer, Share):
            return answer
        try:
            return await answer.result()
        except RecordError as error:
            self.failures.append(error)
            return None


@dataclass(frozen=True)
class Score:
    """A student's reward against a teacher, and what it was folded from. reward None: not
    computable.

    `likeness` holds each step's (M, Q, A) as the judge gave them, `verdicts` the same cut at the
    threshold. `failures` are the judge's, where it gave no verdict.
    """

    reward: float | None
    verdicts: list[Verdict]
    likeness: list[tuple[Likeness, ...]]
    failures: Sequence[RecordError] = ()

    @property
    def matched_steps(self) -> int:
        return sum(1 for verdict in self.verdicts if verdict.meta_reasoning)


class Matcher:
    """Obtains verdicts from a judge, each question once, and folds them into rewards."""

    def __init__(
        self,
        judge: Judge,
        normalize: Normalize = "none",
        cache: VerdictCache | None = None,
        threshold: float = Judge.threshold,
        strategy: Strategy = "lazy",
        fingerprint: str | None = None,
    ) -> None:
        """`fingerprint` tells the judge from another of the same name, in the cache."""
        self.judge, self.threshold, self._strategy = judge, threshold, strategy
        self._normalize, self._cache = normalize, cache or VerdictCache()
        self._judge_key = f"{judge.name}@{fingerprint}" if fingerprint else judge.name
        self._asked: Once[float] = Once()
        # How questions were answered: without a model, from the cache, by one under way, by asking
        self.counts: Counter[str] = Counter()

    async def score(self, teacher: Sequence[StepLike], student: Sequence[StepLike]) -> Score:
        """The structured reward of a student's steps.

        A judge that fails leaves a None among the verdicts. Whoever gives up the wait ends the
        questions that nobody else waits for.
        """
        pairs = list(zip(teacher, student, strict=False))
        walk = self._all_at_once if self._strategy == "eager" else self._step_by_step
        held = Held()
        try:
            likeness = await walk(pairs, held)
        finally:
            for share in held.shares:
                share.release()
        verdicts = [
            Verdict(*(None if value is None else value >= self.threshold for value in step))
            for step in likeness
        ]
        return Score(
            structured_reward(verdicts, len(teacher), len(student), self._normalize),
            verdicts,
            likeness,
            held.failures,
        )

    async def close(self) -> None:
        """Closes the judge and the cache; the last call."""
        await self.judge.close()
        self._cache.close()

    async def _step_by_step(self, pairs: Pairs, held: Held) -> list[tuple[Likeness, ...]]:
        metas: list[Likeness] = []
        solving: list[tuple[Likeness | Share[float], ...]] = []
        for pair in pairs:
            metas.append(await held.value(self._ask("meta_reasoning", *pair, held)))
            if not self._matches(metas[-1]):
                break
            solving.append(tuple(self._ask(part, *pair, held) for part in PARTS[1:]))
        rest = [tuple([await held.value(answer) for answer in answers]) for answers in solving]
        rest += [(None, None)] * (len(metas) - len(rest))
        return [(meta, *others) for meta, others in zip(metas, rest, strict=True)]

    async def _all_at_once(self, pairs: Pairs, held: Held) -> list[tuple[Likeness, ...]]:
        asked = [[self._ask(part, *pair, held) for part in PARTS] for pair in pairs]
        steps = [tuple([await held.value(answer) for answer in answers]) for answers in asked]
        for number, (meta, *_) in enumerate(steps):
            if not self._matches(meta):  # what Algorithm 1 does not visit is not kept
                return [*steps[:number], (meta, None, None)]
        return steps

    def _key(self, part: Part, teacher: str, student: str) -> bytes:
        text = "\0".join((self._judge_key, part, teacher, student))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()

    def _matches(self, likeness: Likeness) -> bool:
        return likeness is not None and likeness >= self.threshold

    def _ask(
        self, part: Part, teacher: StepLike, student: StepLike, held: Held
    ) -> "Likeness | Share[float]":
        """One answer: settled without a model, from the cache, or a share in the question, which is
        added to those `held`.
        """
        texts = (getattr(teacher, part), getattr(student, part))
        settled = self.judge.settle(part, *texts)
        if settled is not None:
            self.counts["settled"] += 1
            return settled
        key = self._key(part, *texts)
        known = self._cache.get(key)
        if known is not None:
            self.counts["cached"] += 1
            return known
        self.counts["shared" if self._asked.has(key) else "asked"] += 1
        share = self._asked.start(key, lambda: self._judge(key, part, *texts))
        held.shares.append(share)
        return share

    async def _judge(self, key: bytes, part: Part, teacher: str, student: str) -> float:
        likeness = await self.judge.ask(part, teacher, student)
        self._cache.put(key, likeness)  # a failure is not: it is asked again next time
        return likeness
