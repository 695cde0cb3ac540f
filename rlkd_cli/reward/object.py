"""`StructuredReward`: the reward as an object, for any trainer that is written in Python."""

import asyncio
import logging
import os
import threading
import weakref
from collections.abc import Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from rlkd_cli.records.schema import Raw
from rlkd_cli.reward.engine import Asked, Engine
from rlkd_cli.reward.rewarding import Rewarding
from rlkd_cli.reward.teacher import Teacher

T = TypeVar("T")
CLOSING = 10.0  # seconds that closing may take

_log = logging.getLogger("rlkd")
_lock = threading.Lock()


def _new_lock() -> None:
    """A fork may have copied the lock while another thread held it."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_new_lock)


class StructuredReward:
    """The reward of `rlkd score` and `rlkd distill` for completions of a teacher's problems.

    Models are opened when the first score is asked for, on an event loop of the object's own
    thread: any number of event loops and threads may ask, and equal questions of all of them are
    asked once. A pickled copy holds the options and the teacher's records, and opens its own; so
    does a process that was forked.
    """

    def __init__(self, options: Rewarding, teacher: Teacher) -> None:
        """`open` is what makes one of these."""
        self.options, self.teacher = options, teacher
        self._loop: _Loop | None = None

    @classmethod
    def open(cls, teacher: str | Path, **options: Any) -> "StructuredReward":
        """A reward for the problems in the file `teacher`: segmentations, paths too with a GSRM.

        `options` have the names and defaults of `rlkd score` and `rlkd distill`: `gsrm`, `judge`,
        `threshold`, `structure_weight`, `outcome_weight`, `verdict_cache`, `deadline` and others.
        UsageError for one that is wrong, InputError (file, line, field) for a record that is.
        """
        own = Rewarding.of(teacher=str(teacher), **options)
        own.check()
        return cls(own, Teacher.read(own))

    async def score(
        self,
        path: str | None,
        *,
        id: str | int | None = None,
        problem: str | None = None,
        label: Any = None,
        sample: int = 0,
        deadline: float | None = None,
    ) -> Raw:
        """The score record of a completion, without its prompt.

        The teacher's record is named by `id`, by a `label` that is a JSON object with an `id`, or
        by the `problem`'s text. The record holds `total` (what a trainer wants), `structured`,
        `outcome` (0 or 1; None without a reference answer or weight), `steps`, `verdicts` and what
        else `rlkd score` writes. Where a reward could not be had, `total` is None, and `error` (a
        short code) and `detail` say why. `deadline`: seconds, at most those of the options.
        """
        asked = Asked(path, id, problem, label, sample)
        return await asyncio.wrap_future(self._submit(asked, deadline))

    async def score_many(
        self, items: Iterable[Mapping[str, Any]], deadline: float | None = None
    ) -> list[Raw]:
        """The records of several completions in their order: `path`, and what `score` is told."""
        asked = [Asked(**item) for item in items]
        futures = [asyncio.wrap_future(self._submit(one, deadline)) for one in asked]
        return list(await asyncio.gather(*futures))

    async def close(self) -> None:
        """Closes the connections and ends the processes; the next score opens them again."""
        await asyncio.to_thread(self.close_sync)

    def score_sync(
        self,
        path: str | None,
        *,
        id: str | int | None = None,
        problem: str | None = None,
        label: Any = None,
        sample: int = 0,
        deadline: float | None = None,
    ) -> Raw:
        """`score`, for code without an event loop; it blocks the calling thread."""
        return dict(self._submit(Asked(path, id, problem, label, sample), deadline).result())

    def score_many_sync(
        self, items: Iterable[Mapping[str, Any]], deadline: float | None = None
    ) -> list[Raw]:
        """`score_many`, for code without an event loop."""
        futures = [self._submit(Asked(**item), deadline) for item in items]
        return [future.result() for future in futures]

    def close_sync(self) -> None:
        """`close`, for code without an event loop."""
        with _lock:
            loop, self._loop = self._loop, None
        if loop:
            loop.finalize()

    def __getstate__(self) -> dict[str, Any]:
        return {"options": self.options, "teacher": self.teacher, "_loop": None}

    def _submit(self, asked: Asked, deadline: float | None) -> Any:
        with _lock:
            if self._loop is None or self._loop.process != os.getpid():
                self._loop = _Loop(Engine(self.options, self.teacher, _log.warning), self)
            loop = self._loop
        return loop.submit(loop.engine.score(asked, deadline))


class _Loop:
    """An engine on an event loop in a thread of its own, which ends with its `owner`."""

    def __init__(self, engine: Engine, owner: StructuredReward) -> None:
        self.engine, self.process = engine, os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=_run, args=(self._loop,), name="rlkd", daemon=True)
        self._thread.start()
        self.finalize = weakref.finalize(owner, _end, engine, self._loop, self._thread, os.getpid())

    def submit(self, work: Coroutine[Any, Any, T]) -> Any:
        """The work's future; whoever cancels it cancels the work."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """An event loop until it is stopped, with threads of its own that end with it."""
    threads = ThreadPoolExecutor(thread_name_prefix="rlkd")
    loop.set_default_executor(threads)
    loop.run_forever()
    threads.shutdown(wait=False)  # one may wait for a server that never comes
    loop.close()


def _end(engine: Engine, loop: Any, thread: threading.Thread, process: int) -> None:
    """Closes an engine on its loop and ends the loop; nothing in a forked child, which has none."""
    if process != os.getpid() or not thread.is_alive():
        return

    async def close() -> None:
        engine.is_closing = True
        try:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await engine.close()
        finally:
            loop.call_soon(loop.stop)

    ended = asyncio.run_coroutine_threadsafe(close(), loop)
    if thread is not threading.current_thread():  # the owner may be collected on any thread
        try:
            ended.result(CLOSING)
        except TimeoutError:
            _log.warning("a reward's models did not close within %g s", CLOSING)
        thread.join(1.0)
