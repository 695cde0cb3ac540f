"""Settings for writing replies that a model brings along, and that no engine of ours lets count."""

from collections.abc import Mapping
from typing import Any

# What a generation_config.json may set besides end tokens, with the values that do nothing
_NOTHING: dict[str, tuple[Any, ...]] = {
    "repetition_penalty": (None, 1.0),
    "no_repeat_ngram_size": (None, 0),
    "suppress_tokens": (None, []),
    "begin_suppress_tokens": (None, []),
    "bad_words_ids": (None, []),
    "forced_bos_token_id": (None,),
    "forced_eos_token_id": (None,),
    "min_length": (None, 0),
    "min_new_tokens": (None, 0),
    "min_p": (None, 0.0),
    "typical_p": (None, 1.0),
    "top_k": (None, 0, 50),
    "stop_strings": (None, []),
    "sequence_bias": (None, [], {}),
    "num_beams": (None, 1),
    "guidance_scale": (None, 1.0),
}


def ignored_settings(own: Mapping[str, Any]) -> str | None:
    """The line that names settings of a generation_config that are ignored; None for none."""
    named = [
        f"{name}={own[name]}"
        for name, nothing in _NOTHING.items()
        if name in own and own[name] not in nothing
    ]
    return f"ignored settings of generation_config.json: {', '.join(named)}" if named else None
