"""Files that appear whole or not at all."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[str]]:
    """A text file to write into; it takes the place of `path` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as out:
        yield out
        out.flush()
        os.fsync(out.fileno())
    partial.replace(path)


def write_json(path: Path, value: Any) -> None:
    """A JSON file for people and programs, indented."""
    with atomic_write(path) as out:
        out.write(json.dumps(value, indent=2) + "\n")
