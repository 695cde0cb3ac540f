"""`eval`: paths graded, and pass@1 and pass@k with what is needed to trust them (RLKD, section 4.1)."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from rlkd_cli.core.grade import normalize
from rlkd_cli.core.metrics import (
    bootstrap_interval,
    first_k,
    majority_vote,
    mean_pass_at_k,
    pass_at_k,
    standard_error,
)
from rlkd_cli.errors import UsageError
from rlkd_cli.pipeline.sample import Sampler
from rlkd_cli.records.schema import Raw
from rlkd_cli.reward.grading import Grader

RUN_COUNTS = (1, 4, 8, 16, 32, 64)  # Table 1's


@dataclass
class Evaluator:
    """Grades a path record; one without a path is sampled first."""

    grader: Grader
    sampler: Sampler | None = None

    async def __call__(self, raw: Raw) -> Raw:
        if self.sampler and "path" not in raw:
            raw = await self.sampler(raw)
        truncated = raw.get("finish_reason") == "length"
        grade = await self.grader.grade(raw["path"], str(raw["answer"]), truncated)
        own = {
            "prediction": grade.prediction,
            "correct": grade.verdict == "correct",
            "verdict": grade.verdict,
        }
        return {**raw, **own}


@dataclass
class Summary:
    """Verdicts by question, in order of samples; `add` takes graded paths."""

    results: dict[str | int, dict[int, bool]] = field(default_factory=lambda: defaultdict(dict))
    answers: dict[str | int, list[tuple[str | None, bool]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    verdicts: Counter[str] = field(default_factory=Counter)
    tokens: list[int] = field(default_factory=list)
    thinking: list[int] = field(default_factory=list)

    def add(self, record: Raw) -> None:
        self.results[record["id"]][record.get("sample", 0)] = record["correct"]
        prediction = record.get("prediction")
        self.answers[record["id"]].append(
            (normalize(prediction) if prediction else None, record["correct"])
        )
        self.verdicts[record.get("verdict", "correct" if record["correct"] else "wrong")] += 1
        for name, numbers in (("tokens", self.tokens), ("thinking_tokens", self.thinking)):
            if isinstance(record.get(name), int):
                numbers.append(record[name])

    @property
    def questions(self) -> list[list[bool]]:
        """Each question's verdicts, in order of samples."""
        return [[runs[i] for i in sorted(runs)] for runs in self.results.values()]

    @property
    def fewest(self) -> int:
        """The samples of the question that has the fewest."""
        return min(map(len, self.results.values()), default=0)

    def metrics(self, k: int) -> dict[str, Any]:
        """pass@1 over all runs and at Table 1's run counts, pass@k, majority vote, intervals, shares of verdicts.

        UsageError where a question has fewer than k samples.
        """
        questions, fewest = self.questions, self.fewest
        if not questions:
            return {"questions": 0, "samples": 0}
        if k > fewest:
            name = next(name for name, runs in self.results.items() if len(runs) == fewest)
            raise UsageError(
                f"pass@{k} needs {k} samples of each question; {name!r} has {fewest} (--k {fewest})"
            )
        samples = sum(map(len, questions))
        means = [sum(runs) / len(runs) for runs in questions]
        found: dict[str, Any] = {"questions": len(questions), "samples": samples}
        found["pass@1"] = sum(means) / len(means)
        found["pass@1 interval"] = bootstrap_interval(means)
        found["pass@1 standard error"] = standard_error(means)
        for runs in RUN_COUNTS:
            if runs < fewest:
                found[f"pass@1 over the first {runs}"] = mean_pass_at_k(
                    [q[:runs] for q in questions], 1
                )
        if k > 1:
            found[f"pass@{k}"] = mean_pass_at_k(questions, k)
            found[f"pass@{k} interval"] = bootstrap_interval(
                [pass_at_k(len(q), sum(q), k) for q in questions]
            )
            found[f"any of the first {k}"] = first_k(questions, k)
        if fewest > 1:
            found["majority vote"] = sum(map(majority_vote, self.answers.values())) / len(questions)
        for verdict, count in sorted(self.verdicts.items()):
            found[f"share {verdict}"] = count / samples
        for name, numbers in (
            ("mean tokens", self.tokens),
            ("mean thinking tokens", self.thinking),
        ):
            if numbers:
                found[name] = sum(numbers) / len(numbers)
        return found

    def curve(self) -> list[tuple[int, float, float, float]]:
        """(k, pass@k, and its interval) for the powers of two up to the smallest number of samples."""
        points, questions = [], self.questions
        for k in (2**i for i in range(12) if 2**i <= self.fewest):
            values = [pass_at_k(len(q), sum(q), k) for q in questions]
            points.append((k, sum(values) / len(values), *bootstrap_interval(values)))
        return points
