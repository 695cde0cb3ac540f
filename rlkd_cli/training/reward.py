"""The reward of a training step: structured reward plus outcome reward (RLKD, section 3.2), as one async function.

One function and not several, because TRL sums several with missing values as zeros; a structured reward that
could not be computed must not train as one. Where any completion of a group lacks it, the whole group goes on
without that part, so that its completions stay comparable.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rlkd_cli.core.thinking import reasoning
from rlkd_cli.errors import ModelError, RecordError
from rlkd_cli.models import TextModel
from rlkd_cli.pipeline.segment import Segmenter
from rlkd_cli.records.schema import Raw, Step
from rlkd_cli.reward.grading import Grader
from rlkd_cli.reward.matcher import Matcher

T = TypeVar("T")

# What a server's absence looks like; anything else is the completion's own fault and is not asked again
SERVER_CODES = {"no_connection", "timeout", "bad_response", "empty_reply", "http_429"}


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


def total_rewards(
    parts: Sequence[Parts],
    groups: Sequence[int],
    weights: Weights,
    everywhere: Callable[[set[int]], set[int]] = lambda lacking: lacking,
) -> list[float | None]:
    """The weighted sum of each completion's parts; `groups` says which completions are compared with one another.

    A part that any completion of a group lacks is left out for the whole group. None where nothing is left.
    `everywhere` adds the groups that lack a part in other processes.
    """
    lacking: dict[str, set[int]] = {
        name: everywhere(
            {
                group
                for part, group in zip(parts, groups, strict=True)
                if getattr(part, name) is None
            }
        )
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
        totals.append(
            sum(w * r for w, r in present) + weights.format * part.format
            if present or not wanted
            else None
        )
    return totals


def format_reward(path: str) -> float:
    """1 for one closed block of thinking with something after it, as R1-style models write; else 0."""
    text = path if path.lstrip().startswith("<think>") else f"<think>{path}"
    return float(
        re.fullmatch(r"\s*<think>((?!</?think>).)+</think>\s*\S((?!</?think>).)*", text, re.DOTALL)
        is not None
    )


@dataclass
class Attempt:
    """What came of one completion: its parts, its steps, and whether a server's absence is why a part is missing."""

    parts: Parts = field(default_factory=Parts)
    steps: list[Raw] = field(default_factory=list)
    verdicts: list[Raw] = field(default_factory=list)
    server_failed: bool = False


class Clock:
    """When each part of the reward was first and last at work; parts run at the same time, so spans overlap."""

    def __init__(self) -> None:
        self.spans: dict[str, tuple[float, float]] = {}

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            ended = time.perf_counter()
            first, last = self.spans.get(part, (started, ended))
            self.spans[part] = (min(first, started), max(last, ended))


