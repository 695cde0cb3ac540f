"""Waiting for a server that does not answer: a failure that passes is waited for, and never
kept.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rlkd_cli.errors import RecordError

# What an unavailable server looks like; anything else is the text's own fault, not asked again
_CODES = (*("no_connection", "timeout", "bad_response", "empty_reply", "http_429", "unavailable"),)
T = TypeVar("T")


def is_away(error: RecordError) -> bool:
    """Whether a server's absence is why; of `judge_failed`, the cause tells."""
    cause = error.__cause__
    return is_away_code(cause.code if isinstance(cause, RecordError) else error.code)


def is_away_code(code: str) -> bool:
    """Whether a RecordError's code says that the server is why."""
    return code in _CODES or code.startswith("http_5")


async def patiently(
    work: Callable[[int], Awaitable[T]],
    count: int,
    failed: Callable[[T], bool],
    timeout: float,
    tell: Callable[[str], None],
) -> list[T]:
    """`work` on 0 … count - 1, all at once; what `failed` is done again for up to `timeout`
    seconds.
    """
    deadline, pause = time.monotonic() + timeout, 1.0
    done = list(await asyncio.gather(*map(work, range(count))))
    while waiting := [i for i, one in enumerate(done) if failed(one)]:
        left = deadline - time.monotonic()
        if pause > left:
            break
        tell(f"{len(waiting)} wait for a server that does not answer; {left:.0f} s are left")
        await asyncio.sleep(pause)
        pause = min(2 * pause, 30.0)
        for i, one in zip(waiting, await asyncio.gather(*map(work, waiting)), strict=True):
            done[i] = one
    return done
