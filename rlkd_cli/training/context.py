"""A model's context against the lengths that a training asks of it, before any weights are
loaded.
"""

from typing import Any

from transformers import AutoConfig

from rlkd_cli.errors import ModelError, UsageError
from rlkd_cli.models.local.loading import is_adapter
from rlkd_cli.models.spec import model_of
from rlkd_cli.training.options import Training


def load_config(name: str) -> Any:
    """A model's configuration. ModelError where it cannot be loaded, UsageError for an adapter."""
    if is_adapter(model_of(name)):
        raise UsageError(f"{name} is an adapter alone; merge it into its base to train it")
    try:
        return AutoConfig.from_pretrained(model_of(name))
    except (OSError, ValueError) as error:
        raise ModelError.loading(name, error) from error


def context_of(config: Any) -> int | None:
    """How many positions a model has; None where it does not say."""
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def rope_changes(name: str, options: Training, needed: int) -> dict[str, Any]:
    """What changes in a model's configuration for longer sequences: rope base or YaRN, and its
    positions.

    `--rope-theta` reaches `needed` tokens, as the released recipe's does; YaRN its factor times the
    context. UsageError for a model without rotary positions.
    """
    if options.rope_theta is None and options.yarn is None:
        return {}
    config = load_config(name)
    rope, context = getattr(config, "rope_parameters", None), context_of(config) or 0
    if not rope or "rope_theta" not in rope:
        raise UsageError(f"{name} has no rotary positions: no --rope-theta, no --yarn")
    changed, positions = dict(rope), context
    if options.rope_theta is not None:
        changed["rope_theta"], positions = options.rope_theta, max(context, needed)
    if options.yarn is not None:
        yarn = {"rope_type": "yarn", "factor": options.yarn}
        changed |= {**yarn, "original_max_position_embeddings": context}
        positions = max(positions, int(context * options.yarn))
    return {"rope_parameters": changed, "max_position_embeddings": positions}


def check_context(name: str, options: Training, needed: int) -> int | None:
    """The context that `needed` tokens fit into (None: unknown). UsageError where they do not."""
    config = load_config(name)
    changed = rope_changes(name, options, needed)
    context = changed.get("max_position_embeddings", context_of(config))
    if context and needed > context:
        extend = ", or extend it by --rope-theta or --yarn" * bool(
            getattr(config, "rope_parameters", None)
        )
        raise UsageError(
            f"{name}: its context of {context:,} tokens is shorter than the {needed:,} of the "
            f"longest prompt and reply; lower --max-tokens or --max-prompt-length{extend}"
        )
    return context
