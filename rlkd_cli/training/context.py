"""A model's context against the lengths that a training asks of it, before any weights are
loaded.
"""

from collections.abc import Iterable
from typing import Any

from transformers import AutoConfig

from rlkd_cli.errors import ModelError, UsageError
from rlkd_cli.models.local.positions import FULL, context_of, rope_of
from rlkd_cli.models.spec import model_of
from rlkd_cli.training.options import Training

_YARN = ("rope_theta", "partial_rotary_factor", "beta_fast", "beta_slow", "truncate")


def load_config(name: str) -> Any:
    """A model's configuration. ModelError where it cannot be loaded."""
    try:
        return AutoConfig.from_pretrained(model_of(name))
    except (OSError, ValueError) as error:
        raise ModelError.loading(name, error) from error


def check_tokens(name: str, tokenizer: Any, used: Iterable[int | None]) -> None:
    """UsageError where one of the token ids that are `used` has no place in the model's embedding.

    A tokenizer may hold such tokens, as long as nothing is written with them.
    """
    size = load_config(name).get_text_config().vocab_size
    if len(tokenizer) <= size:
        return
    if beyond := next((token for token in used if token is not None and token >= size), None):
        raise UsageError(
            f"{name}: its tokenizer writes {tokenizer.decode([beyond])!r} as {beyond}, but its "
            f"embedding has {size:,} tokens"
        )


def rope_changes(name: str, options: Training, needed: int) -> dict[str, Any]:
    """What changes in a model's configuration for longer sequences: rope base or YaRN, and its
    positions.

    `--rope-theta` reaches `needed` tokens, as the released recipe's does; YaRN its factor times the
    positions that the model had before any scaling. UsageError for a model without rotary
    positions, or that YaRN would not extend.
    """
    if options.rope_theta is None and options.yarn is None:
        return {}
    config = load_config(name)
    rope, context = rope_of(config), context_of(config) or 0
    if not _is_extendable(config):
        raise UsageError(f"{name} has no rotary positions: no --rope-theta, no --yarn")
    if options.yarn is not None:
        rope = _yarn(name, rope, context, options.yarn)
        context = int(rope["original_max_position_embeddings"] * options.yarn)
    if options.rope_theta is not None:
        rope["rope_theta"], context = options.rope_theta, max(context, needed)
    whole = config.rope_parameters
    changed = {**whole, FULL: rope} if FULL in whole else rope
    return {"rope_parameters": changed, "max_position_embeddings": context}


def _is_extendable(config: Any) -> bool:
    # the language model inside a larger one has a configuration that is not reached by name
    return "rope_theta" in rope_of(config) and config.get_text_config() is config


def _yarn(name: str, rope: dict[str, Any], context: int, factor: float) -> dict[str, Any]:
    """Parameters of YaRN, by the positions that the configuration calls the original ones."""
    kind = rope.get("rope_type", "default")
    original = rope.get("original_max_position_embeddings") or context
    if kind not in ("default", "yarn"):
        raise UsageError(f"{name}: its positions are scaled already ({kind}): no --yarn beside it")
    if kind == "yarn" and original * factor <= context:
        raise UsageError(
            f"{name}: its context is extended already, {context / original:g} times "
            f"{original:,} tokens; --yarn {factor:g} would not extend it"
        )
    kept = {key: rope[key] for key in _YARN if key in rope}
    own = {"rope_type": "yarn", "factor": factor, "original_max_position_embeddings": original}
    return kept | own


def check_context(name: str, options: Training, needed: int) -> int | None:
    """The context that `needed` tokens fit into (None: unknown). UsageError where they do not."""
    config = load_config(name)
    changed = rope_changes(name, options, needed)
    context = changed.get("max_position_embeddings", context_of(config))
    if context and needed > context:
        scaled = rope_of(config).get("rope_type", "default") not in ("default", "yarn")
        ways = ["--rope-theta"] + ["--yarn"] * (not scaled)
        extend = f", or extend it by {' or '.join(ways)}" * _is_extendable(config)
        raise UsageError(
            f"{name}: its context of {context:,} tokens is shorter than the {needed:,} of the "
            f"longest prompt and reply; lower --max-tokens or --max-prompt-length{extend}"
        )
    return context


def rope_facts(name: str, options: Training) -> list[tuple[str, str]]:
    """A line that says what YaRN is, and what scaling it replaces."""
    if options.yarn is None:
        return []
    own = rope_of(load_config(name))
    new = _yarn(name, own, context_of(load_config(name)) or 0, options.yarn)
    original = new["original_max_position_embeddings"]
    before = own.get("rope_type", "default")
    instead = f"; it replaces {before} x {own.get('factor'):g}" if before != "default" else ""
    return [("positions", f"YaRN x {options.yarn:g} of {original:,}{instead}")]
