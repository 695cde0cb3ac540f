"""`--trl NAME=VALUE`: any argument of the trainer's configuration that rlkd has no option for."""

import dataclasses
import difflib
import json
from collections.abc import Sequence
from typing import Any

from rlkd_cli.errors import UsageError

# What rlkd derives from its own options, and by which
OWNED = {
    "output_dir": "--output",
    "learning_rate": "--learning-rate",
    "warmup_steps": "--warmup",
    "warmup_ratio": "--warmup",
    "per_device_train_batch_size": "--batch-size",
    "gradient_accumulation_steps": "--accumulation",
    "generation_batch_size": "--batch-size and --accumulation",
    "steps_per_generation": "--accumulation",
    "gradient_checkpointing": "--gradient-checkpointing",
    "bf16": "--bf16",
    "fp16": "--bf16",
    "use_cpu": "--bf16",
    "save_steps": "--save-steps",
    "seed": "--seed",
    "report_to": "--report-to",
    "push_to_hub": "--push-to-hub",
    "max_steps": "--steps",
    "num_train_epochs": "--phases",
    "max_grad_norm": "--max-grad-norm",
    "weight_decay": "--weight-decay",
    "num_generations": "--group",
    "num_iterations": "--iterations",
    "temperature": "--temperature",
    "max_completion_length": "--max-tokens",
    "max_length": "--max-prompt-length and --max-tokens",
    "use_vllm": "--vllm",
    "vllm_mode": "--vllm",
    "eval_steps": "--eval-every",
    "eval_strategy": "--eval-every",
    "logging_steps": "metrics.jsonl, which has every step",
    "resume_from_checkpoint": "running the same command again",
    "remove_unused_columns": "the data that rlkd encodes itself",
    "dataset_kwargs": "the data that rlkd encodes itself",
    "completion_only_loss": "the data that rlkd encodes itself",
    "packing": "the data that rlkd encodes itself",
    "multi_objective_aggregation": "--aggregate",
    "teacher_model_name_or_path": "--teacher",
    "reward_weights": "--structure-weight, --outcome-weight and --format-weight",
}
_STAYS_OURS = {"distill": {"weight_decay"}, "train-gsrm": {"max_grad_norm", "max_length"}}


def parse(given: Sequence[str] | None) -> dict[str, Any]:
    """`["beta=0.04"]` as `{"beta": 0.04}`; a value is JSON, or else the text. UsageError for
    anything else.
    """
    found: dict[str, Any] = {}
    for pair in given or []:
        name, equals, text = pair.partition("=")
        if not (name and equals):
            raise UsageError(f"--trl {pair}: write NAME=VALUE")
        found[name.strip()] = _value(text)
    return found


def _value(text: str) -> Any:
    words = {"True": True, "False": False, "None": None}
    try:
        return words[text] if text in words else json.loads(text)
    except ValueError:
        return text


def check(given: Sequence[str] | None, config: type, command: str) -> dict[str, Any]:
    """The arguments for a configuration class of transformers or TRL.

    UsageError for a name that it has not (with the nearest ones), or that rlkd has an option for.
    """
    found = parse(given)
    known = {field.name for field in dataclasses.fields(config) if field.init}
    free = _STAYS_OURS.get(command, set())
    for name in found:
        if name in OWNED and name not in free:
            raise UsageError(f"--trl {name}: rlkd sets it ({OWNED[name]})")
        if name not in known:
            near = difflib.get_close_matches(name, known, 3)
            also = f"; the nearest: {', '.join(near)}" if near else ""
            raise UsageError(f"--trl {name}: {config.__name__} has no such argument{also}")
    return found
