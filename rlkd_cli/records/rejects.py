"""Rejects: input records that could not be done, each with the reason, in a file or a stream."""

import os
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from rlkd_cli.errors import RecordError, RlkdError, UsageError
from rlkd_cli.records.forms import close, is_lines, is_stream, objects, put, stream_of, written
from rlkd_cli.records.manifest import describe, load_manifest, manifest_of
from rlkd_cli.records.schema import Raw

NAME = "rejects file"  # in a manifest: where they are, seen from the output, and what they are


def reject(raw: Raw, error: RecordError) -> Raw:
    """The input record plus why it could not be done, and the reply that could not be read."""
    reply = {} if error.reply is None else {"reply": error.reply}
    return {**raw, "error": error.code, "detail": error.detail, **reply}


class RejectsStream:
    """Rejects as they come: a stream, or a file of lines that is made with the first of them."""

    def __init__(self, name: str) -> None:
        self._name, self._file = name, stream_of(name)
        if self._file is None and not is_lines(name):
            raise UsageError(f"--rejects {name}: beside a stream, rejects are lines; name a .jsonl")
        if self._file is None:
            Path(name).parent.mkdir(parents=True, exist_ok=True)

    def write(self, record: Raw) -> None:
        if self._file is None:
            self._file = Path(self._name).open("w", encoding="utf-8")
        put(self._file, record)

    def close(self) -> None:
        close(self._file)


def write_rejects(rejects: Iterable[Raw], name: str | Path) -> None:
    """Writes them; a file of an earlier run goes where there are none any more."""
    stream, records = stream_of(str(name)), iter(rejects)
    if stream is not None:
        for record in records:
            put(stream, record)
        close(stream)
        return
    first = next(records, None)
    if first is None:
        Path(name).unlink(missing_ok=True)
        return
    with written(Path(name)) as write:
        for record in chain([first], records):
            write(record)


def place_of(rejects: str, output: Path) -> dict[str, Any]:
    """For the manifest of `output`: where its rejects are and what tells them from others."""
    file = Path(rejects)
    if is_stream(rejects) or not file.is_file():
        return {}
    return {NAME: {"name": os.path.relpath(file, output.parent), **describe(file)}}


def kept_rejects(manifest: Raw, output: Path) -> Path | None:
    """The rejects of a finished output; None where they are gone, or went to a stream.

    UsageError where the file was changed since.
    """
    place = manifest.get(NAME, {})
    file = output.parent / str(place.get("name"))
    if not place or not file.is_file():
        return None
    if describe(file) != {key: place[key] for key in ("bytes", "digest")}:
        raise UsageError(f"{file} was changed after it was written; --overwrite starts over")
    return file


def rejects_before(output: Path) -> Path | None:
    """The rejects of a finished output that is replaced; None where others have touched them."""
    manifest = manifest_of(output)
    try:
        return kept_rejects(load_manifest(manifest), output) if manifest.exists() else None
    except UsageError:
        return None


def check_rejects(file: Path, output: Path | None, overwrite: bool) -> None:
    """UsageError where a file that is to hold the rejects of `output` holds anything else."""
    if overwrite or not file.is_file():
        return
    if not _are_rejects(file):
        raise UsageError(
            f"{file} exists and holds no rejects; --rejects names another file, "
            "--overwrite replaces it"
        )
    if output and not _belongs(file, output):
        raise UsageError(
            f"{file} holds the rejects of something else; --rejects names another file, "
            "--overwrite replaces it"
        )


def _are_rejects(file: Path) -> bool:
    try:
        return all("error" in row and "detail" in row for row in objects(file))
    except (ValueError, TypeError, OSError, RlkdError):
        return False


def _belongs(file: Path, output: Path) -> bool:
    """Whether the rejects are those of `output`: by their place beside it, by its manifest,
    or because a run that was killed was making both.
    """
    beside = output.with_name(output.name + ".rejects.jsonl")
    if file.resolve() == beside.resolve() or output.with_name(output.name + ".journal").exists():
        return True
    manifest = manifest_of(output)
    place = load_manifest(manifest).get(NAME, {}) if manifest.exists() else {}
    return bool(place) and file.resolve() == (output.parent / str(place["name"])).resolve()
