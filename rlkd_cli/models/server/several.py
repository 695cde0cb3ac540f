"""One model behind several addresses: each request goes to the server with the least to do.

A conversation that goes on is asked where its beginning is in the prefix cache. A server that
fails is left out until it answers again, and what it was asked goes to another. For more than a
handful of servers a router does this better (see docs/scale.md).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic

from rlkd_cli.errors import ModelError, RecordError
from rlkd_cli.models.base import Message, Reply, Sampling, Telling
from rlkd_cli.models.masks import hide_keys
from rlkd_cli.models.options import HttpOptions
from rlkd_cli.models.server import faults
from rlkd_cli.models.server.backoff import Pace, pause, unavailable
from rlkd_cli.models.server.endpoint import EndpointModel, estimated_tokens
from rlkd_cli.models.server.faults import Fault

MOST_FAILURES = 3  # in a row, of requests that may pass elsewhere (ours)
REMEMBERED = 65_536  # conversations whose server is known
# A conversation leaves its server where that has more to do than this, beside the least loaded
SHARE, MORE = 2, 8
FIRST_LOOK, LAST_LOOK = 0.5, 30.0  # seconds between two looks at a server that is left out


@dataclass(eq=False)
class Place:
    """One of the servers: requests that it has now, failures in a row, since when it is left out,
    and how it last failed. One that is `wrong` is not asked again.
    """

    server: EndpointModel
    load: int = 0
    failures: int = 0
    out_since: float | None = None
    why: str = ""
    is_wrong: bool = False
    looks: int = 0  # since its last reply
    next_look: float = 0.0
    looking: asyncio.Task[None] | None = None

    @property
    def where(self) -> str:
        return self.server.address.base

    @property
    def is_open(self) -> bool:
        return self.server.pace.opens_in <= 0

    @property
    def refusing_since(self) -> float | None:
        """Since when no request is taken; None where one may be."""
        return self.server.pace.refusing_since if self.out_since is None else self.out_since


@dataclass
class Course:
    """What a request has met so far: failures that pass, the place of the last one, and the
    refusal of a place that may stand alone with it.
    """

    conversation: int
    tries: int = 0
    failed: Place | None = None
    refusal: RecordError | None = None


class SeveralModel(Telling):
    """The same model at several addresses, as one. `servers` raise what passes (`has_others`)."""

    def __init__(self, servers: Sequence[EndpointModel], options: HttpOptions, label: str) -> None:
        super().__init__()
        self.name, self._options, self.in_flight = label, options, options.concurrency
        self.places = [Place(server) for server in servers]
        for place in self.places:
            place.server.tell = partial(self._pass_on, place.where)
        # The user's limits alone: the servers have paces of their own
        self._limits = Pace(label, 0.0, self.say, options.rpm, options.tpm)
        self._homes: OrderedDict[int, Place] = OrderedDict()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._in_flight = asyncio.Semaphore(options.concurrency)
        self._turn = 0

    def _pass_on(self, where: str, line: str) -> None:
        self.say(f"{where}: {line.removeprefix(f'{self.name}: ')}", again=True)

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """One reply, by whichever server gives one. RecordError where `--max-retries` more tries,
        wherever, gave none, or two servers refuse it; Unavailable where no server takes a request
        for `--server-timeout` seconds; ModelError where none can be used.
        """
        self._moved()
        async with self._in_flight:
            return await self._reply(messages, sampling, Course(_beginning(messages)))

    async def _reply(
        self, messages: Sequence[Message], sampling: Sampling, course: Course
    ) -> Reply:
        while True:
            await self._limits.turn(estimated_tokens(messages) + sampling.max_tokens)
            # From here to its being sent nothing waits: what was chosen is still so
            place = await self._place(course)
            is_retry = course.tries > 0 or course.refusal is not None
            place.load += 1
            try:
                reply = await place.server.reply(messages, sampling, is_retry)
            except Fault as fault:
                wait = self._failed(place, fault, course)
            except RecordError as error:
                wait = self._refused(place, error, course)
            except ModelError as error:
                wait = self._gone_wrong(place, error)
            else:
                self._replied(place, course)
                return reply
            finally:
                place.load -= 1
            await asyncio.sleep(wait)

    async def close(self) -> None:
        for place in self.places:
            if place.looking:
                place.looking.cancel()
            await place.server.close()

    def _moved(self) -> None:
        """Counts anew where the model is used from another event loop."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            self._limits.moved()
            self._in_flight = asyncio.Semaphore(self._options.concurrency)
            for place in self.places:
                place.load, place.looking = 0, None

    async def _place(self, course: Course) -> Place:
        """Where a request goes: home, or to the least loaded, and not where it has just failed
        while there is another; waits while no server takes requests.
        """
        while True:
            self._look_again()
            there = self._there()
            if course.refusal:  # another opinion is worth waiting for
                there = [place for place in there if place is not course.failed] or there
            now = [place for place in there if place.is_open]
            if now:
                others = [place for place in now if place is not course.failed]
                return self._choice(others or now, course.conversation)
            self._check_patience()
            opening = min((place.server.pace.opens_in for place in there), default=0.1)
            await asyncio.sleep(min(max(opening, 0.001), 0.1))

    def _there(self) -> list[Place]:
        return [place for place in self.places if place.out_since is None]

    def _check_patience(self) -> None:
        """ModelError where no server can be used; Unavailable where none takes a request, for too
        long or as it says.
        """
        left = [place for place in self.places if not place.is_wrong]
        reasons = dict.fromkeys(f"{place.where}: {place.why}" for place in left or self.places)
        why = "; ".join(reasons)
        if not left:
            raise ModelError(f"{self.name}: no address can be used: {why}")
        patience = self._options.server_timeout
        since = [place.refusing_since for place in left]
        is_long = all(one is not None and monotonic() - one >= patience for one in since)
        says_so = all(place.server.pace.opens_in > patience for place in left)
        if is_long or says_so:
            raise unavailable(
                f"{self.name}: none of {len(left)} addresses answers: {why}", patience
            )

    def _choice(self, there: Sequence[Place], conversation: int) -> Place:
        self._turn += 1  # equals take turns
        count = len(there)
        turns = {id(place): (i + self._turn) % count for i, place in enumerate(there)}
        least = min(there, key=lambda place: (place.load, turns[id(place)]))
        home = self._homes.get(conversation)
        if home and home in there and home.load <= SHARE * least.load + MORE:
            return home
        return least

    def _remember(self, conversation: int, place: Place) -> None:
        self._homes[conversation] = place
        self._homes.move_to_end(conversation)
        while len(self._homes) > REMEMBERED:
            self._homes.popitem(last=False)

    def _replied(self, place: Place, course: Course) -> None:
        if place.looks and place.out_since is None:
            self.say(f"{place.where} is back", again=True)
            place.looks = 0
        place.failures = 0
        self._remember(course.conversation, place)

    def _failed(self, place: Place, fault: Fault, course: Course) -> float:
        """Seconds until a request is asked again, elsewhere if it can be. Leaves a server out that
        is not there, or that fails in one request after the other.
        """
        place.why = hide_keys(fault.text)
        others = [one for one in self._there() if one is not place and one.is_open]
        course.tries += fault.kind == faults.RETRY
        if fault.kind != faults.SLOW:  # whose pace keeps requests from it
            place.failures += 1
            if fault.kind == faults.AWAY or place.failures >= MOST_FAILURES:
                self._leave_out(place)
        if course.tries > self._options.max_retries:
            raise place.server.final(fault, {}) from None
        course.failed = place
        if others or fault.kind == faults.AWAY or not place.is_open:
            return 0.0
        return pause(max(course.tries - 1, 0), fault.after)

    def _refused(self, place: Place, error: RecordError, course: Course) -> float:
        """0.0 where the refusal may be this server's own fault, and another is there to be asked.

        The error itself where the record is at fault, or a second server says the same.
        """
        is_doubtful = error.code in ("http_400", "http_422") and self._there() != [place]
        if course.refusal or not is_doubtful:
            raise error
        course.refusal, course.failed = error, place
        return 0.0

    def _gone_wrong(self, place: Place, error: ModelError) -> float:
        """Leaves a server out for good that no request can succeed at."""
        place.why = str(error).removeprefix(f"{self.name}: ")
        if not place.is_wrong:
            place.is_wrong, place.out_since = True, monotonic()
            self.say(f"{place.where} is left out for good: {place.why}", again=True)
        return 0.0

    def _leave_out(self, place: Place) -> None:
        if place.out_since is not None:
            return
        if not place.looks:  # else it was said, and no reply has come since
            self.say(f"{place.where} is left out until it answers: {place.why}", again=True)
        place.out_since = monotonic()
        place.next_look = monotonic() + min(FIRST_LOOK * 2.0**place.looks, LAST_LOOK)

    def _look_again(self) -> None:
        """Starts a look at each server that is left out and whose time has come."""
        for place in self.places:
            if place.is_wrong:
                continue
            is_due = place.out_since is not None and monotonic() >= place.next_look
            if is_due and (place.looking is None or place.looking.done()):
                place.looking = asyncio.create_task(self._look(place))

    async def _look(self, place: Place) -> None:
        is_there = False
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_LOOK):
                is_there = await place.server.lists_models()
        place.looks += 1
        place.next_look = monotonic() + min(FIRST_LOOK * 2.0**place.looks, LAST_LOOK)
        if is_there and not place.is_wrong:
            place.out_since, place.failures = None, MOST_FAILURES - 1  # one more chance


def _beginning(messages: Sequence[Message]) -> int:
    """What tells a conversation from others: its messages up to the first of the user's."""
    texts = []
    for message in messages:
        texts.append((message["role"], message["content"]))
        if message["role"] == "user":
            break
    return hash(tuple(texts))
