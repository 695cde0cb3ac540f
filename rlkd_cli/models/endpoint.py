"""Any OpenAI-compatible server over HTTP, through the openai client: retries, back-off and Retry-After are its own."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rlkd_cli.errors import ModelError, RecordError, UsageError
from rlkd_cli.models.base import Message, Reply, Sampling


@dataclass(frozen=True)
class HttpOptions:
    """How a server may be asked. `rpm` and `tpm` are requests and tokens a minute, None for no limit."""

    concurrency: int = 64
    max_retries: int = 5
    timeout: float = 600.0
    rpm: int | None = None
    tpm: int | None = None


class EndpointModel:
    """A model behind `base_url`, asked by chat completions. The key never appears in a message."""

    def __init__(self, base_url: str | None, model: str, key: str, options: HttpOptions, label: str) -> None:
        import httpx2
        import openai

        self.name, self._model, self._options = label, model, options
        limits = httpx2.Limits(max_connections=options.concurrency, max_keepalive_connections=options.concurrency)
        self._client = openai.AsyncOpenAI(
            api_key=key,
            base_url=base_url,
            max_retries=options.max_retries,
            timeout=options.timeout,
            http_client=openai.DefaultAsyncHttpxClient(limits=limits),
        )
        self._limiters = _limiters(options)

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        import openai

        await self._wait_for_turn(messages, sampling)
        try:
            response = await self._client.chat.completions.create(**self._request(messages, sampling))
            return _read(response, sampling)
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise ModelError(f"{self.name}: {_reason(error)}") from error
        except openai.APITimeoutError as error:
            raise RecordError("timeout", f"{self.name}: no reply within {self._options.timeout:g} s") from error
        except openai.APIConnectionError as error:
            raise RecordError("no_connection", f"{self.name}: {_reason(error.__cause__ or error)}") from error
        except openai.APIStatusError as error:
            code = "too_long" if "context length" in str(error).lower() else f"http_{error.status_code}"
            raise RecordError(code, f"{self.name}: {_reason(error)}") from error
        except (openai.APIError, ValueError, TypeError, AttributeError) as error:
            raise RecordError("bad_response", f"{self.name}: {_reason(error)}") from error

    async def close(self) -> None:
        await self._client.close()

    def _request(self, messages: Sequence[Message], sampling: Sampling) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._model,
            "messages": [dict(message) for message in messages],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
        }
        if sampling.seed is not None:
            request["seed"] = sampling.seed
        if sampling.choices and self.name.startswith("http"):  # a vLLM field; hosted providers refuse it
            request["extra_body"] = {"structured_outputs": {"choice": list(sampling.choices)}}
        return request

    async def _wait_for_turn(self, messages: Sequence[Message], sampling: Sampling) -> None:
        requests, tokens = self._limiters
        if requests:
            await requests.acquire()
        if tokens:  # four characters a token is the usual estimate; the reply is counted at its limit
            estimate = sum(len(message["content"]) for message in messages) // 4 + sampling.max_tokens
            await tokens.acquire(min(estimate, tokens.max_rate))


def _limiters(options: HttpOptions) -> tuple[Any, Any]:
    from aiolimiter import AsyncLimiter

    return tuple(AsyncLimiter(limit, 60) if limit else None for limit in (options.rpm, options.tpm))  # type: ignore[return-value]


def _read(response: Any, sampling: Sampling) -> Reply:
    """The reply in a response; RecordError where it holds none, or one that is not among the choices."""
    choices = getattr(response, "choices", None)
    if not choices or getattr(choices[0], "message", None) is None:
        raise RecordError("bad_response", "the response holds no message")
    text = choices[0].message.content
    if not isinstance(text, str) or not text.strip():
        raise RecordError("empty_reply", "the message is empty")
    if sampling.choices:
        word = text.strip().strip(".!\"'*").lower()
        text = next((choice for choice in sampling.choices if choice.lower() == word), "")
        if not text:
            raise RecordError("unreadable_verdict", f"{word[:40]!r} is none of {', '.join(sampling.choices)}")
    usage = getattr(response, "usage", None)
    return Reply(
        text,
        "length" if choices[0].finish_reason == "length" else "stop",
        getattr(usage, "prompt_tokens", 0) or 0,
        getattr(usage, "completion_tokens", 0) or 0,
    )


def _reason(error: BaseException) -> str:
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


def only_model(base_url: str, key: str) -> str:
    """The name of the one model that a server lists; UsageError where it lists none or several."""
    import openai

    try:
        with openai.OpenAI(api_key=key, base_url=base_url, max_retries=2, timeout=30) as client:
            names = [model.id for model in client.models.list()]
    except (openai.OpenAIError, ValueError) as error:
        raise ModelError(f"{base_url}: cannot list its models: {_reason(error.__cause__ or error)}") from error
    if len(names) != 1:
        raise UsageError(f"{base_url} lists {len(names)} models; name one: {base_url}#NAME ({', '.join(names[:5])})")
    return names[0]
