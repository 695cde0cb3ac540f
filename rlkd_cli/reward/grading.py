"""Grading that cannot hang: math-verify in worker processes that are killed when their time is over."""

import asyncio
import multiprocessing
import re
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Literal

from rlkd_cli.core.grade import Grade, compare_simple, extract_answer, grade_simple, plain, screen

AlgebraVerdict = Literal["correct", "wrong", "unparsable", "timeout"]


class Grader:
    """Grades paths against reference answers; the outcome reward of training is this same object.

    Most answers are decided by text or as integers, at once. The others go to `workers` processes, which are
    started with the first of them; one that takes longer than `timeout` seconds is killed and replaced.
    """

    def __init__(self, timeout: float = 10.0, workers: int = 2) -> None:
        self._timeout, self._workers = timeout, workers
        self._pool: Any = None
        self._places = asyncio.Semaphore(4 * workers)
        self._known: dict[tuple[str, str], AlgebraVerdict] = {}

    async def grade(self, path: str, reference: str, truncated: bool = False) -> Grade:
        """The prediction in a path and the verdict on it."""
        simple = grade_simple(path, reference, truncated)
        if simple:
            return simple
        prediction = extract_answer(path, reference)
        assert prediction is not None
        return Grade(prediction, await self.compare(prediction, reference))

    async def compare(self, prediction: str, reference: str) -> AlgebraVerdict:
        """Whether two final answers are the same mathematics."""
        agrees = compare_simple(prediction, reference)
        if agrees is not None:
            return "correct" if agrees else "wrong"
        if screen(prediction) or screen(reference):
            return "unparsable"
        key = (plain(prediction), plain(reference))
        if key not in self._known:
            self._known[key] = await self._algebra(*key)
        return self._known[key]

    async def _algebra(self, prediction: str, reference: str) -> AlgebraVerdict:
        from pebble import ProcessExpired

        async with self._places:
            future = self._start().schedule(
                verify, args=(prediction, reference), timeout=self._timeout
            )
            try:
                return await asyncio.wrap_future(future)  # type: ignore[no-any-return]
            except (TimeoutError, FutureTimeout):
                return "timeout"
            except ProcessExpired:  # the worker died, by memory for one
                return "unparsable"

    def _start(self) -> Any:
        if self._pool is None:
            from pebble import ProcessPool

            # spawned: forking a process that holds threads or an accelerator is not safe
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPool(
                max_workers=self._workers, context=context, initializer=_warm_up
            )
        return self._pool

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.stop()
            self._pool.join()
            self._pool = None


def _warm_up() -> None:
    """Imports computer algebra before the clock of the first task runs."""
    import logging

    import math_verify

    logging.disable(logging.CRITICAL)
    math_verify.verify(math_verify.parse("$1$"), math_verify.parse("$1$"))


def verify(prediction: str, reference: str) -> AlgebraVerdict:
    """math-verify on two answers, in a worker; its own time limits (signals) are off, the worker's killer is on."""
    from math_verify import parse, verify

    gold, answer = (
        parse(f"${text.strip().strip('$')}$", parsing_timeout=None)
        for text in (reference, prediction)
    )
    if not answer or not gold:
        return "unparsable"
    try:
        same = verify(gold, answer, timeout_seconds=None)
        if (
            not same
            and re.search(r"\\[lg]e|[<>]", prediction)
            and reference.strip()[:1] in ("[", "(")
        ):
            same = verify(
                answer, gold, timeout_seconds=None
            )  # it takes an interval for an inequality, not the reverse
        return "correct" if same else "wrong"
    except Exception:  # computer algebra raises whatever it likes on odd input
        return "unparsable"
