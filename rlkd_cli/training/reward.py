"""The reward of a training step: all parts of it, and their total, over a batch of completions.

What TRL calls are the functions of `reward_parts.py`, which share this computation. The structured
reward itself is `rlkd score`'s.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rlkd_cli.errors import ModelError
from rlkd_cli.records.schema import Raw, Step
from rlkd_cli.records.write import dumps
from rlkd_cli.reward.attempts import Attempt, Attempts
from rlkd_cli.reward.grading.grader import Grader
from rlkd_cli.reward.patience import patiently
from rlkd_cli.reward.structured import Structure
from rlkd_cli.reward.total import Weights
from rlkd_cli.training.loop import Check
from rlkd_cli.training.similarity import Similarity


class Clock:
    """When each part of the reward was first and last at work; parts run at the same time, so spans
    overlap.
    """

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
    """All parts of the reward, called with lists of equal length, always on one event loop.

    Where a GSRM's or a judge's server is unavailable, training waits up to `timeout` seconds for
    it; a completion whose reward is missing then is left out of its group.
    """

    records: Sequence[Raw]  # by row number: what the teacher says about each prompt
    decode: Callable[[list[int]], str]
    weights: Weights
    grader: Grader
    structure: Structure | None = None
    similarity: Similarity | None = None  # what the path earns in place of the structured reward
    max_failures: float = 0.5
    timeout: float = 600.0
    samples: Path | None = None  # where completions are kept for people to look at
    sample_every: int = 10
    tell: Callable[[str], None] = lambda text: None
    missing: tuple[int, int] = (0, 0)  # structured rewards of the last batch: missing, asked for
    path_reward: str = "structured_reward"  # what the reward of the path is called

    def expects(self, row: int, part: str) -> bool:
        """Whether the completions of a record are to have this part: `total` always, an outcome
        only with a reference answer.
        """
        return bool(getattr(self.weights.of(self.records[row]), part, True))

    def __post_init__(self) -> None:
        self._attempts = Attempts(self.weights, self.grader, self.structure)

    async def __call__(
        self, completion_ids: list[list[int]], row: list[int], **kwargs: Any
    ) -> dict[str, list[float | None]]:
        """Each part by name, and `total`; None where it is missing, or not asked for."""
        paths = [self.decode(ids) for ids in completion_ids]
        records = [self.records[number] for number in row]
        clock = Clock()
        attempts = await self._patiently(paths, records, clock)
        if self.similarity:
            with clock("similarity"):
                theirs = [str(record["path"]) for record in records]
                near = await asyncio.to_thread(self.similarity, theirs, paths)
            for attempt, value in zip(attempts, near, strict=True):
                attempt.parts.structure = value
        totals = list(map(self._attempts.total, attempts, records))
        if self.structure:
            none = sum(attempt.parts.structure is None for attempt in attempts)
            self.missing = none, len(attempts)
        if log := kwargs.get("log_metric"):
            self._log(attempts, totals, clock, log)
        state: Any = kwargs.get("trainer_state")
        is_due = state and state.is_world_process_zero and not state.global_step % self.sample_every
        if self.samples and is_due:
            self._keep_sample(state.global_step, paths[0], attempts[0], totals[0], records[0])
        parts = [vars(attempt.parts) for attempt in attempts]
        found = {name: [part[name] for part in parts] for name in parts[0]}
        return {"total": totals, **found}

    async def _patiently(self, paths: list[str], records: list[Raw], clock: Clock) -> list[Attempt]:
        """All attempts; those that a server's absence spoilt are made again while there is time."""

        async def one(i: int) -> Attempt:
            steps = [Step(**step) for step in records[i].get("steps") or ()]
            return await self._attempts(paths[i], records[i], [steps], clock)

        def failed(attempt: Attempt) -> bool:
            return attempt.server_failed

        return await patiently(one, len(paths), failed, self.timeout, self.tell)

    async def close(self) -> None:
        """Closes the connections to servers, and the grader."""
        await self._attempts.close()

    def _log(
        self,
        attempts: Sequence[Attempt],
        totals: Sequence[float | None],
        clock: Clock,
        log: Callable[[str, float], None],
    ) -> None:
        for part, (first, last) in clock.spans.items():
            log(f"seconds_{part}", last - first)
        values = {
            self.path_reward: [attempt.parts.structure for attempt in attempts],
            "outcome_reward": [attempt.parts.outcome for attempt in attempts],
            "total_reward": totals,
        }
        for name, found in values.items():
            known = [value for value in found if value is not None]
            if known:
                log(name, sum(known) / len(known))
        if self.structure:
            scored = [attempt for attempt in attempts if attempt.parts.structure is not None]
            log("reward_failures", 1 - len(scored) / len(attempts))
            log("unsegmentable", sum(a.unsegmentable for a in attempts) / len(attempts))

    def _keep_sample(
        self, step: int, path: str, attempt: Attempt, total: float | None, raw: Raw
    ) -> None:
        assert self.samples is not None
        entry = {
            "step": step,
            "id": raw["id"],
            "path": path,
            "steps": [one.model_dump() for one in attempt.steps],
            "verdicts": attempt.verdicts,
            "total_reward": total,
            self.path_reward: attempt.parts.structure,
            "outcome_reward": attempt.parts.outcome,
        }
        with self.samples.open("a", encoding="utf-8") as out:
            out.write(dumps(entry) + "\n")


class MissingCallback(Check):
    """Ends a training, in all of its processes alike, where too many of a step's rewards are
    missing.

    Counted at the step's end on the main thread: TRL's reward thread must not talk to other
    processes.
    """

    def __init__(self, reward: Reward) -> None:
        self._reward = reward

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        counts = torch.tensor([float(n) for n in self._reward.missing], device=args.device)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(counts)
        missing, asked = counts.tolist()
        if asked and missing / asked > self._reward.max_failures:
            control.should_save = control.should_training_stop = True
            self.failure = ModelError(
                f"{missing / asked:.0%} of a step's structured rewards could not be computed, more "
                f"than --max-reward-failures {self._reward.max_failures:g}; a checkpoint is kept: "
                "run the same command again to go on"
            )
