"""Any OpenAI-compatible server over HTTP: one request, what to do about its answer, and again.

Through aiohttp and not the openai client, whose 3 ms of CPU a request are more than thousands of
short verdicts can afford (aiohttp takes 0.3 ms). What an answer means is decided in `faults`, how
long to wait in `backoff`, what the model refuses is kept in `lessons`, and a reply is read in
`replies`.
"""

import asyncio
import base64
import json
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from math import inf
from time import monotonic
from typing import Any

from rlkd_cli.errors import ModelError, RecordError
from rlkd_cli.models.base import Message, Reply, Sampling, Telling, too_long
from rlkd_cli.models.masks import hide_keys, remember
from rlkd_cli.models.options import HttpOptions
from rlkd_cli.models.providers import AZURE, AZURE_KEY, TOP_LOGPROBS
from rlkd_cli.models.server import faults
from rlkd_cli.models.server.backoff import Pace, pause
from rlkd_cli.models.server.faults import Fault, fault_of
from rlkd_cli.models.server.lessons import LIMITS, Lessons, blamed, room
from rlkd_cli.models.server.replies import THINKS, read
from rlkd_cli.models.spec import Address, parse_address
from rlkd_cli.models.usage import spend

TO_THINK = 4096  # tokens for a choice from a model that thinks before it chooses
_MOST_LESSONS = 12  # of one request: more than there are fields to refuse


