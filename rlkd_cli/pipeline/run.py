"""The engine room: an input's records through an asynchronous piece of work, many at once, into an output."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from rlkd_cli.errors import RecordError, UsageError
from rlkd_cli.models.usage import open_bill
from rlkd_cli.pipeline.ledger import BudgetReached, Ledger
from rlkd_cli.records.journal import FileOutput, OnRecord, combined
from rlkd_cli.records.read import Input, Item, rows
from rlkd_cli.records.schema import Raw
from rlkd_cli.records.write import Output, StreamOutput

Work = Callable[[Raw], Awaitable[list[Raw]]]
WINDOW = 64  # times the concurrency: how far finished records may run ahead of a slow one on standard output


class Progress(Protocol):
    """What a run tells as it goes."""

    def show(self, ledger: Ledger) -> None: ...


@dataclass
class Outcome:
    """How a run ended: records read, and of them rejected."""

    records: int
    rejected: int


async def run(
    source: Input,
    work: Work,
    output: Output,
    *,
    concurrency: int,
    progress: Progress,
    ledger: Ledger,
    on_record: OnRecord = lambda record: None,
) -> Outcome:
    """`work` on every record, up to `concurrency` at a time. One slow record holds up nobody else.

    A RecordError makes a reject of its record; any other error ends the run, with all that is finished kept.
    A spent budget (BudgetReached) lets the records in flight end first.
    `on_record` sees each output record in order.
    """
    if isinstance(output, FileOutput) and output.complete:
        return await _already_done(source, output, on_record)
    if isinstance(output, StreamOutput):
        output.on_record = on_record
    if isinstance(output, FileOutput):
        ledger.carry_over(output.bill, output.rejects)
    ledger.started = time.monotonic()  # loading a model is not part of the rate
    places = asyncio.Semaphore(concurrency)
    tasks: set[asyncio.Task[None]] = set()
    failed: list[BaseException] = []

    async def one(index: int, item: Item) -> None:
        bill = open_bill()
        try:
            if item.fault:
                raise RecordError("invalid_input", str(item.fault))
            result: list[Raw] | RecordError = await work(item.raw)
        except RecordError as error:
            result = error
        finally:
            places.release()
        output.add(index, item, result, bill)
        ledger.settle(bill, result if isinstance(result, RecordError) else None)
        progress.show(ledger)

    ended = asyncio.Event()  # cheaper than asyncio.wait, which looks at every task each time

    def settle(task: asyncio.Task[None]) -> None:
        ended.set()
        tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            failed.append(error)

    index = -1
    items = iter(source)
    budget: BudgetReached | None = None
    try:
        while not failed and (item := await _next(items, source.is_stream)):
            index += 1
            if output.has(index, item):
                ledger.before += 1
                continue
            await places.acquire()
            try:
                ledger.check_budget(len(tasks))
            except BudgetReached as error:
                budget = error
                break
            while output.backlog(index) > WINDOW * concurrency and not failed:
                await _next_of(ended)
            task = asyncio.create_task(one(index, item))
            tasks.add(task)
            task.add_done_callback(settle)
        while tasks and not failed:
            await _next_of(ended)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if failed:
        raise failed[0]
    if budget:
        raise budget
    output.finish(on_record, ledger.facts())
    return Outcome(index + 1, output.rejected)


async def _next_of(event: asyncio.Event) -> None:
    """Waits until it is set, and clears it."""
    await event.wait()
    event.clear()


async def _next(items: Iterator[Item], is_stream: bool) -> Item | None:
    """The next item; a stream is read on a thread, so that waiting for it holds up no request."""
    if is_stream:
        return await asyncio.to_thread(lambda: next(items, None))
    return next(items, None)


async def _already_done(source: Input, output: FileOutput, on_record: OnRecord) -> Outcome:
    """A finished output stays as it is; its records are shown to `on_record` again, for the summary."""
    digest = combined(item.digest for item in source)
    if not output.same_input(digest):
        raise UsageError(f"{output.path} was made from another input; --overwrite starts afresh")
    count = 0
    for _, row in rows(str(output.path)):
        if isinstance(row, dict):
            on_record(row)
            count += 1
    return Outcome(count + output.rejected, output.rejected)
