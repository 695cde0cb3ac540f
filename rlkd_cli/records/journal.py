"""A journal: an append-only file of JSON lines, held by one run at a time, that survives any
death.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from rlkd_cli.errors import OutputError, UsageError
from rlkd_cli.records.schema import Raw

_OVER = b'{"whole": true}\n'
_LOOKS = 0.2  # seconds between two tries to hold a journal that another run holds


class Busy(OutputError):
    """Another run holds the journal."""


class Journal:
    """An append-only file of JSON lines that one run at a time holds; its first line is the
    settings.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._end, self._broken = path, 0, False
        self._file: Any = None
        self._held = False

    @property
    def is_begun(self) -> bool:
        """Whether a run has begun it: its first line is whole."""
        if not self.path.exists():
            return False
        with self.path.open("rb") as file:
            return file.readline().endswith(b"\n")

    @property
    def is_blank(self) -> bool:
        """Whether the run that began it has done nothing, and spent nothing: it binds no other."""
        with self.path.open("rb") as file:
            header, second = file.readline(), file.readline()
        has_work = b'"copied": ' in header or b'"u": ' in header
        return header.startswith(b'{"settings"') and not second and not has_work

    @property
    def is_over(self) -> bool:
        """Whether its run has made the file whole, and died while it removed the rest."""
        with suppress(OSError), self.path.open("rb") as file:
            file.seek(-len(_OVER), os.SEEK_END)
            return file.read() == _OVER
        return False

    def end(self) -> None:
        """Says that the file is whole; what is left is to be removed, this journal last."""
        with suppress(OutputError):  # a full disk has room again when the rest is removed
            self.append(json.loads(_OVER))

    def bound(self) -> Raw | None:
        """Its first line, where it binds others: it is begun, and not blank. None where it goes
        meanwhile.
        """
        with suppress(FileNotFoundError):
            if self.is_begun and not self.is_blank:
                self.look()
                try:
                    return next(self.entries())[1]
                finally:
                    self.close()
        return None

    def lock(self, patience: float = 0.0) -> None:
        """Opens it for this run alone; Busy where another run holds it, for longer than
        `patience` seconds.
        """
        until = time.monotonic() + patience
        while True:
            self.path.parent.mkdir(parents=True, exist_ok=True)  # parts go with their folder
            self._file = self.path.open("a+b")
            if not self._is_locked(until):
                continue
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._file.fileno()), os.stat(self.path)):
                    self._held = True
                    return
            self._file.close()  # a run that has just ended removed it in between

    def _is_locked(self, until: float) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            if time.monotonic() >= until:
                raise Busy(f"{self.path}: another run is writing it") from None
            time.sleep(_LOOKS)
            return False
        return True

    def look(self) -> None:
        """Opens it to be read, while another run may be writing it."""
        self._file = self.path.open("rb")

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
        if self._held:
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
        self._held = False
        if self._file:
            with suppress(OSError):
                self._file.close()

    def leave(self) -> None:
        """Closes it; one that was locked and binds nobody goes."""
        if self._held and not (self.is_begun and not self.is_blank):
            self.path.unlink(missing_ok=True)
        self.close()

    def remove(self) -> None:
        self._held = False
        self.path.unlink()
