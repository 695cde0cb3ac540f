"""The reward of a training step: structured reward plus outcome reward (RLKD, section 3.2), as one async function.

One function and not several, because TRL sums several with missing values as zeros; a structured reward that
could not be computed must not train as one. Where any completion of a group lacks it, the whole group goes on
without that part, so that its completions stay comparable.
"""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlkd_cli.errors import ModelError, RecordError
from rlkd_cli.pipeline.grading import Grader
from rlkd_cli.pipeline.matcher import Matcher
from rlkd_cli.pipeline.score import thinking
from rlkd_cli.pipeline.segment import Segmenter
from rlkd_cli.records import Raw, Step


@dataclass(frozen=True)
class Weights:
    """What each part of the total reward is multiplied by. The release: 15 structure, 15 accuracy, 10 format."""

    structure: float = 15.0
    outcome: float = 15.0
    format: float = 0.0


@dataclass
class Parts:
    """One completion's rewards; None where a part could not be computed."""

    outcome: float | None = None
    structure: float | None = None
    format: float = 0.0


def total_rewards(parts: Sequence[Parts], groups: Sequence[int], weights: Weights) -> list[float | None]:
    """The weighted sum of each completion's parts; `groups` says which completions are compared with one another.

    A part that any completion of a group lacks is left out for the whole group. None where nothing is left.
    """
    lacking: dict[str, set[int]] = {
        name: {group for part, group in zip(parts, groups, strict=True) if getattr(part, name) is None}
        for name in ("structure", "outcome")
    }
    totals: list[float | None] = []
    for part, group in zip(parts, groups, strict=True):
        present = [
            (getattr(weights, name), getattr(part, name))
            for name in ("structure", "outcome")
            if getattr(weights, name) and group not in lacking[name]
        ]
        wanted = weights.structure or weights.outcome
        totals.append(sum(w * r for w, r in present) + weights.format * part.format if present or not wanted else None)
    return totals


def format_reward(path: str) -> float:
    """1 for one closed block of thinking with something after it, as R1-style models write; else 0."""
    text = path if path.lstrip().startswith("<think>") else f"<think>{path}"
    return float(re.fullmatch(r"\s*<think>((?!</?think>).)+</think>\s*\S((?!</?think>).)*", text, re.DOTALL) is not None)


@dataclass
class Reward:
    """The composite reward; TRL calls it with lists of equal length and keeps it on one event loop."""

    records: list[Raw]  # by row number: what the teacher says about each prompt
    decode: Callable[[list[int]], str]
    weights: Weights
    grader: Grader
    gsrm: Segmenter | None = None
    matcher: Matcher | None = None
    max_failures: float = 0.5
    samples: Path | None = None  # where completions are kept for people to look at
    sample_every: int = 10
    __name__: str = field(default="rlkd_reward", init=False)

    async def __call__(self, completion_ids: list[list[int]], row: list[int], **kwargs: Any) -> list[float | None]:
        paths = [self.decode(ids) for ids in completion_ids]
        jobs = [self._parts(path, self.records[number]) for path, number in zip(paths, row, strict=True)]
        started = time.perf_counter()
        results = await asyncio.gather(*jobs)
        parts = [part for part, _ in results]
        totals = total_rewards(parts, row, self.weights)
        self._log(parts, totals, time.perf_counter() - started, kwargs.get("log_metric"))
        state = kwargs.get("trainer_state")
        if self.samples and state and state.is_world_process_zero and state.global_step % self.sample_every == 0:
            self._keep_sample(state.global_step, paths[0], results[0], totals[0], self.records[row[0]])
        return totals

    async def _parts(self, path: str, record: Raw) -> tuple[Parts, list[Raw]]:
        outcome, (structure, steps) = await asyncio.gather(self._outcome(path, record), self._structure(path, record))
        return Parts(outcome, structure, format_reward(path) if self.weights.format else 0.0), steps

    async def _outcome(self, path: str, record: Raw) -> float | None:
        if not self.weights.outcome or record.get("answer") is None:
            return None
        grade = await self.grader.grade(path, str(record["answer"]))
        return None if grade.verdict == "timeout" else float(grade.verdict == "correct")

    async def _structure(self, path: str, record: Raw) -> tuple[float | None, list[Raw]]:
        if self.gsrm is None or self.matcher is None:
            return None, []
        try:
            segmented = (await self.gsrm({**record, "path": thinking(path)}))[0]["steps"]
        except RecordError:
            return None, []
        teacher = [Step(**step) for step in record["steps"]]
        score = await self.matcher.score(teacher, [Step(**step) for step in segmented])
        return score.reward, segmented

    def _log(
        self, parts: list[Parts], totals: list[float | None], seconds: float, log: Callable[[str, float], None] | None
    ) -> None:
        structures = [part.structure for part in parts if part.structure is not None]
        failed = 1 - len(structures) / len(parts)
        if self.gsrm and failed > self.max_failures:
            raise ModelError(
                f"{failed:.0%} of a step's structured rewards could not be computed, more than "
                f"--max-reward-failures {self.max_failures:g}"
            )
        if log is None:
            return
        outcomes = [part.outcome for part in parts if part.outcome is not None]
        known = [total for total in totals if total is not None]
        log("seconds_reward", seconds)
        for name, values in (("structured_reward", structures), ("outcome_reward", outcomes), ("total_reward", known)):
            if values:
                log(name, sum(values) / len(values))
        if self.gsrm:
            log("reward_failures", failed)

    def _keep_sample(self, step: int, path: str, result: tuple[Parts, list[Raw]], total: float | None, raw: Raw) -> None:
        assert self.samples is not None
        part, steps = result
        entry = {"step": step, "id": raw["id"], "path": path, "steps": steps, "total_reward": total}
        entry |= {"structured_reward": part.structure, "outcome_reward": part.outcome}
        with self.samples.open("a", encoding="utf-8") as out:
            out.write(json.dumps(entry, ensure_ascii=False) + "\n")


RewardFunction = Callable[..., Awaitable[list[float | None]]]
