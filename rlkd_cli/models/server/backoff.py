"""How long to wait before a server is asked again: one pace for all requests of a model.

Three things are waited for. A single request that failed waits by itself, longer each time
(`pause`). A server that has too much to do (429) slows down all requests together: the rate is cut
in proportion to what it refused, comes back to just below where that happened, stays near it for a
while and then probes beyond (the cubic curve of TCP CUBIC, RFC 9438; the constants are ours). A
server that refuses connections pauses them all, while one request after the other looks whether it
is back.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from time import monotonic

from rlkd_cli.errors import Unavailable

LONGEST_PAUSE = 60.0  # seconds between two tries of one request
_LONGEST_ROUND = 30.0  # seconds without a request to a server that refused all of the last ones
_PROBES = 5.0  # seconds between two looks whether a server is back
_CUT = 0.25  # share of refused requests from which on the rate is cut
_LEVEL = 0.1  # and that at which it stays as it is
_LOW = 0.85  # where the rate begins again after a cut, as a share of what it comes back to
_REGAIN = 4.0  # seconds in which it comes back there
_BURST = 0.05  # seconds by which a request may come early: sleeping is not exact
_SEEN = 10.0  # seconds over which the accepted requests are counted


def pause(attempt: int, after: float | None = None) -> float:
    """Seconds before a request's next try; `after` is what the server asked for."""
    own = min(0.5 * 2.0**attempt, 8.0) * random.uniform(0.75, 1.0)
    return min(own if after is None else after, LONGEST_PAUSE)


def unavailable(why: str, patience: float) -> Unavailable:
    """What ends the run where a server was waited for, `patience` seconds, and did not come."""
    return Unavailable(
        f"{why}; waited {patience:g} s for the server (--server-timeout; of distill "
        "--reward-timeout); what is finished is kept: run the same command again to go on"
    )


