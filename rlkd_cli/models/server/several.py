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
from time import monotonic

from rlkd_cli.errors import Unavailable
from rlkd_cli.models.base import Message, Reply, Sampling, Telling
from rlkd_cli.models.masks import hide_keys
from rlkd_cli.models.options import HttpOptions
from rlkd_cli.models.server import faults
from rlkd_cli.models.server.backoff import pause, unavailable
from rlkd_cli.models.server.endpoint import EndpointModel
from rlkd_cli.models.server.faults import Fault

MOST_FAILURES = 3  # in a row, of requests that may pass elsewhere (ours)
REMEMBERED = 65_536  # conversations whose server is known
# A conversation leaves its server where that has more to do than this, beside the least loaded
SHARE, MORE = 2, 8
FIRST_LOOK, LAST_LOOK = 0.5, 30.0  # seconds between two looks at a server that is left out


@dataclass(eq=False)
class Place:
    """One of the servers: requests that it has now, failures in a row, and since when it is left
    out.
    """

    server: EndpointModel
    load: int = 0
    failures: int = 0
    out_since: float | None = None
    looks: int = 0
    next_look: float = 0.0
    looking: asyncio.Task[None] | None = None


class SeveralModel(Telling):
    """The same model at several addresses, as one. `servers` raise what may pass (`has_others`)."""

    def __init__(self, servers: Sequence[EndpointModel], options: HttpOptions, label: str) -> None:
        super().__init__()
        self.name, self._options, self.in_flight = label, options, options.concurrency
        self.places = [Place(server) for server in servers]
        for server in servers:
            server.tell = self._pass_on
        self._homes: OrderedDict[int, Place] = OrderedDict()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn = 0

    def _pass_on(self, line: str) -> None:
        self.say(line.removeprefix(f"{self.name}: "), again=True)

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """One reply, by whichever server gives one. RecordError where `--max-retries` more tries,
        wherever, gave none; Unavailable where no server answers for `--server-timeout` seconds.
        """
        self._moved()
        tries, conversation = 0, _beginning(messages)
        failed: Place | None = None
        while True:
            place = await self._place(conversation, failed)
            place.load += 1
            try:
                reply = await place.server.reply(messages, sampling)
            except (Fault, Unavailable) as error:
                fault = error if isinstance(error, Fault) else Fault(faults.AWAY, "", str(error))
                self._failed(place, fault)
                tries += fault.kind == faults.RETRY
                if tries > self._options.max_retries:
                    raise place.server.final(fault, {}) from None
                if fault.kind == faults.RETRY and place is failed:  # there is no other
                    await asyncio.sleep(pause(tries - 1, fault.after))
                failed = place
                continue
            finally:
                place.load -= 1
            place.failures = 0
            self._remember(conversation, place)
            return reply

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
            for place in self.places:
                place.load, place.looking = 0, None

    async def _place(self, conversation: int, failed: Place | None) -> Place:
        """Where a request goes: home, or to the least loaded, and not where it has just failed
        while there is another; waits while no server answers.
        """
        while True:
            self._look_again()
            there = [place for place in self.places if place.out_since is None]
            if there:
                others = [place for place in there if place is not failed]
                return self._choice(others or there, conversation)
            since = max(place.out_since or 0.0 for place in self.places)
            if monotonic() - since >= self._options.server_timeout:
                why = f"{self.name}: none of {len(self.places)} addresses answers"
                raise unavailable(why, self._options.server_timeout)
            await asyncio.sleep(0.1)

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

    def _failed(self, place: Place, fault: Fault) -> None:
        """Leaves a server out that is not there, or that fails in one request after the other."""
        place.failures += 1
        is_gone = fault.kind == faults.AWAY or place.failures >= MOST_FAILURES
        if is_gone and place.out_since is None:
            place.out_since, place.looks = monotonic(), 0
            place.next_look = monotonic() + FIRST_LOOK
            where = hide_keys(place.server.address.base)
            self.say(f"{where} is left out until it answers: {hide_keys(fault.text)}", again=True)

    def _look_again(self) -> None:
        """Starts a look at each server that is left out and whose time has come."""
        for place in self.places:
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
        if is_there:
            place.out_since, place.failures = None, MOST_FAILURES - 1  # one more chance
            self.say(f"{place.server.address.base} is back", again=True)


def _beginning(messages: Sequence[Message]) -> int:
    """What tells a conversation from others: its messages up to the first of the user's."""
    texts = []
    for message in messages:
        texts.append((message["role"], message["content"]))
        if message["role"] == "user":
            break
    return hash(tuple(texts))