class EndpointModel(Telling):
    """A model behind an address, asked by chat completions. The key never appears in a message.

    `context` is the longest prompt and reply together, in tokens, where it is known: what is
    certain not to fit is refused before it is sent, and where the reply's limit might not fit, the
    server is left to set it. `extra` goes into every request. `is_own`: a server named by its
    address, which may know vLLM's fields; hosted providers refuse them. `has_others`: the same
    model is served elsewhere too, so that what passes (RETRY, AWAY, SLOW) is not waited out here,
    but raised as a Fault.
    """

    def __init__(
        self,
        address: str | Address,
        model: str,
        key: str,
        options: HttpOptions,
        label: str,
        context: int | None = None,
        extra: Mapping[str, Any] | None = None,
        is_own: bool = False,
        has_others: bool = False,
    ) -> None:
        super().__init__()
        self.name, self.model, self.options, self.context = label, model, options, context
        self.in_flight = options.concurrency
        self._extra, self._own, self._has_others = extra or {}, is_own, has_others
        self.address = parse_address(address) if isinstance(address, str) else address
        self._headers = credentials(self.address, key)
        self._lessons, self._thinks = Lessons(), False
        patience = inf if has_others else options.server_timeout
        self.pace = Pace(label, patience, self._say_again, options.rpm, options.tpm)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session: Any = None
        self._answered = self._has_replied = False
        self._hung_up = 0.0  # when the server last did so on a request, and was there
        # Waiting for a place is not part of a request's timeout
        self._places = asyncio.Semaphore(options.concurrency)

    async def reply(
        self, messages: Sequence[Message], sampling: Sampling, is_retry: bool = False
    ) -> Reply:
        self.session()
        async with self._places:
            tries = lessons = 0
            began = monotonic()
            limit: int | None = None  # of this request, where its prompt leaves less than was asked
            while True:
                wanted = sampling if limit is None else replace(sampling, max_tokens=limit)
                request = self.request(messages, wanted)
                sent = await self.pace.turn(estimated_tokens(messages) + sampling.max_tokens)
                try:
                    response = await self._post(request, is_retry or tries > 0)
                    reply = read(response, wanted, self.name)
                    self.pace.accepted()
                    self._has_replied = True
                    return reply
                except Fault as fault:
                    wait = 0.0
                    if fault.kind == faults.SLOW:
                        wait = self.pace.limited(sent, fault.after, hide_keys(fault.text))
                    if self._has_others and fault.kind in faults.PASSING:
                        raise
                    if fault.kind == faults.AWAY:
                        await self.pace.away(hide_keys(fault.text), began)
                        continue
                    if fault.kind == faults.SLOW:
                        await asyncio.sleep(wait)
                        continue
                    if fault.kind == faults.REJECT:
                        self.pace.accepted()
                    if lessons < _MOST_LESSONS and self.learn(fault, request):
                        lessons += 1
                        limit = self._room(fault, request) or limit
                        continue
                    tries += 1
                    is_last = tries > self.options.max_retries
                    if is_last and fault.kind == faults.RETRY and await self._is_gone(fault, began):
                        await self.pace.away(hide_keys(fault.text), began)
                        continue
                    if is_last or fault.kind != faults.RETRY:
                        raise self.final(fault, request) from None
                    await asyncio.sleep(pause(tries - 1, fault.after))

    async def _is_gone(self, fault: Fault, began: float) -> bool:
        """Whether a server that fails a request is gone, and not failing this one alone.

        It is there if it has taken another in the meantime, or if it lists its models, as a proxy
        without its server does not; where it hangs up, this counts once, until it answers again.
        """
        if fault.status >= 500:
            return not self.pace.took(began) and not await self.lists_models()
        if not fault.silent or not self.pace.lost(began):
            return False
        if self.pace.lost(self._hung_up) or not await self.lists_models():
            return True
        self._hung_up = monotonic()
        return False

    async def lists_models(self) -> bool:
        """Whether the server answers what its models are, be it that it does not say."""
        import aiohttp

        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with self.session().get(self.address.at("/models")) as response:
                return bool(response.status < 500)
        return False

    def _say_again(self, line: str) -> None:
        self.say(line, again=True)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def session(self) -> Any:
        """The connections of the running event loop; from another loop a model gets new ones."""
        import aiohttp

        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            self._loop, self._places = loop, asyncio.Semaphore(self.options.concurrency)
            self.pace.moved()
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),  # `_places` is the limit
                timeout=aiohttp.ClientTimeout(total=self.options.timeout),
                headers=self._headers,
                # Looking for proxies at each request is expensive
                trust_env=bool(urllib.request.getproxies()),
            )
        return self._session

    def request(self, messages: Sequence[Message], sampling: Sampling) -> dict[str, Any]:
        """The body of a chat completion; RecordError where the prompt cannot fit the context."""
        tokens = estimated_tokens(messages)
        if self.context and tokens > self.context:
            raise too_long(self.name, tokens, self.context, "about ")
        request: dict[str, Any] = {
            "model": self.model,
            "messages": [dict(message) for message in messages],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            **self._extra,
        }
        thinks = self._thinks and sampling.choices
        limit = max(sampling.max_tokens, TO_THINK) if thinks else sampling.max_tokens
        if not self.context or 1.5 * tokens + limit < self.context:
            request["max_tokens"] = limit
        if sampling.seed is not None:
            request["seed"] = sampling.seed
        if sampling.stop:
            request["stop"] = list(sampling.stop)
        if sampling.choices and self._own:
            request["structured_outputs"] = {"choice": list(sampling.choices)}
        if sampling.probabilities:
            request |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        return self._lessons.fit(request)

    async def _post(self, request: dict[str, Any], is_retry: bool) -> Any:
        """The response's JSON, counted on the bill; a Fault where there is none."""
        import aiohttp

        url = self.address.at("/chat/completions")
        asked = True
        try:
            async with self.session().post(url, json=request) as response:
                status, headers, body = response.status, response.headers, await response.read()
        except aiohttp.ClientConnectorError as error:
            asked = False
            raise self.no_connection(error) from None
        except TimeoutError:
            text = f"no reply within {self.options.timeout:g} s"
            raise Fault(faults.RETRY, "timeout", text) from None
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, ValueError) as error:
            raise ModelError(f"{self.name}: not an address: {hide_keys(str(error))}") from None
        except (aiohttp.ClientError, OSError) as error:
            cut = Fault(faults.RETRY, "no_connection", str(error) or type(error).__name__)
            cut.silent = not isinstance(error, aiohttp.ClientPayloadError)
            raise cut from None
        finally:
            if asked:
                spend(self.name, requests=1, retries=int(is_retry))
        self._answered = True
        fault = None if status // 100 == 2 else fault_of(status, body, headers)
        # One that loads its model is not there yet; nor is what stands behind a proxy that says so
        still_away = self.pace.is_away and status >= 500
        if fault is None or (fault.kind != faults.AWAY and not still_away):
            self.pace.answered()
        if fault:
            fault.status = status
            raise fault
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise Fault(faults.RETRY, "bad_response", f"not JSON: {body[:60]!r}") from None

    def no_connection(self, error: Any) -> Exception:
        """An unreachable server is waited for; a wrong name or certificate is not."""
        import aiohttp

        wrong = isinstance(error, aiohttp.ClientConnectorDNSError) and not self._answered
        if wrong or isinstance(error, aiohttp.ClientConnectorCertificateError):
            return ModelError(f"{self.name}: {hide_keys(str(error))}")
        reason = error.os_error.strerror or str(error)
        host = f"{error.host}:{error.port}"
        return Fault(faults.AWAY, "no_connection", f"no connection to {host} ({reason})")

    def learn(self, fault: Fault, request: dict[str, Any]) -> bool:
        """Whether the request is to be made anew, without a part that the model refused."""
        if fault.code == THINKS and max(request.get(name, 0) for name in LIMITS) < TO_THINK:
            self._thinks = True
            self.say(f"reasons before it answers; allowing up to {TO_THINK} tokens per choice")
            return True
        if fault.said is None or fault.code not in ("too_long", "http_400", "http_422"):
            return False
        if (left := room(fault.said, request)) is not None:
            self.context = self.context or left[0]
            return left[1] > 0
        line = self._lessons.learn(fault.said, request)
        if line:
            self.say(line)
        return line is not None

    def _room(self, fault: Fault, request: dict[str, Any]) -> int | None:
        """How long a reply may be that must fit behind this prompt; None where that is not said."""
        left = room(fault.said, request) if fault.said else None
        return left[1] if left else None

    def final(self, fault: Fault, request: dict[str, Any]) -> Exception:
        """What a fault comes to: a ModelError that ends the run, or this record's reject."""
        text = f"{self.name}: {hide_keys(fault.text)}"
        if fault.kind == faults.END:
            return ModelError(text)
        if fault.said and fault.code in ("http_400", "http_422"):
            in_vain = not self._has_replied and self._lessons.still_refuses(fault.said)
            if in_vain or blamed(fault.said, request):
                return ModelError(text)  # a setting of the run's, refused in every request alike
        left = room(fault.said, request) if fault.said else None
        code = "unreadable_verdict" if fault.code == THINKS else fault.code
        code = "too_long" if left and not left[1] else code
        return RecordError(code, text)


def estimated_tokens(messages: Sequence[Message]) -> int:
    """Four characters a token, the usual estimate."""
    return sum(len(message["content"]) for message in messages) // 4


def credentials(address: Address, key: str) -> dict[str, str]:
    """The headers that say who asks: the key, or without one the user and password of the address.

    Both are hidden from now on.
    """
    for secret in (*address.secrets, key):
        remember(secret)
    if address.user and not key:
        return {"Authorization": f"Basic {base64.b64encode(address.user.encode()).decode()}"}
    own = {AZURE_KEY: key} if AZURE in address.base else {}
    return {"Authorization": f"Bearer {key or 'none'}", **own}
