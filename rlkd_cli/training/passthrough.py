"""`--trl NAME=VALUE`: any argument of the trainer's configuration that rlkd has no option for.

Names and types are checked against the configuration class, what only its own code knows by making
one (`try_out`), and all that before anything is written or loaded.
"""

import dataclasses
import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from importlib.util import find_spec
from math import inf
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import torch
from pydantic import TypeAdapter, ValidationError
from transformers import GenerationConfig, Trainer, TrainingArguments, get_scheduler

from rlkd_cli.errors import UsageError

_DATA = "the data that rlkd encodes itself"
_TOKENS = "the tokenizer's, and what its chat template ends a reply with"
_MODEL = "the model that rlkd loads itself"

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
    "activation_checkpointing": "--gradient-checkpointing",
    "bf16": "--bf16",
    "fp16": "--bf16",
    "use_cpu": "--bf16",
    "save_steps": "--save-steps",
    "save_strategy": "--save-steps",
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
    "metric_for_best_model": "--eval",
    "greater_is_better": "--eval",
    "deepspeed": "--launch",
    "fsdp": "--launch",
    "fsdp_config": "--launch",
    "parallelism_config": "--launch",
    "local_rank": "--launch",
    "logging_steps": "metrics.jsonl, which has every step",
    "logging_strategy": "metrics.jsonl, which has every step",
    "resume_from_checkpoint": "running the same command again",
    "save_only_model": "running the same command again",
    "restore_callback_states_from_checkpoint": "running the same command again",
    "remove_unused_columns": _DATA,
    "dataset_kwargs": _DATA,
    "completion_only_loss": _DATA,
    "assistant_only_loss": _DATA,
    "packing": _DATA,
    "eval_packing": _DATA,
    "chat_template_kwargs": f"{_DATA}; the model's chat template may say it",
    "chat_template_path": f"{_DATA}, by the model's chat template",
    "eos_token": _TOKENS,
    "pad_token": _TOKENS,
    "model_init_kwargs": _MODEL,
    "trust_remote_code": _MODEL,
    "multi_objective_aggregation": "--aggregate",
    "teacher_model_name_or_path": "--teacher",
    "reward_weights": "--structure-weight, --outcome-weight and --format-weight",
}
_HUB = "--push-to-hub; a token is read from HF_TOKEN alone"  # of every hub_…
_STAYS_OURS = {"distill": {"weight_decay"}, "train-gsrm": {"max_grad_norm", "max_length"}}
_GENERATION = {
    "temperature": "--temperature",
    "max_tokens": "--max-tokens",
    "max_new_tokens": "--max-tokens",
    "max_length": "--max-tokens",
    "n": "--group",
    "num_return_sequences": "--group",
    "eos_token_id": _TOKENS,
    "pad_token_id": _TOKENS,
    "bos_token_id": _TOKENS,
}
# Values that a trainer accepts of a text, where its configuration does not say them
_CHOICES: dict[tuple[str, str], tuple[Any, ...]] = {
    ("GRPOConfig", "loss_type"): (
        *("grpo", "dr_grpo", "dapo", "bnpo"),
        *("cispo", "sapo", "luspo", "vespo"),
    ),
    ("SFTConfig", "loss_type"): ("nll", "dft"),
    ("GRPOConfig", "scale_rewards"): ("group", "batch", "none", True, False),
    ("GRPOConfig", "importance_sampling_level"): ("token", "sequence"),
    ("GRPOConfig", "multi_objective_aggregation"): ("sum_then_normalize", "normalize_then_sum"),
    ("GRPOConfig", "vllm_model_impl"): ("vllm", "transformers"),
    ("GRPOConfig", "vllm_importance_sampling_mode"): (
        *("token_truncate", "token_mask"),
        *("sequence_truncate", "sequence_mask"),
    ),
}

