"""The model that is trained: its trainer's arguments, and how it is loaded."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from rlkd_cli.models.local import loading
from rlkd_cli.models.spec import model_of
from rlkd_cli.records.schema import Raw
from rlkd_cli.training.context import rope_changes
from rlkd_cli.training.gsrm.options import GsrmTraining
from rlkd_cli.training.methods import METHODS
from rlkd_cli.training.methods.options import Distillation
from rlkd_cli.training.methods.recipes import RECIPES, without_opening
from rlkd_cli.training.options import Training
from rlkd_cli.training.replies import own_settings


@dataclass(frozen=True)
class Setting:
    """What a trainer is built with beside options and records.

    `needed`: tokens of the longest prompt and reply; `more`: arguments given by `--trl` and a
    recipe; `held_out`: records to evaluate on during training.
    """

    needed: int
    more: Mapping[str, Any] = field(default_factory=dict)
    held_out: Sequence[Raw] = ()


def arguments(options: GsrmTraining | Distillation) -> dict[str, Any]:
    """What transformers' Trainer and TRL's all take."""
    return {
        "output_dir": str(options.output),
        "learning_rate": options.learning_rate,
        "warmup_steps": options.warmup,
        "per_device_train_batch_size": options.batch_size,
        "gradient_accumulation_steps": options.accumulation,
        "gradient_checkpointing": options.gradient_checkpointing,
        "bf16": options.bf16,
        "use_cpu": options.bf16 and not torch.cuda.is_available(),  # else bf16 is refused there
        "save_steps": options.save_steps,
        "logging_steps": 1,
        "seed": options.seed,
        "disable_tqdm": True,
        "report_to": list(options.report_to or []),
    }


def distill_arguments(options: Distillation) -> dict[str, Any]:
    """What every method of `distill` takes."""
    rewarded = METHODS[options.method].rewards
    evaluating = {
        "eval_strategy": "steps",
        "eval_steps": options.eval_every,
        "metric_for_best_model": "reward" if rewarded else "loss",
        "greater_is_better": rewarded,
    }
    own = {
        "max_steps": options.steps,
        "lr_scheduler_type": "constant_with_warmup",
        "max_grad_norm": options.max_grad_norm,
    }
    return arguments(options) | own | (evaluating if options.eval else {})


def load_tokenizer(name: str, recipe: str = "ours") -> Any:
    """The tokenizer with the recipe's template. ModelError where it cannot be loaded."""
    tokenizer = loading.load_tokenizer(model_of(name), name)
    if tokenizer.chat_template and not RECIPES[recipe].keeps_template:
        tokenizer.chat_template = without_opening(tokenizer.chat_template)
    return tokenizer


def load(name: str, options: Training, needed: int) -> tuple[Any, Any]:
    """A causal language model to be trained on sequences of `needed` tokens, and its tokenizer.

    Weights that are trained are float32, as TRL loads them, also where bf16 computes: a bfloat16
    has 8 bits, and most steps at these learning rates would be lost. Of the settings that the model
    came with for writing replies only those stay that say where one ends.
    """
    dtype = torch.bfloat16 if options.bf16 and options.lora else torch.float32
    model = loading.load_causal(model_of(name), name, dtype, **rope_changes(name, options, needed))
    tokenizer = load_tokenizer(name, getattr(options, "recipe", "ours"))
    model.generation_config = own_settings(model, tokenizer)
    return model, tokenizer


def lora(rank: int | None) -> Any:
    """LoRA on every linear layer, scaled by 2 (our choice); None without a rank."""
    if not rank:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )


def quiet_libraries() -> None:
    """Training libraries talk on standard output and error; what matters is shown by our own
    progress.
    """
    import datasets
    from transformers.utils import logging as transformers_logging

    datasets.disable_progress_bars()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    warnings.filterwarnings("ignore", module=r"(torch|transformers|trl|accelerate)\b")
    logging.getLogger("trl").setLevel(logging.ERROR)
    logging.getLogger("accelerate").setLevel(logging.ERROR)
