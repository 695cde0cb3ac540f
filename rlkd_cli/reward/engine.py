"""Rewards by the teacher's id or problem, each within a deadline, on one event loop.

`rlkd serve` and `StructuredReward` ask this one object. A reward that could not be had is a record
with its reason, never a number.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from typing import Any, NamedTuple

from rlkd_cli.errors import ModelError, RecordError, RlkdError, Unavailable
from rlkd_cli.models import Sampling, TextModel, open_model, user
from rlkd_cli.models.usage import Bill, open_bill
from rlkd_cli.records.schema import Raw, Step
from rlkd_cli.reward.attempts import Attempt, Attempts
from rlkd_cli.reward.grading.grader import Grader
from rlkd_cli.reward.once import Once
from rlkd_cli.reward.patience import is_away, patiently
from rlkd_cli.reward.rewarding import Rewarding
from rlkd_cli.reward.segmenter import segment_prompt
from rlkd_cli.reward.structured import Structure, segmented
from rlkd_cli.reward.teacher import Entry, Teacher

WAITS = ("timeout", "server_timeout")  # options, in seconds
Tell = Callable[[str], None]
Tried = tuple[Attempt, float | None]  # and its total


class Asked(NamedTuple):
    """What a reward is asked for: a completion (None for none), and how its problem is named."""

    path: str | None
    id: Any = None
    problem: str | None = None
    label: Any = None
    sample: int = 0


class Engine:
    """Opens its models when it is first asked, once for all who ask."""

    def __init__(self, options: Rewarding, teacher: Teacher, tell: Tell = lambda line: None):
        """`tell` is called with what models have to say (a server that is waited for)."""
        self.options, self.teacher, self.tell = options, teacher, tell
        self.bill: Bill = {}  # what the models cost so far
        self.failures: Counter[str] = Counter()  # missing rewards by reason
        self.is_closing = False  # whoever waits is then told so, and not cancelled
        self._attempts: Attempts | None = None
        self._opening: asyncio.Task[None] | None = None
        self._segmented: Once[list[Step]] = Once()

    async def score(self, asked: Asked, deadline: float | None = None) -> Raw:
        """The record of a reward: `total` and its parts, or `total` None, `error` and `detail`.

        It ends within `deadline` seconds, or the options' where that is less. UsageError where the
        options ask for something that is not there.
        """
        open_bill(self.bill)
        limit = self.options.deadline if deadline is None else deadline
        limit = min(limit, self.options.deadline)
        try:
            entry = self.teacher.find(asked.id, asked.problem, asked.label)
        except RecordError as error:
            return self._missing(asked, asked.id, Attempt(failure=error))
        record = {**entry.record, "sample": asked.sample}
        if asked.path is None:
            none = RecordError("no_completion", "the model has written none")
            return self._missing(asked, record["id"], Attempt(failure=none))
        if not any(vars(self.options.weights.of(record)).values()):
            none = RecordError(
                "no_answer", "the teacher's record has none, and nothing else weighs"
            )
            return self._missing(asked, record["id"], Attempt(failure=none))
        try:
            async with asyncio.timeout(limit):
                attempt, total = await self._patiently(asked.path, entry, record, limit)
        except asyncio.CancelledError:
            if not self.is_closing:
                raise
            closed = RecordError("closed", "the reward was closed meanwhile")
            return self._missing(asked, record["id"], Attempt(failure=closed))
        except TimeoutError:
            late = RecordError("deadline", f"no reward within {limit:g} s")
            return self._missing(asked, record["id"], Attempt(failure=late))
        if total is None:
            return self._missing(asked, record["id"], attempt)
        return _scored(attempt, record, total)

    def open(self) -> None:
        """Opens the models now. UsageError and ModelError where one is not available."""
        options, grader = self.options, Grader()
        waits = {name: min(getattr(options, name), options.deadline) for name in WAITS}
        options = replace(options, **waits)  # nobody is there any more to wait for longer

        def opened(spec: str) -> TextModel:
            return open_model(spec, options, options.record, tell=self.tell)

        is_asked = options.structure_weight > 0
        structure = Structure.open(options, opened, grader, tell=self.tell) if is_asked else None
        self._attempts = Attempts(options.weights, grader, structure, options.teacher_samples)

    async def opened(self) -> Attempts:
        """The models, opened by the first who asks; after a failure the next one tries again."""
        if self._attempts is None:
            if self._opening is None or self._opening.done():
                self._opening = asyncio.create_task(_in_daemon(self.open))
                self._opening.add_done_callback(lambda task: task.cancelled() or task.exception())
            await asyncio.shield(self._opening)
        assert self._attempts
        return self._attempts

    @property
    def verdicts(self) -> Counter[str]:
        """How many verdicts were had without a model, from the cache, by asking."""
        structure = self._attempts.structure if self._attempts else None
        return structure.matcher.counts if structure else Counter()

    async def health(self, seconds: float) -> dict[str, str]:
        """What is wrong with `gsrm` and `judge`, asked a short question each; "ok" for nothing."""
        open_bill(self.bill)
        asks = {"gsrm": self._ask_gsrm, "judge": self._ask_judge}

        async def one(name: str) -> str:
            try:
                async with asyncio.timeout(seconds):
                    return await asks[name]()
            except TimeoutError:
                return f"no answer within {seconds:g} s"
            except (RecordError, ModelError) as error:
                return str(error)

        return dict(zip(asks, await asyncio.gather(*map(one, asks)), strict=True))

    async def close(self) -> None:
        """Closes the models and the grader; the last call."""
        if self._opening and not self._opening.done():
            with suppress(RlkdError):  # what cannot be opened needs no closing
                await self._opening
        attempts, self._attempts = self._attempts, None
        if attempts:
            await attempts.close()

    async def _patiently(self, path: str, entry: Entry, record: Raw, limit: float) -> Tried:
        """An attempt, made again where a server's absence spoilt it and while there is time."""

        async def one(number: int) -> Tried:
            try:
                attempts = await self.opened()
                references = await self._references(entry, attempts)
                attempt = await attempts(path, record, references)
                return attempt, attempts.total(attempt, record)
            except RecordError as error:
                return Attempt(failure=error), None
            except Unavailable as error:
                return Attempt(failure=RecordError("unavailable", str(error))), None
            except ModelError as error:
                return Attempt(failure=RecordError("model_failed", str(error))), None

        def failed(tried: Tried) -> bool:
            return tried[1] is None and tried[0].server_failed

        return (await patiently(one, 1, failed, limit, lambda line: None))[0]

    async def _references(self, entry: Entry, attempts: Attempts) -> Sequence[Sequence[Step]]:
        """The teacher's step sequences, as many as are compared with; a path is segmented once."""
        found: list[list[Step]] = []
        if attempts.structure is None:  # nothing is compared
            return found
        for number, row in enumerate(entry.rows):
            if "steps" not in row and "unusable" not in row:
                await self._segment(entry, number, attempts.structure)
            if "steps" in row:
                found.append([Step(**step) for step in row["steps"]])
                if self.options.teacher_samples == "first":
                    break
        if not found:
            reason = f"the teacher's row of id {entry.record['id']!r} could not be used: "
            raise RecordError("teacher_unusable", reason + entry.rows[0]["unusable"])
        return found

    async def _segment(self, entry: Entry, number: int, structure: Structure) -> None:
        """Puts steps into a teacher's row, or why there are none; RecordError where that passes."""
        row, gsrm = entry.rows[number], structure.gsrm
        assert gsrm
        try:
            key = (row["id"], number)
            steps = await self._segmented.result(key, lambda: segmented(gsrm, row))
            row["steps"] = [step.model_dump() for step in steps]
        except RecordError as error:
            if is_away(error):
                raise
            row["unusable"] = f"the GSRM could not segment it ({error})"

    def _missing(self, asked: Asked, name: Any, attempt: Attempt) -> Raw:
        slow = RecordError("grading_timeout", "the answer could not be compared in time")
        error = attempt.failure or slow
        self.failures[error.code] += 1
        parts = {"structured": attempt.parts.structure, "outcome": attempt.parts.outcome}
        why = {"error": error.code, "detail": error.detail}
        return {"id": name, "sample": asked.sample, "total": None, **parts, **why}

    async def _ask_judge(self) -> str:
        structure = (await self.opened()).structure
        if structure:
            await structure.matcher.judge.ask("answer", "two apples", "2 apples")
        return "ok"

    async def _ask_gsrm(self) -> str:
        structure = (await self.opened()).structure
        if structure and structure.gsrm:
            raw = {"problem": "What is 1 + 1?", "path": "1 + 1 = 2"}
            asked = user(segment_prompt(raw, structure.gsrm.prompt))
            try:
                await structure.gsrm.model.reply(asked, Sampling(max_tokens=8))
            except RecordError as error:
                if error.code != "empty_reply":  # a server that is there, which is what is asked
                    raise
        return "ok"


def _scored(attempt: Attempt, record: Raw, total: float) -> Raw:
    """A score record, as `rlkd score` writes it, and the parts of the total."""
    own = attempt.compared.record(record) if attempt.compared else _plain(record)
    parts = {"structured": attempt.parts.structure, "outcome": attempt.parts.outcome}
    steps = [step.model_dump() for step in attempt.steps]
    return {**own, "total": total, **parts, "steps": steps}


def _plain(record: Raw) -> Raw:
    """What a score record holds where no steps are compared."""
    return {"id": record["id"], "sample": record["sample"], "verdicts": []}


async def _in_daemon(work: Callable[[], None]) -> None:
    """Work in a thread that the process does not wait for at its end, as it does for a pool's."""
    loop, context = asyncio.get_running_loop(), copy_context()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: Exception | None) -> None:
        if not done.done():
            done.set_exception(error) if error else done.set_result(None)

    def run() -> None:
        error = None
        try:
            context.run(work)
        except Exception as raised:
            error = raised
        with suppress(RuntimeError):  # the loop has ended, and nobody waits
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name="rlkd-opening", daemon=True).start()
    await done
