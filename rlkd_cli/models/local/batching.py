"""Many single calls made into few large ones, for engines that run in this process."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

Request = TypeVar("Request")
Result = TypeVar("Result")


class Batcher(Generic[Request, Result]):
    """Collects requests until no more come, then runs up to `size` of them in one call on a thread.

    `run` gets the requests and returns a result, or an exception, for each. Requests that wait
    while a batch runs go into the next one, in the order of `cost`, so that a batch holds requests
    of like length.
    """

    PAUSE = 0.005  # seconds without a new request after which a batch starts

    def __init__(
        self,
        run: Callable[[Sequence[Request]], Sequence[Result | Exception]],
        size: int,
        cost: Callable[[Request], int],
    ) -> None:
        self._run, self._size, self._cost = run, size, cost
        self._waiting: list[tuple[Request, asyncio.Future[Result]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def __call__(self, request: Request) -> Result:
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            count = -1
            while len(self._waiting) != count:  # a burst of callers is let in whole
                count = len(self._waiting)
                await asyncio.sleep(self.PAUSE)
            self._waiting.sort(key=lambda entry: self._cost(entry[0]))
            batch, self._waiting = self._waiting[: self._size], self._waiting[self._size :]
            await self._answer(batch)

    async def _answer(self, batch: list[tuple[Request, "asyncio.Future[Result]"]]) -> None:
        results: Sequence[Result | Exception]
        try:
            results = await asyncio.to_thread(self._run, [request for request, _ in batch])
        except Exception as error:
            results = [error] * len(batch)
        settle(zip([future for _, future in batch], results, strict=True))


def settle(results: "Iterable[tuple[asyncio.Future[Result], Result | Exception]]") -> None:
    """Hands results, or what went wrong, to those who wait for them."""
    for future, result in results:
        if future.done():  # its caller was cancelled
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
