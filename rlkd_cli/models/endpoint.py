"""Any OpenAI-compatible server over HTTP, with retries and back-off.

Through aiohttp and not the openai client, whose 3 ms of CPU a request are more than thousands of short verdicts can
afford (aiohttp takes 0.3 ms).
"""

import asyncio
import json
import random
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from rlkd_cli.errors import ModelError, RecordError, UsageError
from rlkd_cli.models.base import Message, Reply, Sampling, choice_probabilities
from rlkd_cli.models.providers import keys
from rlkd_cli.models.usage import spend
from rlkd_cli.option import SERVER, option

TOP_LOGPROBS = 20  # the most that OpenAI and DeepSeek give
LONGEST_PAUSE = 60.0  # seconds between two tries, whatever a server asks for


@dataclass(frozen=True, kw_only=True)
class HttpOptions:
    """How a server may be asked. None is no limit."""

    concurrency: Annotated[
        int,
        option(
            "--concurrency",
            min=1,
            help="Records in flight, or an in-process batch's size.",
            panel=SERVER,
            free=True,
        ),
    ] = 64
    max_retries: Annotated[
        int,
        option(
            "--max-retries",
            min=0,
            help="Retries of a failed request, with back-off.",
            panel=SERVER,
            free=True,
        ),
    ] = 5
    timeout: Annotated[
        float,
        option(
            "--timeout", min=0.1, help="Seconds to wait for one reply.", panel=SERVER, free=True
        ),
    ] = 600.0
    rpm: Annotated[
        int | None,
        option(
            "--rpm", min=1, help="At most this many requests a minute.", panel=SERVER, free=True
        ),
    ] = None
    tpm: Annotated[
        int | None,
        option(
            "--tpm",
            min=1,
            help="At most this many tokens a minute (estimated).",
            panel=SERVER,
            free=True,
        ),
    ] = None


class Retry(Exception):
    """A try that failed in a way that the next may not; `after` is what the server asked to wait, in seconds."""

    def __init__(self, code: str, detail: str, after: float | None = None) -> None:
        self.code, self.detail, self.after = code, detail, after
        super().__init__(detail)


class EndpointModel:
    """A model behind `base_url`, asked by chat completions. The key never appears in a message.

    `context` is the longest prompt and reply together, in tokens, where it is known: what is certain not to fit is
    refused before it is sent, and where the reply's limit might not fit, the server is left to set it. `extra` goes
    into every request.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        key: str,
        options: HttpOptions,
        label: str,
        context: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.name, self.model, self.options, self.context = label, model, options, context
        self._extra, self._limit = extra or {}, "max_tokens"
        self.base_url, self._key = base_url.rstrip("/"), key
        self._limiters = _limiters(options)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session: Any = None
        self._places = asyncio.Semaphore(
            options.concurrency
        )  # waiting here is not part of a request's timeout

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        session = self.session()
        async with self._places:
            for attempt in range(self.options.max_retries + 1):
                request = self.request(messages, sampling)
                await self._wait_for_turn(messages, sampling)
                spend(self.name, requests=1, retries=int(attempt > 0))
                try:
                    return read(await self._post(session, request), sampling, self.name)
                except Retry as failure:
                    if attempt == self.options.max_retries:
                        raise RecordError(
                            failure.code, f"{self.name}: {failure.detail}"
                        ) from failure
                    pause = min(0.5 * 2**attempt, 8) * random.uniform(0.75, 1)
                    await asyncio.sleep(
                        min(pause if failure.after is None else failure.after, LONGEST_PAUSE)
                    )
        raise AssertionError("the last try returns or raises")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def session(self) -> Any:
        """The connections of the running event loop; a model that is used from another loop gets new ones."""
        import aiohttp

        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            self._loop, self._places = loop, asyncio.Semaphore(self.options.concurrency)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),  # `_places` is the limit
                timeout=aiohttp.ClientTimeout(total=self.options.timeout),
                headers={"Authorization": f"Bearer {self._key}"},
                trust_env=bool(
                    urllib.request.getproxies()
                ),  # looking for proxies at each request is dear
            )
        return self._session

    async def _post(self, session: Any, request: dict[str, Any]) -> Any:
        """The response's JSON. Retry, RecordError or ModelError where there is none, by what may still help."""
        import aiohttp

        try:
            async with session.post(f"{self.base_url}/chat/completions", json=request) as response:
                status, headers, body = response.status, response.headers, await response.read()
        except TimeoutError:
            raise Retry("timeout", f"no reply within {self.options.timeout:g} s") from None
        except aiohttp.InvalidURL:
            raise ModelError(f"{self.name}: not an address") from None
        except aiohttp.ClientError as error:
            raise Retry("no_connection", hide_keys(str(error) or type(error).__name__)) from None
        if status == 200:
            try:
                return json.loads(body)
            except ValueError:
                raise Retry("bad_response", f"not JSON: {body[:60]!r}") from None
        said, code = error_text(body), error_code(body)
        if (
            code == "unsupported_parameter"
            and self._limit == "max_tokens"
            and "max_completion_tokens" in said
        ):
            self._limit = "max_completion_tokens"  # what OpenAI's newer models call it
            raise Retry(code, said, 0.0)
        if code.startswith("unsupported_"):  # every further request would be refused alike
            raise ModelError(f"{self.name}: HTTP {status}: {said}")
        if status in (401, 403, 404) or "insufficient_quota" in said:
            raise ModelError(f"{self.name}: HTTP {status}: {said}")
        if status in (408, 409, 429) or status >= 500:
            raise Retry(f"http_{status}", said, retry_after(headers))
        raise RecordError(
            "too_long" if "context length" in said.lower() else f"http_{status}",
            f"{self.name}: {said}",
        )

    def request(self, messages: Sequence[Message], sampling: Sampling) -> dict[str, Any]:
        """The body of a chat completion; RecordError where the prompt cannot fit into the model's context."""
        tokens = estimated_tokens(messages)
        if self.context and tokens > self.context:
            raise RecordError(
                "too_long", f"about {tokens} tokens exceed {self.name}'s context of {self.context}"
            )
        request: dict[str, Any] = {
            "model": self.model,
            "messages": [dict(message) for message in messages],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            **self._extra,
        }
        if not self.context or 1.5 * tokens + sampling.max_tokens < self.context:
            request[self._limit] = sampling.max_tokens
        if sampling.seed is not None:
            request["seed"] = sampling.seed
        if sampling.choices and self.name.startswith(
            "http"
        ):  # a vLLM field; hosted providers refuse it
            request["structured_outputs"] = {"choice": list(sampling.choices)}
        if sampling.probabilities:
            request |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        return request

    async def _wait_for_turn(self, messages: Sequence[Message], sampling: Sampling) -> None:
        requests, tokens = self._limiters
        if requests:
            await requests.acquire()
        if tokens:  # the reply is counted at its limit
            await tokens.acquire(
                min(estimated_tokens(messages) + sampling.max_tokens, tokens.max_rate)
            )


