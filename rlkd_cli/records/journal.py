"""A journal: an append-only file of JSON lines, held by one run at a time, that survives any
death.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from rlkd_cli.errors import OutputError, UsageError
from rlkd_cli.records.schema import Raw


class Journal:
    """An append-only file of JSON lines that one run at a time holds; its first line is the
    settings.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._end, self._broken = path, 0, False
        self._file: Any = None

    @property
    def is_begun(self) -> bool:
        """Whether a run has begun it: its first line is whole."""
        if not self.path.exists():
            return False
        with self.path.open("rb") as file:
            return file.readline().endswith(b"\n")

    def lock(self) -> None:
        """Opens it for this run alone; OutputError where another run holds it."""
        while True:
            self._file = self.path.open("a+b")
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OutputError(f"{self.path}: another run is writing it") from None
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._file.fileno()), os.stat(self.path)):
                    return
            self._file.close()  # a run that has just ended removed it in between

    def begin(self, header: Raw) -> None:
        """Empties it and writes the first line."""
        self._file.truncate(0)
        self._end = 0
        self.append(header)

    def entries(self) -> Iterator[tuple[int, Raw]]:
        """(offset, entry) of every whole line; a last line that death cut short is dropped."""
        self._file.seek(0)
        end = 0
        for number, line in enumerate(iter(self._file.readline, b""), start=1):
            if not line.endswith(b"\n"):
                break
            try:
                entry = json.loads(line)
            except ValueError:
                raise UsageError(
                    f"{self.path}:{number}: a damaged line; remove it, or start over "
                    "with --overwrite"
                ) from None
            yield end, entry
            end += len(line)
        self._file.truncate(end)
        self._end = end

    def read(self, offset: int) -> Raw:
        self._file.seek(offset)
        return json.loads(self._file.readline())  # type: ignore[no-any-return]

    def append(self, entry: Raw) -> int:
        """Writes a whole line or nothing, and says where; OutputError where the disk is full, and
        ever after.
        """
        line, start, reason = json.dumps(entry).encode() + b"\n", self._end, "the disk is full"
        try:
            written = 0 if self._broken else os.write(self._file.fileno(), line)
        except OSError as error:
            written, reason = 0, str(error.strerror)
        if written == len(line):
            self._end += written
            return start
        if not self._broken:
            self._broken = True
            with suppress(OSError):
                os.ftruncate(self._file.fileno(), start)
        raise OutputError(
            f"{self.path}: {reason}; what is finished is kept: free disk space, then run it again"
        )

    def close(self) -> None:
        if self._file:
            with suppress(OSError):
                self._file.close()

    def remove(self) -> None:
        self.path.unlink()
