"""What the trainers share in which the student writes: rlkd's own prompts, the order of problems in
a resumed run, and where the time of a step goes.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from transformers import TrainerCallback

from rlkd_cli.models.chat import encode_chat

PARTS = ("generation", "reward", "loss", "optimizer")


class Timed:
    """Goes before a trainer of TRL that generates. Prompts are encoded as every engine of rlkd
    does.

    A step's seconds are `seconds_step` = generation + reward + loss (forward and backward) +
    optimizer + other (log-probabilities, data, waiting). The reward logs parts of its own
    (`training/reward.py`).
    """

    _metrics: Any
    processing_class: Any
    sampler: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seconds: dict[str, float] = {}
        this: Any = self
        this.add_callback(_StepTimes(self))
        this.add_callback(_Order(self))

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
        self.sampler = super()._get_train_sampler(*args, **kwargs)  # type: ignore[misc]
        return self.sampler

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Written once, at the end."""

    def _tokenize_prompts(self, prompts: list[Any]) -> Any:
        return [encode_chat(self.processing_class, prompt) for prompt in prompts], None, {}

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        with self.clock("generation"):
            return super()._generate(*args, **kwargs)  # type: ignore[misc]

    def _prepare_inputs(self, *args: Any, **kwargs: Any) -> Any:
        with self.clock("rollout"):
            return super()._prepare_inputs(*args, **kwargs)  # type: ignore[misc]

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        before = self._seconds.get("rollout", 0.0)
        with self.clock("loss"):
            loss = super().training_step(*args, **kwargs)  # type: ignore[misc]
        self._seconds["loss"] -= self._seconds.get("rollout", 0.0) - before
        return loss

    @contextmanager
    def clock(self, part: str) -> Iterator[None]:
        """Adds the seconds of what stands in it to the step's."""
        started = time.perf_counter()
        yield
        self._seconds[part] = self._seconds.get(part, 0.0) + time.perf_counter() - started

    def begin_step(self) -> None:
        """What was done between steps, in an evaluation, is no part of one."""
        self._seconds = {}

    def end_step(self, seconds: float) -> None:
        """Logs the parts of a step that took so many seconds."""
        parts = {name: self._seconds.get(name, 0.0) for name in PARTS}
        parts |= {"step": seconds, "other": seconds - sum(parts.values())}
        for name, value in parts.items():
            self._metrics["train"][f"seconds_{name}"].append(value)


class _Order(TrainerCallback):  # type: ignore[misc]
    """Begins each epoch with the order that an undisturbed run has in it.

    TRL's sampler draws one order after the other from a generator, which a resumed run would begin
    anew.
    """

    def __init__(self, trainer: Timed) -> None:
        self._trainer = trainer

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        sampler = self._trainer.sampler
        if not sampler.shuffle:
            return
        sampler.generator.manual_seed(sampler.seed)
        for _ in range(int((state.epoch or 0) + 1e-6)):
            torch.randperm(sampler.num_samples, generator=sampler.generator)


class _StepTimes(TrainerCallback):  # type: ignore[misc]
    def __init__(self, trainer: Timed) -> None:
        self._trainer, self._began, self._stack = trainer, 0.0, ExitStack()

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        self._trainer.begin_step()
        self._began = time.perf_counter()

    def on_pre_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        self._stack.enter_context(self._trainer.clock("optimizer"))

    def on_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        self._stack.close()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self._trainer.end_step(time.perf_counter() - self._began)