_RANGES = {
    "top_p": (0, 1),
    "min_p": (0, 1),
    "top_k": (0, inf),
    "repetition_penalty": (0, inf),
    "dataloader_num_workers": (0, inf),
    "vllm_gpu_memory_utilization": (0, 1),
}


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

    UsageError for a name that it has not (with the nearest ones), that rlkd has an option for, and
    for a value of another type, out of range, or none of the choices.
    """
    found = parse(given)
    known = {field.name: field for field in dataclasses.fields(config) if field.init}
    hints = get_type_hints(config)
    for name, value in found.items():
        _check_name(name, known, config.__name__, command)
        said = known[name].metadata.get("choices")
        choices = _CHOICES.get((config.__name__, name), tuple(said or ()))
        found[name] = _checked(name, value, hints[name], choices)
    for name in found.get("generation_kwargs") or {}:
        if name in _GENERATION:
            raise UsageError(f"--trl generation_kwargs: {name}: rlkd sets it ({_GENERATION[name]})")
    return found


def _check_name(name: str, known: Mapping[str, Any], config: str, command: str) -> None:
    owner = _HUB if name.startswith("hub_") else OWNED.get(name)
    if owner and name not in _STAYS_OURS.get(command, set()):
        raise UsageError(f"--trl {name}: rlkd sets it ({owner})")
    if name not in known:
        near = difflib.get_close_matches(name, known, 3)
        also = f"; the nearest: {', '.join(near)}" if near else ""
        raise UsageError(f"--trl {name}: {config} has no such argument{also}")


def _checked(name: str, value: Any, hint: Any, choices: Sequence[Any]) -> Any:
    """The value as the annotated type has it: a number is text, too, where text is wanted."""
    shown = json.dumps(value)
    if choices:
        if value not in choices:
            raise UsageError(f"--trl {name}={shown}: one of {', '.join(map(str, choices))}")
        return value
    kinds = _kinds(hint)
    either: Any = Union[kinds]  # noqa: UP007
    try:  # strictly, as JSON: "0.1" is no number, 1 is no bool, "cosine" is an Enum's value
        TypeAdapter(either).validate_json(shown, strict=True)
    except ValidationError as error:
        if str in kinds:
            return shown
        allowed = [one.value for kind in kinds if _is_enum(kind) for one in kind]
        reason = f"one of {', '.join(allowed)}" if allowed else error.errors()[0]["msg"]
        raise UsageError(f"--trl {name}={shown}: {reason}") from None
    least, most = _RANGES.get(name, (-inf, inf))
    if name in _RANGES and value is not None and not least <= value <= most:
        raise UsageError(f"--trl {name}={shown}: from {least:g} to {most:g}")
    return value


def _kinds(hint: Any) -> tuple[Any, ...]:
    """The types of an annotation; text stands beside an Enum or a dict for the same as JSON."""
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    coded = any(_is_enum(kind) or (get_origin(kind) or kind) is dict for kind in kinds)
    return tuple(kind for kind in kinds if not (coded and kind is str))


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def try_out(
    given: Mapping[str, Any],
    make: Callable[[], TrainingArguments],
    evaluates: bool = False,
    in_vllm: bool = False,
) -> None:
    """Makes the configuration, its optimiser and its schedule on nothing, as a trainer will.

    UsageError where the arguments that were given do not allow it.
    """
    try:
        arguments = make()
        if arguments.eval_on_start and not evaluates:
            raise UsageError("--trl eval_on_start: there is nothing to evaluate on (--eval)")
        if arguments.use_liger_kernel and find_spec("liger_kernel") is None:
            raise UsageError("--trl use_liger_kernel needs Liger (pip install liger-kernel)")
        _try_optimizer(arguments)
        _try_generation(given.get("generation_kwargs") or {}, in_vllm)
    except (ValueError, TypeError, ImportError, KeyError, NotImplementedError) as error:
        reason = " ".join(str(error).split())
        named = [name for name in given if name in reason] or list(given)
        raise UsageError(f"--trl {', '.join(named)}: {reason}") from error


def _try_optimizer(arguments: Any) -> None:
    layer: Any = torch.nn.Linear(1, 1)
    if arguments.optim_target_modules is None:  # they name parts of the real model
        Trainer.get_optimizer_cls_and_kwargs(arguments, layer)
    get_scheduler(
        arguments.lr_scheduler_type,
        optimizer=torch.optim.SGD(layer.parameters(), lr=arguments.learning_rate),
        num_warmup_steps=0,
        num_training_steps=1,
        scheduler_specific_kwargs=arguments.lr_scheduler_kwargs,
    )


def _try_generation(settings: Mapping[str, Any], in_vllm: bool) -> None:
    if not settings:
        return
    if not in_vllm:
        unknown = [name for name in settings if not hasattr(GenerationConfig(), name)]
        if unknown:
            raise UsageError(f"--trl generation_kwargs: GenerationConfig has no {unknown[0]}")
        GenerationConfig(**{"do_sample": True, **settings}).validate(strict=True)
    elif find_spec("vllm"):
        from vllm import SamplingParams

        SamplingParams(**settings)
