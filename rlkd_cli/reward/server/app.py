"""The server: routes, who may ask, how much is taken in, and an end that loses no request."""

import asyncio
import hmac
import json
from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from rlkd_cli.errors import RecordError
from rlkd_cli.models.masks import hide_keys
from rlkd_cli.records.schema import Raw
from rlkd_cli.reward.engine import Asked, Engine
from rlkd_cli.reward.once import Once
from rlkd_cli.reward.server.metrics import TYPE, Metrics
from rlkd_cli.reward.server.protocols import PROTOCOLS, Protocol, bad

LARGEST = 256 * 2**20  # bytes of a body
RETRY_AFTER = 1  # seconds
HEALTH = 10.0  # seconds that GSRM and judge have to answer, and that their answer is good for
OPEN = ("/health",)  # asked without a token
UNKNOWN = ("no_teacher", "other_problem")  # what no repetition mends: 404


@dataclass(frozen=True)
class Place:
    """Where a server listens, who may ask (None: anybody), and how many samples it takes in."""

    host: str
    port: int
    token: str | None = None
    max_queue: int = 4096


class RewardServer:
    """Answers requests for an engine's rewards, on the event loop that starts it."""

    def __init__(self, engine: Engine, place: Place) -> None:
        self.engine, self._place, self._metrics = engine, place, Metrics()
        self._waiting = 0  # samples taken in and not answered
        self._is_ending = False
        self._health: tuple[float, dict[str, str]] | None = None
        self._asking: Once[dict[str, str]] = Once()
        self._runner: Any = None

    async def start(self) -> str:
        """Begins to listen; the address. OSError where that cannot be."""
        from aiohttp import web

        @web.middleware
        async def around(request: Any, handler: Any) -> Any:
            return await self._around(request, handler)

        app = web.Application(client_max_size=LARGEST, middlewares=[around])
        for path, protocol in PROTOCOLS.items():
            app.router.add_post(path, self._handler(protocol))
        app.router.add_post("/seed_session", self._seed)  # what NeMo Gym asks before `/verify`
        app.router.add_get("/health", self._is_healthy)
        app.router.add_get("/metrics", self._count)
        limit = self.engine.options.deadline + HEALTH
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=limit)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._place.host, self._place.port, backlog=4096)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def stop(self) -> None:
        """Takes no more connections, answers what is under way, and closes the engine."""
        self._is_ending = True
        await self._runner.cleanup()
        await self.engine.close()

    async def _around(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """What holds for every request: the token, one line for what is wrong, the metrics."""
        from aiohttp import web

        began = monotonic()
        try:
            if request.path not in OPEN and not self._may_ask(request):
                answer = _failure(401, RecordError("unauthorized", "a token is needed"))
            else:
                answer = await handler(request)
        except web.HTTPException as error:
            answer = _failure(error.status, RecordError("bad_request", error.reason))
        except RecordError as error:
            answer = _failure(400, error)
        except Exception as error:  # a fault of ours ends one request, not the server
            line = hide_keys(" ".join(f"{type(error).__name__}: {error}".split()))
            self.engine.tell(f"{request.path}: {line}")
            answer = _failure(500, RecordError("internal", line))
        resource = request.match_info.route.resource
        path = resource.canonical if resource else "other"
        self._metrics.add(path, answer.status, monotonic() - began)
        return answer

    def _may_ask(self, request: Any) -> bool:
        """Whether the token is there: as a bearer, or as the password of the address."""
        if self._place.token is None:
            return True
        kind, _, value = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                value = b64decode(value).decode().partition(":")[2]
            except ValueError:
                return False
        given = value.strip().encode("utf-8", "surrogateescape")
        return hmac.compare_digest(given, self._place.token.encode())

    def _handler(self, protocol: Protocol) -> Callable[[Any], Awaitable[Any]]:
        async def handle(request: Any) -> Any:
            body = await _body(request, self.engine.options.deadline)
            records = await self._scores(protocol.read(body), protocol.deadline)
            if records is None:
                return _full()
            missing = [record for record in records if record["total"] is None]
            if protocol.is_whole and missing:
                return _missing(missing[0])
            return _json(protocol.answer(body, records))

        return handle

    async def _scores(self, asked: list[Asked], deadline: float | None) -> list[Raw] | None:
        """The records; None where the queue is full."""
        if len(asked) > self._place.max_queue:
            raise bad(f"{len(asked)} samples in one request, more than {self._place.max_queue}")
        if self._waiting + len(asked) > self._place.max_queue:
            return None
        self._waiting += len(asked)
        try:
            return list(await asyncio.gather(*(self.engine.score(a, deadline) for a in asked)))
        finally:
            self._waiting -= len(asked)

    async def _seed(self, request: Any) -> Any:
        return _json({})

    async def _is_healthy(self, request: Any) -> Any:
        """200 where GSRM and judge answer; asked of them once in a while, however many ask."""
        if self._health is None or monotonic() - self._health[0] > HEALTH:
            found = await self._asking.result("health", lambda: self.engine.health(HEALTH))
            self._health = monotonic(), found
        found = self._health[1]
        is_well = not self._is_ending and set(found.values()) == {"ok"}
        status = "ok" if is_well else "ending" if self._is_ending else "unavailable"
        return _json({"status": status, **found}, 200 if is_well else 503)

    async def _count(self, request: Any) -> Any:
        from aiohttp import web

        text = self._metrics.text(self.engine, self._waiting)
        return web.Response(body=text.encode(), headers={"Content-Type": TYPE})


async def _body(request: Any, seconds: float) -> Raw:
    """The JSON object of a request. RecordError for anything else, and after so many seconds."""
    from aiohttp import ClientPayloadError, web
    from aiohttp.http_exceptions import HttpProcessingError

    try:
        async with asyncio.timeout(seconds):
            body = json.loads(await request.read())
    except TimeoutError:
        raise bad(f"the body did not come within {seconds:g} s") from None
    except (ClientPayloadError, web.RequestPayloadError, HttpProcessingError, OSError) as error:
        raise bad(f"the body cannot be read: {type(error).__name__}") from None
    except (ValueError, RecursionError) as error:
        raise bad(f"not JSON: {error}") from None
    if not isinstance(body, dict):
        raise bad("a JSON object is needed")
    return body


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Any:
    from aiohttp import web

    return web.json_response(value, status=status, headers=headers)


def _failure(status: int, error: RecordError, headers: dict[str, str] | None = None) -> Any:
    return _json({"error": error.code, "detail": error.detail}, status, headers)


def _full() -> Any:
    reason = RecordError("queue_full", "too many samples are waiting")
    return _failure(503, reason, {"Retry-After": str(RETRY_AFTER)})


def _missing(record: Raw) -> Any:
    """A missing reward where a protocol has no word for it: never a number."""
    status = 404 if record["error"] in UNKNOWN else 503
    headers = {"Retry-After": str(RETRY_AFTER)} if status == 503 else None
    return _failure(status, RecordError(record["error"], record["detail"]), headers)
