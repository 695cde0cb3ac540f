"""Any OpenAI-compatible server over HTTP, through the openai client: retries, back-off and Retry-After are its own."""

import asyncio
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rlkd_cli.errors import ModelError, RecordError, UsageError
from rlkd_cli.metering import spend
from rlkd_cli.models.base import Message, Reply, Sampling, choice_probabilities

TOP_LOGPROBS = 20  # the most that OpenAI and DeepSeek give
# Context lengths in tokens that the providers' documentation gave in 2026-01; a vLLM server says its own
CONTEXTS = {"openai/gpt-4o": 128_000, "openai/gpt-4o-mini": 128_000, "deepseek/deepseek-chat": 128_000}


@dataclass(frozen=True)
class HttpOptions:
    """How a server may be asked. `rpm` and `tpm` are requests and tokens a minute, None for no limit."""

    concurrency: int = 64
    max_retries: int = 5
    timeout: float = 600.0
    rpm: int | None = None
    tpm: int | None = None


class EndpointModel:
    """A model behind `base_url`, asked by chat completions. The key never appears in a message.

    `context` is the longest prompt and reply together, in tokens, where it is known: what is certain not to fit is
    refused before it is sent, and where the reply's limit might not fit, the server is left to set it.
    """

    def __init__(
        self, base_url: str | None, model: str, key: str, options: HttpOptions, label: str, context: int | None = None
    ) -> None:
        import openai

        from rlkd_cli.models.connections import transport

        self.name, self.model, self.options, self.context = label, model, options, context
        hooks = {"request": [self._note_request]}
        self.client = openai.AsyncOpenAI(
            api_key=key,
            base_url=base_url,
            max_retries=options.max_retries,
            timeout=options.timeout,
            http_client=openai.DefaultAsyncHttpxClient(transport=transport(options.concurrency), event_hooks=hooks),
        )
        self._places = asyncio.Semaphore(options.concurrency)  # waiting here is not part of a request's timeout
        self._limiters = _limiters(options)

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        request = self.request(messages, sampling)
        async with self._places:
            await self._wait_for_turn(messages, sampling)
            spend(self.name, retries=-1)  # the first of what `_note_request` counts is none
            for attempt in range(self.options.max_retries + 1):
                try:
                    return await self._ask(request, sampling)
                except RecordError as error:
                    # the client has retried what HTTP calls a failure; these came as a success
                    if error.code not in ("bad_response", "empty_reply") or attempt == self.options.max_retries:
                        raise
                await asyncio.sleep(min(0.5 * 2**attempt, 8) * random.uniform(0.75, 1))
        raise AssertionError("the last attempt returns or raises")

    async def _ask(self, request: dict[str, Any], sampling: Sampling) -> Reply:
        with errors_named(self.name, self.options.timeout):
            return read(await self.client.chat.completions.create(**request), sampling, self.name)

    async def close(self) -> None:
        await self.client.close()

    async def _note_request(self, request: object) -> None:
        spend(self.name, requests=1, retries=1)

    def request(self, messages: Sequence[Message], sampling: Sampling) -> dict[str, Any]:
        """The body of a chat completion; RecordError where the prompt cannot fit into the model's context."""
        tokens = estimated_tokens(messages)
        if self.context and tokens > self.context:
            raise RecordError("too_long", f"about {tokens} tokens exceed {self.name}'s context of {self.context}")
        request: dict[str, Any] = {
            "model": self.model,
            "messages": [dict(message) for message in messages],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        }
        if not self.context or 1.5 * tokens + sampling.max_tokens < self.context:
            request["max_tokens"] = sampling.max_tokens
        if sampling.seed is not None:
            request["seed"] = sampling.seed
        if sampling.choices and self.name.startswith("http"):  # a vLLM field; hosted providers refuse it
            request["extra_body"] = {"structured_outputs": {"choice": list(sampling.choices)}}
        if sampling.probabilities:
            request |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        return request

    async def _wait_for_turn(self, messages: Sequence[Message], sampling: Sampling) -> None:
        requests, tokens = self._limiters
        if requests:
            await requests.acquire()
        if tokens:  # the reply is counted at its limit
            await tokens.acquire(min(estimated_tokens(messages) + sampling.max_tokens, tokens.max_rate))


def estimated_tokens(messages: Sequence[Message]) -> int:
    """Four characters a token, the usual estimate."""
    return sum(len(message["content"]) for message in messages) // 4


