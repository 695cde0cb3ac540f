"""Grading that cannot hang: computer algebra in worker processes that are killed when their time is
over.
"""

import asyncio
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Literal, NamedTuple

from rlkd_cli.core.grading import answers
from rlkd_cli.core.grading.compare import decide
from rlkd_cli.core.grading.dress import normalize
from rlkd_cli.core.grading.dress import undress as plain
from rlkd_cli.core.grading.grade import Grade, Kind, grade_simple, mathematics_of
from rlkd_cli.core.grading.letters import letter_of, without_letter
from rlkd_cli.core.grading.numbers import as_number, fewest_places, numbers_agree
from rlkd_cli.core.grading.screen import screen
from rlkd_cli.core.recent import Recent

REMEMBERED = 100_000  # pairs of answers
AlgebraVerdict = Literal["correct", "wrong", "unparsable", "timeout"]


class Verdict(NamedTuple):
    """What algebra says of two answers, and what it compared."""

    verdict: AlgebraVerdict
    reason: str


class Opinions(NamedTuple):
    """Which of three ways of comparing two answers accept them."""

    text: bool
    numbers: bool
    algebra: bool


class Grader:
    """Grades paths against reference answers; the outcome reward of training is this same object.

    Most answers are decided by text or as numbers, at once. The others go to `workers` processes,
    which are started with the first of them; one that takes longer than `timeout` seconds is killed
    and replaced.
    """

    def __init__(self, timeout: float = 10.0, workers: int = 2) -> None:
        self._timeout, self._workers = timeout, workers
        self._pool: Any = None
        self._known: Recent[tuple[str, str], Verdict] = Recent(REMEMBERED)
        self._asked: dict[tuple[bool, tuple[str, ...]], asyncio.Task[Verdict]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._places = asyncio.Semaphore()

    async def grade(
        self,
        path: str,
        reference: str,
        truncated: bool = False,
        choices: Sequence[str] = (),
        grader: Kind | None = None,
    ) -> Grade:
        """The prediction in a path, the verdict on it and what decided it.

        `choices`: the texts of the options, in the order of their letters, where the question has
        some. `grader`: read the answer as this kind, whatever the reference looks like.
        """
        simple = grade_simple(path, reference, truncated, choices, grader)
        if simple:
            return await self._by_option(simple, reference, choices)
        reference = mathematics_of(reference)
        found = answers.find(path, reference, truncated)
        assert found is not None
        verdict, reason = await self.verdict(found.answer, reference)
        if verdict not in ("correct", "timeout") and found.parts:
            each = await self._every(found.parts, reference)
            if each.verdict == "correct":  # boxes that all say the same are no hedge
                verdict, reason = each.verdict, f"every box: {each.reason}"
        return Grade(found.answer, verdict, reason)

    async def _by_option(self, grade: Grade, reference: str, choices: Sequence[str]) -> Grade:
        """A text in place of a letter is right where it is that option, and no other, as
        mathematics.
        """
        letter, text = letter_of(reference, choices), grade.prediction or ""
        if grade.reason != "letter" or grade.verdict == "correct" or not letter:
            return grade
        if len(text) < 2 or not ord(letter) - 65 < len(choices) or screen(text):
            return grade
        own = choices[ord(letter) - 65]
        for option in (own, *(one for one in choices if one is not own)):
            verdict = await self.compare(text, without_letter(option))
            if verdict == "timeout" or (verdict == "correct") != (option is own):
                return grade
        return Grade(text, "correct", "option")

    async def _every(self, parts: Sequence[str], reference: str) -> Verdict:
        """Whether all of some boxes say what the reference says: one question, with one time limit,
        that ends with the first that does not.
        """
        first = await self.verdict(parts[0], reference)
        if first.verdict != "correct":
            return first
        if any(screen(part) or decide(part, reference)[0] is False for part in parts):
            return Verdict("wrong", "boxes that differ")
        return await self._once((*map(plain, parts[1:]), plain(reference)))

    async def compare(self, prediction: str, reference: str) -> AlgebraVerdict:
        """Whether two final answers are the same mathematics."""
        return (await self.verdict(prediction, reference)).verdict

    async def verdict(self, prediction: str, reference: str) -> Verdict:
        """`compare`, and what decided it."""
        agrees, reason = decide(prediction, reference)
        if agrees is not None:
            return Verdict("correct" if agrees else "wrong", reason)
        stop = screen(prediction) or screen(reference)
        if stop:
            return Verdict("unparsable", f"screened: {stop}")
        key = (plain(prediction), plain(reference))
        if key not in self._known:
            found = self._known[key] = await self._once(key)
            return found
        return self._known[key]

    async def opinions(self, prediction: str, reference: str) -> Opinions:
        """What text, numbers and algebra say of two answers, each by itself."""
        left, right = as_number(prediction), as_number(reference)
        decimals = fewest_places(prediction, reference)
        numbers = left is not None and right is not None and numbers_agree(left, right, decimals)
        algebra = False
        if not (screen(prediction) or screen(reference)):
            verdict = await self._once((plain(prediction), plain(reference)), alone=True)
            algebra = verdict.verdict == "correct"
        return Opinions(normalize(prediction) == normalize(reference), numbers, algebra)

    async def _once(self, asked: tuple[str, ...], alone: bool = False) -> Verdict:
        """Asks algebra of predictions and a reference once, however many wait; an event loop has
        its own waiters.
        """
        loop, key = asyncio.get_running_loop(), (alone, asked)
        if self._loop is not loop:
            self._loop, self._asked = loop, {}
            self._places = asyncio.Semaphore(4 * self._workers)
        if key not in self._asked:
            self._asked[key] = loop.create_task(self._algebra(asked, alone))
            self._asked[key].add_done_callback(lambda _: self._asked.pop(key, None))
        return await asyncio.shield(self._asked[key])

    async def _algebra(self, asked: tuple[str, ...], alone: bool) -> Verdict:
        from pebble import ProcessExpired

        async with self._places:
            future = self._start().schedule(verify, args=(asked, alone), timeout=self._timeout)
            try:
                return await asyncio.wrap_future(future)  # type: ignore[no-any-return]
            except (TimeoutError, FutureTimeout):
                return Verdict("timeout", f"algebra took more than {self._timeout:g} s")
            except ProcessExpired:  # the worker died, by memory for one
                return Verdict("unparsable", "algebra ended its worker")

    def _start(self) -> Any:
        if self._pool is None:
            from pebble import ProcessPool

            # A trainer may call from a daemonic process, which Python lets have no children; the
            # workers are daemons themselves and end with it
            vars(multiprocessing.current_process())["_config"]["daemon"] = False
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

    from rlkd_cli.reward.grading.algebra import compare

    logging.disable(logging.CRITICAL)
    compare("2x", "x+x")
    compare("x>1", r"(1,\infty)")


def verify(asked: Sequence[str], alone: bool = False) -> Verdict:
    """Predictions and, last, a reference, as mathematics, in a worker: the verdict on the first
    that is not right. What algebra cannot take is unparsable.
    """
    from rlkd_cli.reward.grading.algebra import compare

    *predictions, reference = asked
    verdict = Verdict("wrong", "text")
    for prediction in predictions:
        try:
            found = compare(prediction, reference, alone)
        except Exception as error:  # computer algebra raises whatever it likes on odd input
            return Verdict("unparsable", f"algebra: {type(error).__name__}")
        verdict = Verdict("correct" if found.same else "wrong", found.reason)
        if not found.same:
            break
    return verdict