def estimated_tokens(messages: Sequence[Message]) -> int:
    """Four characters a token, the usual estimate."""
    return sum(len(message["content"]) for message in messages) // 4


def _limiters(options: HttpOptions) -> tuple[Any, Any]:
    from aiolimiter import AsyncLimiter

    return tuple(AsyncLimiter(limit, 60) if limit else None for limit in (options.rpm, options.tpm))  # type: ignore[return-value]


def read(response: Any, sampling: Sampling, model: str) -> Reply:
    """The reply in a response's JSON. Retry where it holds none, RecordError for one that is not among the choices."""
    try:
        usage = response.get("usage") or {}
        tokens_in, tokens_out = (
            int(usage.get(f"{kind}_tokens") or 0) for kind in ("prompt", "completion")
        )
        spend(model, tokens_in=tokens_in, tokens_out=tokens_out)
        choice = response["choices"][0]
        message = choice["message"]
        text = message["content"]
        finish = "length" if choice.get("finish_reason") == "length" else "stop"
        thinking = next(
            (
                t
                for name in ("reasoning_content", "reasoning")
                if isinstance(t := message.get(name), str)
            ),
            "",
        )
        first = ((choice.get("logprobs") or {}).get("content") or [{}])[0].get("top_logprobs") or []
        seen = {entry["token"]: float(entry["logprob"]) for entry in first}
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise Retry("bad_response", "the response holds no message") from None
    if not isinstance(text, str) or not text.strip():
        if not (thinking and finish == "length"):  # cut off before the thinking ended
            raise Retry("empty_reply", "the message is empty")
        text = ""
    probabilities = (
        choice_probabilities(sampling.choices, seen, model) if sampling.probabilities else ()
    )
    if sampling.choices:
        word = text.strip().strip(".!\"'*").lower()
        text = next((choice for choice in sampling.choices if choice.lower() == word), "")
        if not text and not probabilities:
            raise RecordError(
                "unreadable_verdict", f"{word[:40]!r} is none of {', '.join(sampling.choices)}"
            )
    return Reply(text, finish, tokens_in, tokens_out, thinking, probabilities)


def error_text(body: bytes) -> str:
    """What a server says went wrong, on one line, without the key that it may have quoted."""
    try:
        error = json.loads(body)["error"]
        text = error["message"] if isinstance(error, dict) else str(error)
    except (ValueError, KeyError, TypeError):
        text = body[:300].decode("utf-8", "replace")
    return hide_keys(" ".join(text.split())[:300] or "no reason given")


def error_code(body: bytes) -> str:
    """The short code that OpenAI gives with an error; empty where there is none."""
    try:
        return str(json.loads(body)["error"]["code"] or "")
    except (ValueError, KeyError, TypeError):
        return ""


def hide_keys(text: str) -> str:
    """The text without any key of the environment in it."""
    for key in keys():
        text = text.replace(key, "***")
    return text


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait; None where it does not say (a date is not read)."""
    try:
        return max(0.0, float(headers["Retry-After"]))
    except (KeyError, ValueError):
        return None


def served_model(base_url: str, name: str, key: str) -> tuple[str, int | None]:
    """(name, context) of a server's model, the context None where the server does not say (vLLM says).

    Without a name it is the one model that the server lists; UsageError where there is none or several, ModelError
    where the server cannot be asked. With a name a server that does not list its models is taken as it is.
    """
    request = urllib.request.Request(
        f"{base_url.rstrip('/')}/models", headers={"Authorization": f"Bearer {key}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=5 if name else 30) as response:
            models = {model["id"]: model for model in json.load(response)["data"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        if name:
            return name, None
        why = getattr(error, "reason", None) or error
        raise ModelError(
            f"{base_url}: cannot list its models: {hide_keys(' '.join(str(why).split()))}"
        ) from None
    if not name and len(models) != 1:
        raise UsageError(
            f"{base_url} lists {len(models)} models; name one: {base_url}#NAME ({', '.join(list(models)[:5])})"
        )
    chosen = name or next(iter(models))
    context = models.get(chosen, {}).get("max_model_len")
    return chosen, context if isinstance(context, int) else None
