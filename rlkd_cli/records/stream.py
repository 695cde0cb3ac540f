"""Records out as they come, in the input's order: to standard output, a pipe, a device, or to
nobody.
"""

from collections import Counter
from collections.abc import Mapping
from typing import IO as File
from typing import Any

from rlkd_cli.errors import RecordError
from rlkd_cli.records.forms import close, put
from rlkd_cli.records.read import Item
from rlkd_cli.records.rejects import RejectsStream, reject
from rlkd_cli.records.write import OnRecord, Result, Usage


class StreamOutput:
    """A stream, in order; rejects go to a file that is made with the first of them.

    `on_record` sees each record as it leaves. Without a stream the records are only seen.
    """

    WINDOW = 4096  # how many finished records may wait for a slow one

    def __init__(self, stream: File[str] | None, rejects: str, on_record: OnRecord) -> None:
        self.rejected, self._on_record, self._stream = 0, on_record, stream
        self._next, self._waiting = 0, dict[int, tuple[Item, Result]]()
        self._rejects = RejectsStream(rejects)
        self.complete, self.usage, self.codes = False, dict[str, list[int]](), Counter[str]()
        self.seconds, self.is_done = 0.0, False

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
