"""Records out as they come, in the input's order: to standard output, a pipe, a device, or to
nobody.
"""

import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO as File
from typing import Any

from rlkd_cli.errors import OutputError, RecordError, UsageError
from rlkd_cli.records.forms import dumps, is_lines, stream_of, written
from rlkd_cli.records.read import Item
from rlkd_cli.records.schema import Raw
from rlkd_cli.records.write import OnRecord, Result, Usage, reject


class StreamOutput:
    """A stream, in order; rejects go to a file that is made with the first of them.

    `on_record` sees each record as it leaves. Without a stream the records are only seen.
    """

    WINDOW = 4096  # how many finished records may wait for a slow one

    def __init__(self, stream: File[str] | None, rejects: str, on_record: OnRecord) -> None:
        self.rejected, self._on_record, self._stream = 0, on_record, stream
        self._next, self._waiting = 0, dict[int, tuple[Item, Result]]()
        self._rejects = Rejects(rejects)
        self.complete, self.usage, self.codes = False, dict[str, list[int]](), Counter[str]()
        self.seconds = 0.0

    def has(self, index: int, item: Item) -> bool:
        return False

    def is_full(self, index: int) -> bool:
        return index - self._next > self.WINDOW

    def add(self, index: int, item: Item, result: Result, usage: Usage) -> None:
        self._waiting[index] = (item, result)
        while self._next in self._waiting:
            self._emit(*self._waiting.pop(self._next))
            self._next += 1

    def _emit(self, item: Item, result: Result) -> None:
        if isinstance(result, RecordError):
            self.rejected += 1
            self._rejects.write(reject(item.raw, result))
            return
        self._on_record(result)
        if self._stream:
            put(self._stream, result)

    def finish(self, facts: Mapping[str, Any]) -> None:
        pass  # records were seen as they left

    def bind(self, contents: Mapping[str, Any]) -> None:
        pass  # a stream has no manifest

    def show(self) -> int:
        return 0

    def close(self) -> None:
        self._rejects.close()
        close(self._stream)


class Rejects:
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


def put(stream: File[str], record: Raw) -> None:
    """A record, at once. OutputError where the stream takes no more, or nobody reads it."""
    try:
        stream.write(dumps(record) + "\n")
        stream.flush()
    except OSError as error:
        name = "standard output" if stream is sys.stdout else getattr(stream, "name", "the output")
        is_gone = isinstance(error, BrokenPipeError)
        reason = "closed by its reader" if is_gone else error.strerror
        raise OutputError(f"{name}: {reason}") from None


def close(stream: File[str] | None) -> None:
    """Closes what was opened here."""
    if stream not in (None, sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.close()  # type: ignore[union-attr]


def write_rejects(lost: list[tuple[Raw, RecordError]], name: str | Path) -> None:
    """Records that could not be used, each with the reason; no file of them where there are none."""
    stream = stream_of(str(name))
    if stream is None and not lost:
        Path(name).unlink(missing_ok=True)
    elif stream is None:
        with written(Path(name)) as write:
            for raw, error in lost:
                write(reject(raw, error))
    else:
        for raw, error in lost:
            put(stream, reject(raw, error))
        close(stream)
