"""The manifest of an output: the options that it was made with, and fingerprints of what it was
made from.

`OUT.run.json` stands beside a file, `run.json` in a model's folder. An existing output is
continued, or taken as finished, only by a run whose manifest agrees; anything else is one line that
names what differs, and `--overwrite` starts over.
"""

import filecmp
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rlkd_cli.errors import UsageError

Settings = Mapping[str, Any]

CONTENTS = "contents of "
FAST_BYTES = 2 << 30  # up to here a model's weights are read through; beyond, their dates are taken
_CHUNK = 1 << 20


def manifest_of(output: Path) -> Path:
    """Where the manifest of an output file stands."""
    return output.with_name(output.name + ".run.json")


def finished(output: Path, settings: Settings, grows: str | None = None) -> dict[str, Any]:
    """The manifest of a finished file. UsageError where it was not made by this command, from these
    settings, or was changed since.

    The setting that `grows` names may have been smaller.
    """
    file = manifest_of(output)
    if not file.exists():
        raise UsageError(
            f"{output} exists and was not made by this command; --overwrite replaces it"
        )
    manifest = load_manifest(file)
    if not (isinstance(manifest.get("output"), dict) and _is_whole(manifest)):
        raise UsageError(f"{file} is damaged; --overwrite starts over")
    before, now = manifest["settings"], dict(settings)
    if grows and before.get(grows, 0) < now[grows]:
        now[grows] = before[grows]
    check_same(output, before, now)
    if manifest.get("output") != describe(output):
        raise UsageError(f"{output} was changed after it was finished; --overwrite starts over")
    return manifest


