"""Runs records through an asynchronous piece of work, many at once, into an output."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from rlkd_cli.errors import RecordError
from rlkd_cli.models.usage import open_bill
from rlkd_cli.pipeline.ledger import BudgetReached, Ledger
from rlkd_cli.records.read import Input, Item
from rlkd_cli.records.schema import Raw
from rlkd_cli.records.write import Output

Work = Callable[[Raw], Awaitable[Raw]]


class Progress(Protocol):
    """What a run tells as it goes: records done, and a few words (made when they are shown)."""

    def show(self, count: int, note: Callable[[], str]) -> None: ...


@dataclass
class Outcome:
    """How a run ended: records read, and of them rejected; of a slice, they are no whole."""

    records: int
    rejected: int
    is_part: bool = False


class Run:
    """`work` on every record, up to `concurrency` at a time. One slow record holds up nobody else.

    A RecordError makes a reject of its record; any other error ends the run, with all that is
    finished kept. A spent budget lets the records in flight end first.
    """

    def __init__(
        self, work: Work, output: Output, concurrency: int, progress: Progress, ledger: Ledger
    ) -> None:
        self._work, self._output, self._ledger = work, output, ledger
        self._progress = progress
        self._places = asyncio.Semaphore(concurrency)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = (
            asyncio.Event()
        )  # cheaper than asyncio.wait, which looks at every task each time
        self._failed: list[BaseException] = []

    async def over(self, source: Input) -> Outcome:
        """Runs to the end of the input, and finishes the output."""
        self._ledger.carry_over(self._output.usage, self._output.codes, self._output.seconds)
        self._ledger.started = time.monotonic()  # loading a model is not part of the rate
        try:
            count = await self._start_all(source)
            while self._tasks and not self._failed:
                await self._next_end()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failed:
            raise self._failed[0]
        self._output.finish(self._ledger.facts())
        return Outcome(count, self._output.rejected)

    async def _start_all(self, source: Input) -> int:
        """Starts a task for each item that is not done yet; how many items there are."""
        index, items = -1, iter(source)
        while not self._failed and (item := await _next(items, source.is_stream)):
            index += 1
            if self._output.has(index, item):
                self._ledger.before += 1
                continue
            await self._places.acquire()
            while self._ledger.is_blind and self._tasks and not self._failed:
                await self._next_end()
            try:
                self._ledger.check_budget(len(self._tasks))
            except BudgetReached:
                while self._tasks and not self._failed:
                    await self._next_end()
                raise
            while self._output.is_full(index) and not self._failed:
                await self._next_end()
            task = asyncio.create_task(self._one(index, item))
            self._tasks.add(task)
            task.add_done_callback(self._settle)
        return index + 1

    async def _one(self, index: int, item: Item) -> None:
        bill = open_bill()
        try:
            if item.fault:
                raise item.rejected[1]
            result: Raw | RecordError = await self._work(item.raw)
        except RecordError as error:
            result = error
        self._output.add(index, item, result, {name: list(spent) for name, spent in bill.items()})
        self._ledger.settle(bill, result if isinstance(result, RecordError) else None)
        self._progress.show(self._ledger.before + self._ledger.done, self._ledger.note)

    def _settle(self, task: asyncio.Task[None]) -> None:
        self._ended.set()
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._failed.append(error)
        self._places.release()  # after a failure is known, so that it starts no other request

    async def _next_end(self) -> None:
        """Waits until a task ends."""
        await self._ended.wait()
        self._ended.clear()


async def _next(items: Iterator[Item], is_stream: bool) -> Any:
    """The next item; a stream is read on a thread, so that waiting for it holds up no request."""
    if is_stream:
        return await asyncio.to_thread(lambda: next(items, None))
    return next(items, None)
