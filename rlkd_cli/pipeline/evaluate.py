"""`eval`: paths graded, and pass@1 and pass@k with what is needed to trust them (RLKD, section
4.1).
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rlkd_cli.core.grading.answers import last_box
from rlkd_cli.core.grading.grade import Kind
from rlkd_cli.core.grading.letters import choices_of
from rlkd_cli.core.grading.numbers import vote_key
from rlkd_cli.core.grading.screen import screen
from rlkd_cli.core.metrics import (
    bootstrap_interval,
    first_k,
    majority_vote,
    mean_pass_at_k,
    pass_at_k,
    standard_error,
)
from rlkd_cli.core.question import PAPERS, PROTOCOLS
from rlkd_cli.errors import UsageError
from rlkd_cli.pipeline.sample import Sampler
from rlkd_cli.records.schema import Raw
from rlkd_cli.reward.grading.grader import Grader

RUN_COUNTS = (1, 4, 8, 16, 32, 64)  # Table 1's
RIGHT = "correct"  # the group of all answers that equal the reference

# What a benchmark's row may hold of somebody else's answer
_ANOTHERS = ("path", "paths", "finish_reason", "model", "tokens", "thinking_tokens", "steps")


@dataclass
class Evaluator:
    """Grades a path record. With a sampler, the path is always the model's own.

    `kind` reads answers as letters, integers or exact text; by default the reference says how.
    `protocol` is the tool by whose extraction answers are found (`core.question.PROTOCOLS`).
    """

    grader: Grader
    sampler: Sampler | None = None
    kind: Kind | None = None
    protocol: str = PAPERS

    async def __call__(self, raw: Raw) -> Raw:
        if self.sampler:
            raw = {name: value for name, value in raw.items() if name not in _ANOTHERS}
            raw = await self.sampler(raw)
        truncated, path = raw.get("finish_reason") == "length", raw["path"]
        if PROTOCOLS[self.protocol].extraction == "boxed":
            content = last_box(path)
            path = "" if content is None else f"\\boxed{{{content}}}"
        grade = await self.grader.grade(
            path, str(raw["answer"]), truncated, choices_of(raw), self.kind
        )
        own = {
            "prediction": grade.prediction,
            "correct": grade.verdict == "correct",
            "verdict": grade.verdict,
            "reason": grade.reason,
        }
        return {**raw, **own}


@dataclass
class Groups:
    """One question's wrong answers, and for each the one that leads its group (`led`)."""

    keys: list[str]
    grader: Grader
    led: dict[str, str] = field(default_factory=dict)

    async def ask(self) -> None:
        """Asks the grader, each answer of all leaders at once; the first equal one leads it.

        What is screened, or was asked in vain for as long as the grader waits, is never asked
        again.
        """
        leaders: list[str] = []
        for key in self.keys:
            if not screen(key):
                self.led[key] = await self._leader(key, leaders)

    async def _leader(self, key: str, leaders: list[str]) -> str:
        pairs = [asyncio.ensure_future(self.grader.compare(key, one)) for one in leaders]
        slow = []
        try:
            for one, pair in zip(list(leaders), pairs, strict=True):
                verdict = await pair
                if verdict == "correct":
                    return one
                if verdict == "timeout":
                    slow.append(one)
        finally:
            for pair in pairs:
                pair.cancel()
        if len(slow) < 2:  # of two and more, it is the answer itself that takes long
            leaders[:] = [one for one in leaders if one not in slow]
        if not slow:
            leaders.append(key)
        return key