@contextmanager
def errors_named(name: str, timeout: float) -> Iterator[None]:
    """The openai client's errors as ours: ModelError where every further request would fail, RecordError else."""
    import openai

    try:
        yield
    except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
        raise ModelError(f"{name}: {reason(error)}") from error
    except openai.APITimeoutError as error:
        raise RecordError("timeout", f"{name}: no reply within {timeout:g} s") from error
    except openai.APIConnectionError as error:
        raise RecordError("no_connection", f"{name}: {reason(error.__cause__ or error)}") from error
    except openai.APIStatusError as error:
        code = "too_long" if "context length" in str(error).lower() else f"http_{error.status_code}"
        raise RecordError(code, f"{name}: {reason(error)}") from error
    except (openai.APIError, ValueError, TypeError, AttributeError) as error:
        raise RecordError("bad_response", f"{name}: {reason(error)}") from error


def _limiters(options: HttpOptions) -> tuple[Any, Any]:
    from aiolimiter import AsyncLimiter

    return tuple(AsyncLimiter(limit, 60) if limit else None for limit in (options.rpm, options.tpm))  # type: ignore[return-value]


def read(response: Any, sampling: Sampling, model: str) -> Reply:
    """The reply in a response; RecordError where it holds none, or one that is not among the choices."""
    usage = getattr(response, "usage", None)
    tokens_in, tokens_out = (getattr(usage, f"{kind}_tokens", 0) or 0 for kind in ("prompt", "completion"))
    spend(model, tokens_in=tokens_in, tokens_out=tokens_out)
    choices = getattr(response, "choices", None)
    message = getattr(choices[0], "message", None) if choices else None
    if not choices or message is None:
        raise RecordError("bad_response", "the response holds no message")
    text = message.content
    finish = "length" if choices[0].finish_reason == "length" else "stop"
    thinking = next((t for f in ("reasoning_content", "reasoning") if isinstance(t := getattr(message, f, None), str)), "")
    if not isinstance(text, str) or not text.strip():
        if not (thinking and finish == "length"):  # cut off before the thinking ended
            raise RecordError("empty_reply", "the message is empty")
        text = ""
    probabilities: tuple[float, ...] = ()
    if sampling.probabilities:
        first = getattr(choices[0].logprobs, "content", None) or []
        seen = {entry.token: entry.logprob for entry in first[0].top_logprobs} if first else {}
        probabilities = choice_probabilities(sampling.choices, seen, model)
    if sampling.choices:
        word = text.strip().strip(".!\"'*").lower()
        text = next((choice for choice in sampling.choices if choice.lower() == word), "")
        if not text and not probabilities:
            raise RecordError("unreadable_verdict", f"{word[:40]!r} is none of {', '.join(sampling.choices)}")
    return Reply(text, finish, tokens_in, tokens_out, thinking, probabilities)


def reason(error: BaseException) -> str:
    """One line of an error, without the key that a server may have quoted."""
    text = " ".join(str(error).split())[:300] or type(error).__name__
    for name in ("OPENAI_API_KEY", "DEEPSEEK_API_KEY", "RLKD_API_KEY"):
        key = os.environ.get(name)
        text = text.replace(key, "***") if key else text
    return text


def provider_key(variable: str, spec: str) -> str:
    """The key in an environment variable; UsageError that names it and the ways to do without."""
    key = os.environ.get(variable, "").strip()
    if not key:
        raise UsageError(
            f"{spec} needs a key in {variable}, which is not set; other ways: --model http://HOST:PORT/v1#NAME, "
            "vllm/NAME_OR_DIR, hf/NAME_OR_DIR, replay/FILE"
        )
    return key


def served_model(base_url: str, name: str, key: str) -> tuple[str, int | None]:
    """(name, context) of a server's model, the context None where the server does not say (vLLM says).

    Without a name it is the one model that the server lists; UsageError where there is none or several, ModelError
    where the server cannot be asked. With a name a server that does not list its models is taken as it is.
    """
    import openai

    try:
        with openai.OpenAI(api_key=key, base_url=base_url, max_retries=0 if name else 2, timeout=5 if name else 30) as client:
            models = list(client.models.list())
    except (openai.OpenAIError, ValueError, TypeError, AttributeError) as error:
        if name:
            return name, None
        raise ModelError(f"{base_url}: cannot list its models: {reason(error.__cause__ or error)}") from error
    names = [model.id for model in models]
    if not name and len(names) != 1:
        raise UsageError(f"{base_url} lists {len(names)} models; name one: {base_url}#NAME ({', '.join(names[:5])})")
    chosen = next((model for model in models if model.id == (name or names[0])), None)
    context = getattr(chosen, "max_model_len", None)
    return name or names[0], context if isinstance(context, int) else None
