"""A causal language model and its tokenizer, from the hub, a folder or a GGUF file."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rlkd_cli.errors import ModelError, UsageError

# `config.json` would make transformers look for the whole model there
ADAPTER, BASE_CONFIG = "adapter_config.json", "base_config.json"


def load_tokenizer(name: str, label: str | None = None) -> Any:
    """The tokenizer, which pads on the left, with its end token where it has none for padding.

    ModelError where it cannot be loaded; `label` is what the message calls it.
    """
    from transformers import AutoTokenizer

    place, options = located(name)
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(place, padding_side="left", **options)
    except Exception as error:  # the library raises whatever its parsers do
        raise ModelError.loading(label or name, error) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_causal(name: str, label: str | None = None, dtype: Any = "auto", **more: Any) -> Any:
    """The model, in the weights' own type unless `dtype` is given. ModelError where it cannot be
    loaded."""
    from transformers import AutoModelForCausalLM

    place, options = located(name)
    try:
        if is_adapter(place):
            return _load_adapter(place, dtype, more)
        return AutoModelForCausalLM.from_pretrained(place, dtype=dtype, **options, **more)
    except Exception as error:  # as above: OSError, ValueError, KeyError, safetensors' own
        raise ModelError.loading(label or name, error) from error


def is_adapter(place: str) -> bool:
    """Whether a folder holds an adapter alone, without the model that it is put on."""
    return Path(place, ADAPTER).is_file() and not Path(place, "config.json").exists()


def _load_adapter(place: str, dtype: Any, more: dict[str, Any]) -> Any:
    """An adapter on its base, which transformers configures as the base's folder says.

    What the training left beside the adapter goes before that: positions, and who ends a reply.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    configured = Path(place, BASE_CONFIG)
    if configured.is_file():
        more = {"config": AutoConfig.from_pretrained(configured, **more)}
    model: Any = AutoModelForCausalLM.from_pretrained(place, dtype=dtype, **more)
    if Path(place, "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(place)
    return model


def located(name: str) -> tuple[str, dict[str, str]]:
    """(folder or name, options of `from_pretrained`): a GGUF file is found by its folder and its
    name.

    UsageError where it cannot be read here, or a folder holds several and nothing else.
    """
    path = Path(name)
    if path.is_dir() and not (path / "config.json").exists():
        files = sorted(path.glob("*.gguf"))
        if len(files) > 1:
            names = ", ".join(file.name for file in files[:5])
            raise UsageError(f"{name} holds {len(files)} GGUF files; name one of them: {names}")
        path = files[0] if files else path
    if path.suffix.lower() != ".gguf":
        return name, {}
    if not path.is_file():
        raise UsageError(f"{name}: no such file")
    if find_spec("gguf") is None:
        raise UsageError(
            f"{name}: a GGUF file is read by the gguf package (pip install gguf); "
            "or serve it (llama-server -m FILE) and name its address"
        )
    return str(path.parent), {"gguf_file": path.name}