@dataclass
class Summary:
    """Verdicts by question, in order of samples; `add` takes graded paths.

    `asked` is how many samples of each question were wanted, where that is known.
    """

    results: dict[str | int, dict[int, bool]] = field(default_factory=lambda: defaultdict(dict))
    answers: dict[str | int, list[tuple[str | None, bool]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    verdicts: Counter[str] = field(default_factory=Counter)
    tokens: list[int] = field(default_factory=list)
    thinking: list[int] = field(default_factory=list)
    asked: int = 0

    @classmethod
    def of(cls, records: Iterable[Raw]) -> "Summary":
        """The summary of graded paths."""
        summary = cls()
        for record in records:
            summary.add(record)
        return summary

    def add(self, record: Raw) -> None:
        self.results[record["id"]][record.get("sample", 0)] = record["correct"]
        prediction = record.get("prediction")
        key = vote_key(prediction) if isinstance(prediction, str) and prediction else None
        self.answers[record["id"]].append(
            (RIGHT if record["correct"] and key else key, record["correct"])
        )
        self.verdicts[record.get("verdict", "correct" if record["correct"] else "wrong")] += 1
        for name, numbers in (("tokens", self.tokens), ("thinking_tokens", self.thinking)):
            if isinstance(record.get(name), int):
                numbers.append(record[name])

    async def group(self, grader: Grader, limit: float = 60.0) -> None:
        """Puts answers that are the same mathematics into one group, for the majority vote.

        Right answers and equal numbers are in one group already; this asks the grader of the rest,
        for `limit` seconds in all. What is not asked by then stays in the group of its text.
        """
        groups = [
            Groups(list(dict.fromkeys(key for key, right in answers if key and not right)), grader)
            for answers in self.answers.values()
        ]
        asked = [asyncio.create_task(one.ask()) for one in groups if len(one.keys) > 1]
        if asked:
            _, late = await asyncio.wait(asked, timeout=limit)
            for task in late:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        for name, group in zip(self.answers, groups, strict=True):
            self.answers[name] = [
                (group.led.get(key or "", key), right) for key, right in self.answers[name]
            ]

    @property
    def questions(self) -> list[list[bool]]:
        """Each question's verdicts, in order of samples."""
        return [[runs[i] for i in sorted(runs)] for runs in self.results.values()]

    @property
    def fewest(self) -> int:
        """The samples of the question that has the fewest."""
        return min(map(len, self.results.values()), default=0)

    def missing(self, k: int) -> int:
        """How many samples there would have to be more for every question to have k."""
        return sum(max(0, k - len(runs)) for runs in self.results.values())

    def metrics(self, k: int) -> dict[str, Any]:
        """pass@1 over all runs and at Table 1's run counts, pass@k, majority vote, intervals,
        shares.

        Where some questions have fewer than k samples, pass@ is that of the largest number that
        every question has, and `missing samples` says how many lack. UsageError where so many were
        never asked for.
        """
        questions, fewest = self.questions, self.fewest
        if not questions:
            return {"questions": 0, "samples": 0}
        last = max(max(runs) for runs in self.results.values() if runs)
        if k > max(self.asked, last + 1, *map(len, questions)):
            name = next(name for name, runs in self.results.items() if len(runs) == fewest)
            raise UsageError(
                f"pass@{k} needs {k} samples of each question; {name!r} has {fewest} (--k {fewest})"
            )
        found: dict[str, Any] = {"questions": len(questions), "samples": sum(map(len, questions))}
        if self.missing(k):
            found["missing samples"] = self.missing(k)
        found |= self._pass_at_1(questions) | self._pass_at(questions, min(k, fewest))
        if fewest > 1:
            found["majority vote"] = sum(map(majority_vote, self.answers.values())) / len(questions)
        for verdict, count in sorted(self.verdicts.items()):
            found[f"share {verdict}"] = count / found["samples"]
        for name, numbers in (
            ("mean tokens", self.tokens),
            ("mean thinking tokens", self.thinking),
        ):
            if numbers:
                found[name] = sum(numbers) / len(numbers)
        return found

    def _pass_at_1(self, questions: list[list[bool]]) -> dict[str, Any]:
        """pass@1 over all runs; the mean of the runs that every question has is avg@ to others."""
        means = [sum(runs) / len(runs) for runs in questions]
        found: dict[str, Any] = {
            "pass@1": sum(means) / len(means),
            f"avg@{self.fewest}": mean_pass_at_k([q[: self.fewest] for q in questions], 1),
            "pass@1 interval": bootstrap_interval(means),
            "pass@1 standard error": standard_error(means),
        }
        for runs in (count for count in RUN_COUNTS if count < self.fewest):
            first = [q[:runs] for q in questions]
            found[f"pass@1 over the first {runs}"] = mean_pass_at_k(first, 1)
        return found

    def _pass_at(self, questions: list[list[bool]], k: int) -> dict[str, Any]:
        if k < 2:
            return {}
        values = [pass_at_k(len(q), sum(q), k) for q in questions]
        return {
            f"pass@{k}": mean_pass_at_k(questions, k),
            f"pass@{k} interval": bootstrap_interval(values),
            f"any of the first {k}": first_k(questions, k),
        }

    def curve(self) -> list[tuple[int, float, float, float]]:
        """(k, pass@k, and its interval) for powers of two up to the smallest number of samples."""
        points, questions = [], self.questions
        for k in (2**i for i in range(12) if 2**i <= self.fewest):
            values = [pass_at_k(len(q), sum(q), k) for q in questions]
            points.append((k, sum(values) / len(values), *bootstrap_interval(values)))
        return points
