"""What tells a model from another of the same name: its folder's contents, its hub revision."""

import json
from pathlib import Path

from rlkd_cli.models.spec import engine_of, model_of
from rlkd_cli.records.manifest import file_digest, fingerprint_text, folder_fingerprint


def model_fingerprint(spec: str) -> str | None:
    """A digest of a folder's files or of recorded replies, a hub model's revision; None: unknown.

    A server says nothing of its weights. A hub model's revision is known once it is in the cache.
    """
    if engine_of(spec) not in ("hf", "vllm", "any", "replay"):
        return None
    path = Path(model_of(spec))
    if path.is_file():
        return file_digest(path)
    return _of_folder(path) if path.is_dir() else _revision(str(path))


def _of_folder(folder: Path) -> str | None:
    """The folder's contents; an adapter's together with the model that it is put on."""
    parts, base = folder_fingerprint(folder), _base_of(folder)
    if base is None:
        return fingerprint_text(parts)
    known = model_fingerprint(f"hf/{base}")
    return fingerprint_text({**parts, "base model": known}) if known else None


def _base_of(folder: Path) -> str | None:
    """The name or folder of the model that an adapter is put on; None where it is no adapter."""
    file = folder / "adapter_config.json"
    try:
        base = json.loads(file.read_text("utf-8")).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError):
        return None
    return base if isinstance(base, str) and base and Path(base) != folder else None


def _revision(name: str) -> str | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        file = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return None
    return f"revision {Path(file).parent.name}" if isinstance(file, str) else None


def gsrm_prompt(spec: str) -> str | None:
    """The short prompt that `train-gsrm` stored in a model folder; None for any other model."""
    file = Path(model_of(spec), "gsrm.json")
    if engine_of(spec) in ("http", "replay") or not file.is_file():
        return None
    return str(json.loads(file.read_text("utf-8"))["prompt"])
