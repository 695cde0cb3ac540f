"""GRPO on TRL's trainer: of the methods that reward what the student writes, the base.

`rlkd` differs from `grpo` by its reward alone.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from datasets import Dataset
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from rlkd_cli.records.schema import Raw
from rlkd_cli.training import model as models
from rlkd_cli.training.data import prompt_of
from rlkd_cli.training.methods.options import Distillation


def build(
    options: Distillation, records: Sequence[Raw], reward: Any, **more: Any
) -> tuple["TimedTrainer", Any]:
    """The trainer and its tokenizer; `more` are arguments of TRL that a method sets otherwise."""
    arguments = grpo_arguments(
        options, **more
    )  # DeepSpeed and FSDP must be known before a model is loaded
    model, tokenizer = models.load(options.student, options)
    return TimedTrainer(
        **trainer_parts(options, records, reward, arguments, model, tokenizer)
    ), tokenizer


def grpo_arguments(options: Distillation, **more: Any) -> GRPOConfig:
    """TRL's configuration. Its defaults have moved: what makes it the paper's GRPO is set by name."""
    own: dict[str, Any] = {
        "num_generations": options.group,
        "temperature": options.temperature,
        "max_completion_length": options.max_tokens,
        "num_iterations": options.iterations,
        "beta": 0.0,
        "loss_type": "grpo",
        "scale_rewards": "group",
        "epsilon": 0.2,
        "use_vllm": options.vllm is not None,
        "vllm_mode": options.vllm or "colocate",
    }
    return GRPOConfig(**models.distill_arguments(options), **own, **more)


def trainer_parts(
    options: Distillation,
    records: Sequence[Raw],
    reward: Any,
    arguments: GRPOConfig,
    model: Any,
    tokenizer: Any,
) -> dict[str, Any]:
    """What every trainer of this kind takes; a row of the data names its record by number."""
    chat = tokenizer.chat_template is not None
    rows = [{"prompt": prompt_of(raw, options, chat), "row": i} for i, raw in enumerate(records)]
    return {
        "model": model,
        "reward_funcs": [reward],
        "args": arguments,
        "train_dataset": Dataset.from_list(rows),
        "processing_class": tokenizer,
        "peft_config": models.lora(options.lora),
    }


class TimedTrainer(GRPOTrainer):  # type: ignore[misc]
    """GRPOTrainer that says where its time goes: `seconds_generation`, `seconds_loss`, `seconds_optimizer`.

    The reward logs its own parts (`training/reward.py`); the rest of a step is TRL's work between them.
    """

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
