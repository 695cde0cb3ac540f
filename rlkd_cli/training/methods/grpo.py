"""GRPO on TRL's trainer: of the methods that reward what the student writes, the base.

`rlkd` differs from `grpo` by its reward alone.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from rlkd_cli.models.chat import encode_chat
from rlkd_cli.records.schema import Raw
from rlkd_cli.training import model as models
from rlkd_cli.training.data import messages_of
from rlkd_cli.training.methods.options import Distillation
from rlkd_cli.training.methods.recipes import RECIPES
from rlkd_cli.training.replies import ends_of
from rlkd_cli.training.reward_parts import (
    AGGREGATION,
    functions_of,
    part_statistics,
    without_incomplete,
)

PARTS = ("generation", "reward", "loss", "optimizer")


def build(
    options: Distillation, records: Sequence[Raw], reward: Any, setting: models.Setting
) -> tuple["TimedTrainer", Any]:
    """The trainer and its tokenizer."""
    # DeepSpeed and FSDP must be known before a model is loaded
    arguments = grpo_arguments(options, setting)
    model, tokenizer = models.load(options.student, options, setting.needed)
    parts = trainer_parts(options, records, reward, arguments, model, tokenizer, setting)
    return TimedTrainer(**parts), tokenizer


def grpo_arguments(options: Distillation, setting: models.Setting, **more: Any) -> GRPOConfig:
    """TRL's configuration. Its defaults have moved: what makes it the paper's GRPO is set by name.

    `more` are arguments that a method sets otherwise; what the user says goes before all.
    """
    own: dict[str, Any] = {
        "num_generations": options.group,
        "temperature": options.temperature,
        "max_completion_length": options.max_tokens,
        "num_iterations": options.iterations,
        "beta": 0.0,
        "loss_type": "grpo",
        "scale_rewards": "group",
        "epsilon": 0.2,
        "multi_objective_aggregation": AGGREGATION[options.aggregate],
        "use_vllm": options.vllm is not None,
        "vllm_mode": options.vllm or "colocate",
        "per_device_eval_batch_size": options.group,
    }
    if options.vllm:  # its engine reads the base's end tokens, not those that are trained
        ends = ends_of(models.load_tokenizer(options.student, options.recipe))
        own["generation_kwargs"] = {"stop_token_ids": ends}
    return GRPOConfig(
        **models.distill_arguments(options)
        | own
        | RECIPES[options.recipe].trl
        | more
        | dict(setting.more)
    )


def trainer_parts(
    options: Distillation,
    records: Sequence[Raw],
    reward: Any,
    arguments: GRPOConfig,
    model: Any,
    tokenizer: Any,
    setting: models.Setting,
) -> dict[str, Any]:
    """What every trainer of this kind takes; a row of the data names its record by number.

    The records held out come behind the others, as they do in the reward.
    """

    def rows(some: Sequence[Raw], first: int) -> Dataset:
        asked = [messages_of(raw, options, tokenizer) for raw in some]
        prompts = [[dict(m) for m in one] for one in asked]
        return Dataset.from_list(
            [{"prompt": prompt, "row": first + i} for i, prompt in enumerate(prompts)]
        )

    functions = functions_of(reward, options.aggregate)
    arguments.reward_weights = [function.weight for function in functions]
    return {
        "model": model,
        "reward_funcs": functions,
        "args": arguments,
        "train_dataset": rows(records, 0),
        "eval_dataset": rows(setting.held_out, len(records)) if setting.held_out else None,
        "processing_class": tokenizer,
        "peft_config": models.lora(options.lora),
    }


class TimedTrainer(GRPOTrainer):  # type: ignore[misc]
    """GRPOTrainer that encodes prompts as every engine of rlkd does, and says where its time goes.

    A step's seconds are `seconds_step` = generation + reward + loss (forward and backward) +
    optimizer + other (log-probabilities, data, waiting). The reward logs parts of its own
    (`training/reward.py`).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seconds: dict[str, float] = {}
        self.add_callback(_StepTimes(self))

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Written once, at the end."""

    def _tokenize_prompts(self, prompts: list[Any]) -> Any:
        return [encode_chat(self.processing_class, prompt) for prompt in prompts], None, {}

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        with self.clock("generation"):
            return super()._generate(*args, **kwargs)

    def _calculate_rewards(self, inputs: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        with self.clock("reward"):
            values = super()._calculate_rewards(inputs, *args, **kwargs)
        self._log_parts(values, [one["row"] for one in inputs])
        functions: Any = self.reward_funcs
        return without_incomplete(values, functions)

    def _log_parts(self, values: torch.Tensor, rows: list[int]) -> None:
        """Logs how each part is spread; `values` are those of all processes, `rows` this one's."""
        model: Any = self.model
        functions: Any = self.reward_funcs
        mode = "train" if model.training else "eval"
        group: Any = self.num_generations if mode == "train" else self.num_generations_eval
        parts = torch.tensor([[f.expects(row) for f in functions] for row in rows])
        expected = self.accelerator.gather(parts.to(values.device))
        names = [f.name for f in functions]
        for name, value in part_statistics(values, expected, group, names).items():
            self._metrics[mode][name].append(value)

    def _prepare_inputs(self, *args: Any, **kwargs: Any) -> Any:
        with self.clock("rollout"):
            return super()._prepare_inputs(*args, **kwargs)

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        before = self._seconds.get("rollout", 0.0)
        with self.clock("loss"):
            loss = super().training_step(*args, **kwargs)
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


class _StepTimes(TrainerCallback):  # type: ignore[misc]
    def __init__(self, trainer: TimedTrainer) -> None:
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
