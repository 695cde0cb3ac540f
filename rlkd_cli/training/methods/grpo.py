"""GRPO on TRL's trainer: of the methods that reward what the student writes, the base.

`rlkd` differs from `grpo` by its reward alone.
"""

from collections.abc import Sequence
from typing import Any

import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from rlkd_cli.records.schema import Raw
from rlkd_cli.training import model as models
from rlkd_cli.training.data import messages_of
from rlkd_cli.training.methods.options import Distillation
from rlkd_cli.training.methods.recipes import RECIPES
from rlkd_cli.training.methods.timed import Timed
from rlkd_cli.training.replies import ends_of
from rlkd_cli.training.reward_parts import (
    AGGREGATION,
    functions_of,
    part_statistics,
    without_incomplete,
)


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
        "num_iterations": options.iterations,
        "beta": 0.0,
        "loss_type": "grpo",
        "scale_rewards": "group",
        "epsilon": 0.2,
        "multi_objective_aggregation": AGGREGATION[options.aggregate],
        "per_device_eval_batch_size": options.group,
    }
    return GRPOConfig(
        **models.distill_arguments(options)
        | writing_arguments(options)
        | own
        | RECIPES[options.recipe].trl
        | more
        | said(options, setting)
    )


def writing_arguments(options: Distillation) -> dict[str, Any]:
    """How the student writes, for each of TRL's trainers in which it does."""
    return {
        "temperature": options.temperature,
        "max_completion_length": options.max_tokens,
        "use_vllm": options.vllm is not None,
        "vllm_mode": options.vllm or "colocate",
    }


def said(options: Distillation, setting: models.Setting) -> dict[str, Any]:
    """What the user says of the configuration, with what ends a reply in vLLM: its engine reads the
    base's end tokens, not those that are trained.
    """
    found = dict(setting.more)
    if options.vllm:
        ends = ends_of(models.load_tokenizer(options.student, options.recipe))
        drawing = found.get("generation_kwargs") or {}
        stops = [*ends, *(drawing.get("stop_token_ids") or [])]
        found["generation_kwargs"] = {**drawing, "stop_token_ids": list(dict.fromkeys(stops))}
    return found


def prompt_rows(
    records: Sequence[Raw], first: int, options: Distillation, tokenizer: Any
) -> Dataset:
    """Prompts for TRL; a row names its record by number, from `first` on."""
    asked = [messages_of(raw, options, tokenizer) for raw in records]
    prompts = [[dict(m) for m in one] for one in asked]
    return Dataset.from_list(
        [{"prompt": prompt, "row": first + i} for i, prompt in enumerate(prompts)]
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
    """What every trainer of this kind takes.

    The records held out come behind the others, as they do in the reward.
    """

    def rows(some: Sequence[Raw], first: int) -> Dataset:
        return prompt_rows(some, first, options, tokenizer)

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


class TimedTrainer(Timed, GRPOTrainer):  # type: ignore[misc]
    """GRPOTrainer that says how each part of the reward is spread, and where its time goes."""

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
