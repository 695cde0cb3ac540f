"""Work that several ask for at the same time is done once, and goes on while anybody waits."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rlkd_cli.core.recent import Recent

T = TypeVar("T")


@dataclass
class _Work(Generic[T]):
    task: asyncio.Task[T]
    waiting: int = 0


class Once(Generic[T]):
    """Results by key. Work whose last caller gives up is cancelled; an error is every caller's.

    The last `keep` results stay, and are not worked for again. All calls are made on one event
    loop.
    """

    def __init__(self, keep: int = 0) -> None:
        self._kept: Recent[Hashable, T] = Recent(keep)
        self._under_way: dict[Hashable, _Work[T]] = {}

    def start(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> "Share[T]":
        """A share in the work, which begins now unless it is under way; release it at the end."""
        if key not in self._under_way:
            task = asyncio.create_task(work())
            self._under_way[key] = _Work(task)
            task.add_done_callback(lambda task: self._end(key, task))
        return Share(self._under_way[key], lambda: self._drop(key))

    def has(self, key: Hashable) -> bool:
        """Whether the work of this key is under way."""
        return key in self._under_way

    async def result(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the work comes to, done by whoever asked for it first."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        share = self.start(key, work)
        try:
            return await share.result()
        finally:
            share.release()

    def _drop(self, key: Hashable) -> None:
        """Nobody waits any more. Whoever asks next begins anew, also before the task has ended."""
        work = self._under_way.pop(key, None)
        if work:
            work.task.cancel()

    def _end(self, key: Hashable, task: asyncio.Task[T]) -> None:
        if key in self._under_way and self._under_way[key].task is task:
            del self._under_way[key]
        if not task.cancelled() and not task.exception():
            self._kept[key] = task.result()


class Share(Generic[T]):
    """One caller's interest in work that others may wait for too."""

    def __init__(self, work: _Work[T], drop: Callable[[], None]) -> None:
        self._work, self._drop = work, drop
        work.waiting += 1

    async def result(self) -> T:
        """Waits; a caller that is cancelled does not take the result from the others."""
        return await asyncio.shield(self._work.task)

    def release(self) -> None:
        """This caller waits no more; nobody left, the work ends."""
        self._work.waiting -= 1
        if not self._work.waiting and not self._work.task.done():
            self._drop()