def _is_whole(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest says what the file was made from: one input, or several by name."""
    inputs = [manifest["input"]] if "input" in manifest else manifest.get("inputs")
    values = list(inputs.values()) if isinstance(inputs, dict) else inputs
    is_known = isinstance(values, list) and all(isinstance(one, dict) for one in values)
    return is_known and all({"records", "digest"} <= one.keys() for one in values or [])


def describe(file: Path) -> dict[str, Any]:
    """What tells a file from one that was changed or cut."""
    return {"bytes": file.stat().st_size, "digest": file_digest(file)}


def load_manifest(file: Path) -> dict[str, Any]:
    """What a manifest holds; UsageError, with the way out, for one that cannot be read."""
    try:
        manifest = json.loads(file.read_text("utf-8"))
        if isinstance(manifest, dict) and isinstance(manifest.get("settings"), dict):
            return manifest
    except (ValueError, OSError):
        pass
    raise UsageError(f"{file} is damaged; --overwrite starts over")


def check_same(
    output: Path | str, before: Settings, now: Settings, way: str = "--overwrite"
) -> None:
    """UsageError that names the first thing that is not what `output` was created with, and the way
    to start over.
    """
    names = [name for name in {**before, **now} if _differ(name, before, now)]
    if not names:
        return
    name, more = names[0], f" ({len(names)} settings differ)" if len(names) > 1 else ""
    if name.startswith(CONTENTS):
        changed = f"{name.removeprefix(CONTENTS)} changed since {output} was created"
    else:
        was, is_ = before.get(name), now.get(name)
        changed = f"{output} was created with {name} = {was!r}, now it is {is_!r}{more}"
    raise UsageError(f"{changed}; {way} starts over")


def _differ(name: str, before: Settings, now: Settings) -> bool:
    """Whether a setting differs; a fingerprint that was or is unknown (None) says nothing."""
    was, is_ = before.get(name), now.get(name)
    is_unknown = name.startswith(CONTENTS) and name in before and name in now
    return was != is_ and not (is_unknown and None in (was, is_))


def contents(things: Mapping[str, Any]) -> dict[str, Any]:
    """Fingerprints as settings: `{"model hf/x": …}` becomes `{"contents of model hf/x": …}`."""
    return {CONTENTS + name: value for name, value in things.items()}


def file_digest(path: Path) -> str:
    """A digest of a file's bytes (BLAKE2b, 128 bits)."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def folder_fingerprint(folder: Path) -> dict[str, str]:
    """What a model's folder holds, each file by a digest: its own and those of its subfolders.

    Checkpoints, hidden folders and what lies deeper are left out, as is all that `_matters` denies.
    The digest is of the bytes where the weights are at most 2 GiB together; for more, weights are
    known by size, header and modification time ("dated"), which is what can be read in a moment.
    """
    inside = [f for f in folder.iterdir() if f.is_dir() and not f.name.startswith(_NOT_INSIDE)]
    files = sorted(f for place in (folder, *inside) for f in place.iterdir() if _matters(f))
    is_large = sum(f.stat().st_size for f in files) > FAST_BYTES
    digests = [_dated(f) if is_large and _is_weights(f) else file_digest(f) for f in files]
    return {f.relative_to(folder).as_posix(): d for f, d in zip(files, digests, strict=True)}


def fingerprint_text(parts: Mapping[str, str]) -> str:
    """Several digests as one."""
    text = json.dumps(parts, sort_keys=True)
    kind = "dated " if any(value.startswith("dated ") for value in parts.values()) else ""
    return kind + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def text_digest(*texts: str) -> str:
    """A short digest of prompts and the like."""
    return hashlib.blake2b(
        "\0".join(texts).encode("utf-8", "surrogatepass"), digest_size=8
    ).hexdigest()


_WEIGHTS = (".safetensors", ".bin", ".gguf", ".pt")
_CODE = (".model", ".jinja", ".py")
_NAMES = (
    *("config", "generation_config", "adapter_config", "base_config", "gsrm", "tekken"),
    "model.safetensors.index",
    *("modules", "config_sentence_transformers", "sentence_bert_config"),  # sentence-transformers
)
_NOT_INSIDE = ("checkpoint-", ".")  # how subfolders begin that are no part of a model
_TOKENIZERS = ("tokenizer", "vocab", "merges", "special_tokens", "added_tokens", "chat_template")


def same_weights(one: Path, other: Path) -> bool:
    """Whether two folders hold the same weights, byte for byte, and any at all."""
    names = [sorted(f.name for f in folder.iterdir() if _is_weights(f)) for folder in (one, other)]
    names = [[n for n in found if n not in _TRAINERS] for found in names]
    if names[0] != names[1] or not names[0]:
        return False
    return all(filecmp.cmp(one / n, other / n, shallow=False) for n in names[0])


# What a checkpoint holds beside the weights, for a training to go on
_TRAINERS = ("optimizer.bin", "optimizer.pt", "scheduler.pt", "scaler.pt", "training_args.bin")


def _is_weights(file: Path) -> bool:
    return file.suffix in _WEIGHTS


def _matters(file: Path) -> bool:
    """What decides a model's replies: its weights, configuration, tokenizer and templates."""
    is_named = file.stem in _NAMES or file.name.startswith(_TOKENIZERS)
    return file.is_file() and (file.suffix in (*_WEIGHTS, *_CODE) or is_named)


def _dated(file: Path) -> str:
    about = os.stat(file)
    with file.open("rb") as weights:
        header = hashlib.blake2b(weights.read(_CHUNK), digest_size=8).hexdigest()
    return f"dated {about.st_size} {about.st_mtime_ns} {header}"


def check_places(inputs: Iterable[str | None], outputs: Mapping[str, str | None]) -> None:
    """UsageError where an output (by its flag) is an input, by a link too, or another output."""
    taken = {_place(name, 0): "an input" for name in inputs if name}
    taken.pop(None, None)
    for flag, name in outputs.items():
        place = _place(name, 1) if name else None
        if place is not None and place in taken:
            raise UsageError(f"{flag} {name}: is {taken[place]}")
        if place is not None:
            taken[place] = f"the same as {flag}"


def _place(name: str, standard: int) -> object | None:
    """Which file a name means, by what no link hides; None for streams and devices.

    `-` is the file behind standard input or output, where there is one.
    """
    if "://" in name:
        return None
    try:
        found = os.fstat(standard) if name == "-" else os.stat(name)
    except OSError:
        return None if name == "-" else str(Path(name).resolve())
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None
