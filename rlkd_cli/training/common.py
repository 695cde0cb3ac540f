"""What both trainings share: settings, loading and saving a model, silence."""

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Trainer,
)

from rlkd_cli.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """What every training is told; the defaults are the released recipe's."""

    output: Path
    learning_rate: float = 5e-5
    warmup: float = 0.1
    batch_size: int = 1
    accumulation: int = 2
    save_steps: int = 500
    seed: int = 42
    bf16: bool = True
    gradient_checkpointing: bool = True
    lora: int | None = None
    report_to: tuple[str, ...] = ()

    @property
    def arguments(self) -> dict[str, Any]:
        """The same as arguments of transformers' Trainer and of TRL's."""
        return {
            "output_dir": str(self.output),
            "learning_rate": self.learning_rate,
            "warmup_steps": self.warmup,
            "per_device_train_batch_size": self.batch_size,
            "gradient_accumulation_steps": self.accumulation,
            "gradient_checkpointing": self.gradient_checkpointing,
            "bf16": self.bf16,
            "use_cpu": self.bf16 and not torch.cuda.is_available(),  # else bf16 is refused there
            "save_steps": self.save_steps,
            "save_total_limit": 2,
            "logging_steps": 1,
            "seed": self.seed,
            "disable_tqdm": True,
            "report_to": list(self.report_to),
        }


def load(
    name: str, config: TrainingConfig, changes: Mapping[str, Any] | None = None
) -> tuple[Any, Any]:
    """A causal language model to be trained, and its tokenizer; `changes` override fields of the model's config.

    Weights that are trained are float32, as TRL loads them, also where bf16 computes: a bfloat16 has 8 bits, and most
    steps at these learning rates would be lost. ModelError where model or tokenizer cannot be had.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, padding_side="left")
        dtype = torch.bfloat16 if config.bf16 and config.lora else torch.float32
        model = AutoModelForCausalLM.from_pretrained(name, dtype=dtype, **(changes or {}))
    except (OSError, ValueError) as error:
        raise ModelError.loading(name, error) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


def lora(rank: int | None) -> Any:
    """LoRA on every linear layer, scaled by 2 (our choice); None without a rank."""
    if not rank:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )


def save_model(trainer: Trainer, tokenizer: Any, folder: Path) -> bool:
    """Saves the model, adapters merged, and its tokenizer; True in the one process that goes on to write beside them.

    What was trained in bf16 is saved in it: half the size, and what engines load.
    """
    model = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    dtype, state = torch.bfloat16 if trainer.args.bf16 else torch.float32, None
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        whole = trainer.accelerator.get_state_dict(trainer.model) or {}  # nothing on most processes
        state = {name: weights.to(dtype) for name, weights in whole.items()}
    else:
        model.to(dtype)
    if trainer.is_world_process_zero():
        model.save_pretrained(folder, state_dict=state)
        tokenizer.save_pretrained(folder)
    return bool(trainer.is_world_process_zero())


def quiet_libraries() -> None:
    """Training libraries talk on standard output and error; what matters is shown by our own progress."""
    import datasets
    from transformers.utils import logging as transformers_logging

    datasets.disable_progress_bars()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    warnings.filterwarnings("ignore", module=r"(torch|transformers|trl|accelerate)\b")
    logging.getLogger("trl").setLevel(logging.ERROR)
    logging.getLogger("accelerate").setLevel(logging.ERROR)
