"""Records out: in the input's order, nothing lost and nothing doubled, to a journalled file or standard output."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

from rlkd_cli.errors import RecordError
from rlkd_cli.models.usage import Bill
from rlkd_cli.records.journal import FileOutput, OnRecord, Settings
from rlkd_cli.records.read import Item, dumps, reject
from rlkd_cli.records.schema import Raw


class Output(Protocol):
    """Where a command's results go. `add` takes them in any order; `index` counts the input's records from 0."""

    rejected: int

    def has(self, index: int, item: Item) -> bool:
        """Whether the record was finished by an earlier run; InputError if it is another record than then."""
        ...

    def add(self, index: int, item: Item, result: list[Raw] | RecordError, bill: Bill) -> None:
        """`bill`: what the record cost."""
        ...

    def backlog(self, index: int) -> int:
        """How many results wait in memory for an earlier one; a runner pauses when they are many."""
        ...

    def finish(self, on_record: OnRecord, facts: Settings) -> None:
        """Everything is in: the output is complete after this. `on_record` sees each record in order; `facts` go into the manifest."""
        ...

    def close(self) -> None: ...


def open_output(
    file: str | None, rejects: str, settings: Settings, overwrite: bool = False
) -> Output:
    """A journalled file, or standard output where `file` is None or "-"."""
    if file is None or file == "-":
        return StreamOutput(Path(rejects))
    return FileOutput(Path(file), Path(rejects), settings, overwrite)


class StreamOutput:
    """Standard output, in order; rejects go to a file that is made with the first of them."""

    def __init__(self, rejects: Path) -> None:
        self.rejected, self.rejects_file = 0, rejects
        self._next, self._waiting = 0, dict[int, tuple[Item, list[Raw] | RecordError]]()
        self._rejects: IO[str] | None = None
        self.on_record: OnRecord = lambda record: None
        self.write: Callable[[str], object] = sys.stdout.write

    def has(self, index: int, item: Item) -> bool:
        return False

    def backlog(self, index: int) -> int:
        return index - self._next

    def add(self, index: int, item: Item, result: list[Raw] | RecordError, bill: Bill) -> None:
        self._waiting[index] = (item, result)
        while self._next in self._waiting:
            self._emit(*self._waiting.pop(self._next))
            self._next += 1

    def _emit(self, item: Item, result: list[Raw] | RecordError) -> None:
        if isinstance(result, RecordError):
            self.rejected += 1
            self._rejects = self._rejects or self.rejects_file.open("w", encoding="utf-8")
            self._rejects.write(dumps(reject(item.raw, result)) + "\n")
            self._rejects.flush()
            return
        for record in result:
            self.write(dumps(record) + "\n")
            self.on_record(record)
        sys.stdout.flush()

    def finish(self, on_record: OnRecord, facts: Settings) -> None:
        pass  # records were seen as they left

    def close(self) -> None:
        if self._rejects:
            self._rejects.close()
