"""How many positions a model has, and how its configuration says that they are encoded."""

from typing import Any

FULL = "full_attention"  # beside windows of their own (Gemma 3) the layers that see everything


def rope_of(config: Any) -> dict[str, Any]:
    """The parameters of rotary positions, where they reach over the whole context; empty without
    any.
    """
    found = getattr(config.get_text_config(), "rope_parameters", None) or {}
    return dict(found.get(FULL) or found)


def context_of(config: Any) -> int | None:
    """How many positions a model has; None where it does not say.

    Scaling that is declared counts, also where `max_position_embeddings` was left at what the model
    had before, as Qwen's documentation has it.
    """
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    rope = rope_of(config)
    original, factor = rope.get("original_max_position_embeddings"), rope.get("factor")
    if positions and original and factor and positions <= original:
        return int(original * factor)
    return positions
