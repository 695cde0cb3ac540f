"""GRPOTrainer that says where its time goes: `seconds_generation`, `seconds_loss`, `seconds_optimizer` in the metrics.

The reward logs its own parts (`rewards.py`); what is left of a step is TRL's own work between them.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import TrainerCallback
from trl import GRPOTrainer


class TimedTrainer(GRPOTrainer):  # type: ignore[misc]
    """The base of every method that generates."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_callback(_Optimizer(self))

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        with self.clock("generation"):
            return super()._generate(*args, **kwargs)

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        with self.clock("loss"):
            return super().compute_loss(*args, **kwargs)

    @contextmanager
    def clock(self, part: str) -> Iterator[None]:
        """Logs the seconds of what stands in it."""
        started = time.perf_counter()
        yield
        self.note(part, time.perf_counter() - started)

    def note(self, part: str, seconds: float) -> None:
        self._metrics["train"][f"seconds_{part}"].append(seconds)


class _Optimizer(TrainerCallback):  # type: ignore[misc]
    def __init__(self, trainer: TimedTrainer) -> None:
        self._trainer, self._started = trainer, 0.0

    def on_pre_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        self._started = time.perf_counter()

    def on_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        self._trainer.note("optimizer", time.perf_counter() - self._started)
