"""Records out: in the input's order, nothing lost and nothing doubled, to a journalled file or a stream."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO as File
from typing import Annotated, Any, Protocol

from rlkd_cli.errors import RecordError
from rlkd_cli.option import IO, option
from rlkd_cli.records.read import Item
from rlkd_cli.records.schema import Raw

OnRecord = Callable[[Raw], None]
Result = Raw | RecordError
Usage = Mapping[
    str, list[int]
]  # what a record cost, by model; what the numbers mean is the models' affair


@dataclass(frozen=True, kw_only=True)
class Out:
    """Where records go."""

    output: Annotated[
        str | None,
        option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to write; standard output if left out.",
            panel=IO,
            free=True,
        ),
    ] = None
    rejects: Annotated[
        str | None,
        option(
            "--rejects",
            metavar="FILE",
            help="Where records that could not be done go (default: beside the output).",
            panel=IO,
            free=True,
        ),
    ] = None
    overwrite: Annotated[
        bool,
        option(
            "--overwrite",
            help="Start afresh, whatever an earlier run left.",
            panel=IO,
            free=True,
        ),
    ] = False

    def rejects_of(self, command: str) -> Path:
        """The file that rejects go to."""
        named = command if self.output in (None, "-") else self.output
        return Path(self.rejects or f"{named}.rejects.jsonl")


class Output(Protocol):
    """Where a run's results go. `add` takes them in any order; `index` counts the input's items from 0."""

    rejected: int
    complete: bool  # an earlier run of the same command has finished it
    usage: dict[str, list[int]]  # what earlier runs of an unfinished one spent, by model
    codes: Counter[str]  # and rejected, by error

    def has(self, index: int, item: Item) -> bool:
        """Whether an earlier run finished the item; InputError if it is another record than then."""
        ...

    def add(self, index: int, item: Item, result: Result, usage: Usage) -> None:
        """A record is done: what came of it, and what it cost."""
        ...

    def is_full(self, index: int) -> bool:
        """Whether so many results wait in memory for an earlier one that a runner should pause."""
        ...

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Everything is in: the output is complete after this; `facts` go into its manifest."""
        ...

    def show(self) -> int:
        """Shows the records of a complete output to whoever looks on; how many there are."""
        ...

    def close(self) -> None: ...


class StreamOutput:
    """A stream, in order; rejects go to a file that is made with the first of them.

    `on_record` sees each record as it leaves. Without a stream the records are only seen.
    """

    WINDOW = 4096  # how many finished records may wait for a slow one

    def __init__(self, stream: File[str] | None, rejects: Path, on_record: OnRecord) -> None:
        self.rejected, self._on_record, self._stream = 0, on_record, stream
        self._next, self._waiting = 0, dict[int, tuple[Item, Result]]()
        self._rejects = Rejects(rejects)
        self.complete, self.usage, self.codes = False, dict[str, list[int]](), Counter[str]()

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
            self._stream.write(dumps(result) + "\n")
            self._stream.flush()

    def finish(self, facts: Mapping[str, Any]) -> None:
        pass  # records were seen as they left

    def show(self) -> int:
        return 0

    def close(self) -> None:
        self._rejects.close()
        if self._stream not in (None, sys.stdout):
            with suppress(OSError):
                self._stream.close()


class Rejects:
    """A file of rejects, made with the first of them."""

    def __init__(self, file: Path) -> None:
        self._path = file
        self._file: File[str] | None = None

    def write(self, record: Raw) -> None:
        self._file = self._file or self._open()
        self._file.write(dumps(record) + "\n")
        self._file.flush()

    def close(self) -> None:
        if self._file:
            self._file.close()

    def _open(self) -> File[str]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self._path.open("w", encoding="utf-8")


def write_rejects(lost: list[tuple[Raw, RecordError]], file: Path) -> None:
    """Records that could not be used, each with the reason."""
    rejects = Rejects(file)
    for raw, error in lost:
        rejects.write(reject(raw, error))
    rejects.close()


def reject(raw: Raw, error: RecordError) -> Raw:
    """The input record plus why it could not be done."""
    return {**raw, "error": error.code, "detail": error.detail}


def dumps(record: Raw) -> str:
    """One line of JSONL; text stays readable, and a lone surrogate (which UTF-8 cannot hold) is escaped."""
    line = json.dumps(record, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        line = json.dumps(record, ensure_ascii=True)
    return line


def objects(file: Path) -> Iterator[Raw]:
    """The records of a JSONL file of ours."""
    with file.open("rb") as lines:
        yield from map(json.loads, lines)