class Pace:
    """When the next request of a model may go. `patience` is in seconds: how long a server is
    waited for.

    `rpm` and `tpm` are the user's own limits, requests and tokens a minute. Everything is by the
    clock and belongs to no event loop, but for the queue, which `moved` makes anew.
    """

    def __init__(
        self,
        name: str,
        patience: float,
        say: Callable[[str], None],
        rpm: float | None = None,
        tpm: float | None = None,
    ) -> None:
        self._name, self._patience, self._say = name, patience, say
        self._rpm, self._tpm = rpm, tpm
        self._line = asyncio.Lock()  # first come, first served
        self._next = self._next_tokens = 0.0  # when the next request may go
        self._seen: deque[float] = deque(maxlen=4096)  # when requests were accepted
        self._first = monotonic()
        self._top: float | None = None  # requests a second at the last cut; None: never refused
        self._since = self._changed = 0.0  # start of the curve; of the last slowing down
        self._starting = False  # the rate is a first guess still
        self._share, self._rounds = 0.0, 0  # refused lately; slowings since the last acceptance
        self._refusing: float | None = None  # since when nothing was accepted
        self._gone: float | None = None  # since when no connection can be made
        self._prober: asyncio.Task[object] | None = None
        self._probes = 0
        self._gave_up = 0.0  # when the server was last given up
        self._heard = 0.0  # when the server last answered

    def moved(self) -> None:
        """The model is used from another event loop now."""
        self._line, self._prober = asyncio.Lock(), None

    @property
    def rate(self) -> float | None:
        """Requests a second, None for no limit; at first it doubles every second until refused."""
        if self._top is None:
            return None
        passed = monotonic() - self._since
        if self._starting:
            return float(self._top * 2.0 ** min(passed, 20.0))
        scale = max(_REGAIN, 10 / self._top)
        curve = 1 + (1 - _LOW) * (passed / scale - 1) ** 3
        return max(self._top * curve, 0.01)

    async def turn(self, tokens: int = 0) -> float:
        """Waits for a request's turn; when it goes. `tokens` count for the user's limit."""
        if self._gone is not None and self._prober is not asyncio.current_task():
            await self._away_together("no connection", monotonic())
        limited = self._top is not None or self._rpm or self._tpm
        if not limited and self._next <= (now := monotonic()):
            return now
        async with self._line:
            while (wait := max(self._next, self._next_tokens) - monotonic()) > 0:
                await asyncio.sleep(min(wait, 1.0))
            now = monotonic()
            if not limited:
                return now
            rates = [rate for rate in (self.rate, (self._rpm or 0) / 60) if rate]
            if rates:
                self._next = max(self._next, now - _BURST) + 1 / min(rates)
            if self._tpm:
                share = min(tokens, self._tpm) * 60 / self._tpm
                self._next_tokens = max(self._next_tokens, now - _BURST) + share
            return now

    def accepted(self) -> None:
        """The server took a request."""
        self.answered()
        self._seen.append(monotonic())
        self._share -= self._share / 16
        self._rounds, self._refusing = 0, None

    def answered(self) -> None:
        """The server is there, whatever it said."""
        if self._gone is not None:
            self._say("the server is back")
        self._gone, self._prober, self._probes = None, None, 0
        self._heard = monotonic()

    @property
    def opens_in(self) -> float:
        """Seconds until the server may be asked again; 0 or less where it may be now."""
        return self._next - monotonic()

    @property
    def refusing_since(self) -> float | None:
        """Since when the server has refused all requests for being too many; None: it does not."""
        return self._refusing

    @property
    def is_away(self) -> bool:
        """Whether the server is being waited for."""
        return self._gone is not None

    def took(self, since: float) -> bool:
        """Whether the server has taken a request since then."""
        return bool(self._seen) and self._seen[-1] >= since

    def lost(self, since: float) -> bool:
        """Whether the server has not answered a single request since then."""
        return self._heard < since

    def limited(self, sent: float, after: float | None, why: str) -> float:
        """The server had too much to do for a request: the seconds that it is to wait by itself.

        Where that happens often all requests slow down; those sent before count once. Unavailable
        where the server takes nothing for longer than `patience`, or asks to wait for longer.
        """
        now = monotonic()
        self.answered()
        self._refusing = self._refusing or now
        if max(now - self._refusing, after or 0.0) > self._patience:
            raise self._unavailable(why)
        known = sent < self._changed
        if known and self._top is not None:
            return 0.0
        self._share += (1 - self._share) / 16
        often = self._share > _CUT
        if known and not often:
            return 0.0
        self._rounds, self._changed = self._rounds + 1, now
        wait = min(0.5 * 2.0 ** (self._rounds - 1), _LONGEST_ROUND)
        together = often or self._rounds > 1
        if together or self._starting:
            self._slow_down(now, why)
        elif self._top is not None and self._share > _LEVEL:
            self._since, self._top = now - max(_REGAIN, 10 / self._top), self.rate
        if together or after is not None:
            self._next = max(self._next, now + (wait if after is None else after))
            return 0.0
        return wait if self._top is None else 0.0

    def _slow_down(self, now: float, why: str) -> None:
        """Cuts the rate: to what is accepted at first, later in proportion to what was refused."""
        while self._seen and self._seen[0] < now - _SEEN:
            self._seen.popleft()
        if self._top is None:
            self._say(f"too many requests for the server, slowing down: {why}")
            took = len(self._seen) / max(1.0, min(_SEEN, now - self._first))
            self._top, self._starting = max(took, 1.0), True
        else:
            cut = 0.5 if self._rounds > 1 else 0.7 if self._starting else 1 - self._share
            self._top, self._starting = (self.rate or 1.0) * max(cut, 0.5), False
        self._since, self._share = now, 0.0

    async def away(self, why: str, began: float | None = None) -> None:
        """No connection: returns when the request is to try again. Unavailable after `patience`.

        All requests that `began` before the server was given up end with that; later ones wait
        anew.
        """
        began = monotonic() if began is None else began
        if self._gone is None and began >= self._gave_up:
            self._gone = monotonic()
            if self._patience:
                self._say(f"{why}; waiting up to {self._patience:g} s for the server")
        await self._away_together(why, began)

    async def _away_together(self, why: str, began: float) -> None:
        """One request is the prober, which tries after a while; the others wait for its finding."""
        me = asyncio.current_task()
        while True:
            if began < self._gave_up:
                raise unavailable(f"{self._name}: {why}", self._patience)
            if self._gone is None:
                return
            left = self._gone + self._patience - monotonic()
            if left <= 0:
                raise self._unavailable(why)
            if self._prober is None or self._prober.done():
                self._prober = me
            if self._prober is me:
                self._probes += 1
                await asyncio.sleep(min(0.25 * 2.0**self._probes, _PROBES, left))
                return
            await asyncio.sleep(min(0.25, left))

    def _unavailable(self, why: str) -> Unavailable:
        """What ends the waiting; whoever asks later waits anew."""
        self._gone, self._prober, self._probes, self._refusing = None, None, 0, None
        self._gave_up = monotonic()
        return unavailable(f"{self._name}: {why}", self._patience)
