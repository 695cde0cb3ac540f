"""Files that appear whole or not at all."""

import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def atomic_bytes(path: Path) -> Iterator[IO[bytes]]:
    """A file to write into; it takes the place of `path` when the block ends without an error.

    A link stays one: what it points to is written.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[str]]:
    """The same for text, in UTF-8."""
    with atomic_bytes(path) as out:
        text = io.TextIOWrapper(out, encoding="utf-8", newline="\n")
        yield text
        text.flush()
        text.detach()


def write_json(path: Path, value: Any) -> None:
    """A JSON file for people and programs, indented."""
    with atomic_write(path) as out:
        out.write(json.dumps(value, indent=2) + "\n")