@dataclass
class Reward:
    """The composite reward; TRL calls it with lists of equal length and keeps it on one event loop.

    Where a GSRM's or a judge's server is away, training waits up to `timeout` seconds for it; a structured reward
    that is missing then, or because a completion could not be segmented, is left out (see `total_rewards`).
    """

    records: list[Raw]  # by row number: what the teacher says about each prompt
    decode: Callable[[list[int]], str]
    weights: Weights
    grader: Grader
    gsrm: Segmenter | None = None
    matcher: Matcher | None = None
    max_failures: float = 0.5
    timeout: float = 600.0
    judge: TextModel | None = None  # the matcher's model, to be closed
    samples: Path | None = None  # where completions are kept for people to look at
    sample_every: int = 10
    tell: Callable[[str], None] = lambda text: None
    __name__: str = field(default="rlkd_reward", init=False)

    async def __call__(
        self, completion_ids: list[list[int]], row: list[int], **kwargs: Any
    ) -> list[float | None]:
        paths = [self.decode(ids) for ids in completion_ids]
        clock, started = Clock(), time.perf_counter()
        attempts = await self._patiently(paths, [self.records[number] for number in row], clock)
        parts = [attempt.parts for attempt in attempts]
        totals = total_rewards(parts, row, self.weights, _everywhere)
        clock.spans["reward"] = (started, time.perf_counter())
        self._check_failures(parts)
        self._log(parts, totals, clock, kwargs.get("log_metric"))
        state = kwargs.get("trainer_state")
        if (
            self.samples
            and state
            and state.is_world_process_zero
            and state.global_step % self.sample_every == 0
        ):
            self._keep_sample(
                state.global_step, paths[0], attempts[0], totals[0], self.records[row[0]]
            )
        return totals

    async def _patiently(self, paths: list[str], records: list[Raw], clock: Clock) -> list[Attempt]:
        """All attempts; those that a server's absence spoilt are made again while there is time."""
        deadline, pause = time.monotonic() + self.timeout, 1.0
        attempts = list(
            await asyncio.gather(
                *(self._attempt(p, r, clock) for p, r in zip(paths, records, strict=True))
            )
        )
        while failed := [i for i, attempt in enumerate(attempts) if attempt.server_failed]:
            if time.monotonic() + pause > deadline:
                break
            self.tell(
                f"{len(failed)} rewards wait for a server that does not answer; {deadline - time.monotonic():.0f} s are left"
            )
            await asyncio.sleep(pause)
            pause = min(2 * pause, 30.0)
            again = await asyncio.gather(
                *(self._attempt(paths[i], records[i], clock) for i in failed)
            )
            for i, attempt in zip(failed, again, strict=True):
                attempts[i] = attempt
        return attempts

    async def _attempt(self, path: str, record: Raw, clock: Clock) -> Attempt:
        outcome, attempt = await asyncio.gather(
            self._outcome(path, record, clock), self._structure(path, record, clock)
        )
        attempt.parts.outcome = outcome
        attempt.parts.format = format_reward(path) if self.weights.format else 0.0
        return attempt

    async def _outcome(self, path: str, record: Raw, clock: Clock) -> float | None:
        if not self.weights.outcome or record.get("answer") is None:
            return None
        with clock("outcome"):
            grade = await self.grader.grade(path, str(record["answer"]))
        return None if grade.verdict == "timeout" else float(grade.verdict == "correct")

    async def _structure(self, path: str, record: Raw, clock: Clock) -> Attempt:
        if self.gsrm is None or self.matcher is None:
            return Attempt()
        try:
            with clock("segmenting"):
                segmented = (await self.gsrm({**record, "path": reasoning(path)}))[0]["steps"]
        except RecordError as error:
            return Attempt(
                server_failed=error.code in SERVER_CODES or error.code.startswith("http_5")
            )
        teacher = [Step(**step) for step in record["steps"]]
        with clock("judging"):
            score = await self.matcher.score(teacher, [Step(**step) for step in segmented])
        verdicts = [verdict._asdict() for verdict in score.verdicts]
        return Attempt(
            Parts(structure=score.reward), segmented, verdicts, server_failed=score.reward is None
        )

    async def close(self) -> None:
        """Closes the connections to servers."""
        for model in (self.gsrm.model if self.gsrm else None, self.judge):
            if model:
                await model.close()

    def _check_failures(self, parts: list[Parts]) -> None:
        """ModelError, in every process alike, where too many of a step's structured rewards are missing."""
        missing = sum(part.structure is None for part in parts)
        counts = _all_processes((missing, len(parts)))
        failed = sum(m for m, _ in counts) / sum(n for _, n in counts)
        if self.gsrm and failed > self.max_failures:
            raise ModelError(
                f"{failed:.0%} of a step's structured rewards could not be computed, more than "
                f"--max-reward-failures {self.max_failures:g}; a checkpoint is kept: run the same command again to go on"
            )

    def _log(
        self,
        parts: list[Parts],
        totals: list[float | None],
        clock: Clock,
        log: Callable[[str, float], None] | None,
    ) -> None:
        structures = [part.structure for part in parts if part.structure is not None]
        failed = 1 - len(structures) / len(parts)
        if log is None:
            return
        outcomes = [part.outcome for part in parts if part.outcome is not None]
        known = [total for total in totals if total is not None]
        for part, (first, last) in clock.spans.items():
            log(f"seconds_{part}", last - first)
        for name, values in (
            ("structured_reward", structures),
            ("outcome_reward", outcomes),
            ("total_reward", known),
        ):
            if values:
                log(name, sum(values) / len(values))
        if self.gsrm:
            log("reward_failures", failed)

    def _keep_sample(
        self, step: int, path: str, attempt: Attempt, total: float | None, raw: Raw
    ) -> None:
        assert self.samples is not None
        entry = {
            "step": step,
            "id": raw["id"],
            "path": path,
            "steps": attempt.steps,
            "verdicts": attempt.verdicts,
        }
        entry |= {
            "total_reward": total,
            "structured_reward": attempt.parts.structure,
            "outcome_reward": attempt.parts.outcome,
        }
        with self.samples.open("a", encoding="utf-8") as out:
            out.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _everywhere(lacking: set[int]) -> set[int]:
    """The groups that lack a part in any process: a group can be split over several."""
    return set().union(*_all_processes(lacking))


def _all_processes(value: T) -> list[T]:
    """What every process of a distributed run has for a value; of a run of one process, its own."""
    import torch.distributed as processes

    if not (processes.is_available() and processes.is_initialized()):
        return [value]
    values = [value] * processes.get_world_size()
    processes.all_gather_object(values, value)
    return values
