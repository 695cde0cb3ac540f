"""A thread that writes replies step by step, for those who wait on an event loop."""

import asyncio
import contextlib
import queue
import threading

from rlkd_cli.errors import ModelError
from rlkd_cli.models.base import Sampling
from rlkd_cli.models.local.batching import settle
from rlkd_cli.models.local.generation import Generation, Row

Waiter = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Row]"]


class Stepper:
    """Hands each reply out as soon as it has ended. A reply that nobody waits for any more is not
    written on.

    Equal requests at temperature 0, which have one reply, are written once while they are under
    way.
    """

    def __init__(self, writer: Generation, name: str, in_use: threading.Lock) -> None:
        self._writer, self._name, self._in_use = writer, name, in_use
        self._new: queue.SimpleQueue[Row | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._lock = threading.Lock()  # over the two below
        self._waiters: dict[Row, list[Waiter]] = {}
        self._greedy: dict[tuple[object, ...], Row] = {}

    async def __call__(self, ids: list[int], sampling: Sampling, limit: int) -> Row:
        """The row of a request, written to its end. ModelError where the engine fails."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Row] = loop.create_future()
        key = (tuple(ids), sampling.stop, limit) if sampling.temperature <= 0 else None
        with self._lock:
            known = self._greedy.get(key) if key else None
            row = known or Row(ids, sampling, limit)
            row.wanted = lambda: self._is_wanted(row)
            self._waiters.setdefault(row, []).append((loop, future))
            if key:
                self._greedy[key] = row
        if not known:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
            self._new.put(row)
        return await future

    async def close(self) -> None:
        """Ends after the step under way; who still waits is cancelled."""
        self._closing = True
        if self._thread is not None:
            self._new.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    def _is_wanted(self, row: Row) -> bool:
        with self._lock:
            waiters = self._waiters.get(row, [])
            wanted = not self._closing and any(not future.done() for _, future in waiters)
            if not wanted:
                self._forget(row)
            return wanted

    def _forget(self, row: Row) -> list[Waiter]:
        key = (tuple(row.ids), row.sampling.stop, row.limit)
        if self._greedy.get(key) is row:
            del self._greedy[key]
        return self._waiters.pop(row, [])

    def _work(self) -> None:
        while not self._closing:
            while self._writer.idle or not self._new.empty():
                row = self._new.get()
                if row is None:
                    return
                self._writer.add(row)
            try:
                with self._in_use:
                    ended = self._writer.step()
                for row in ended:
                    self._hand_out(row, row)
            except Exception as error:
                reason = " ".join(str(error).split()) or type(error).__name__
                for row in self._writer.clear():
                    self._hand_out(row, ModelError(f"{self._name}: {reason}"))

    def _hand_out(self, row: Row, result: "Row | Exception") -> None:
        with self._lock:
            waiters = self._forget(row)
        for loop, future in waiters:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(settle, [(future, result)])
