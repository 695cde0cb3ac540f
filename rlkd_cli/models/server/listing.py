"""What a server says of its models (`GET /models`): which there are, how long a prompt may be,
until when."""

import asyncio
import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any

from rlkd_cli.errors import ModelError, UsageError
from rlkd_cli.models.masks import hide_keys
from rlkd_cli.models.server.backoff import unavailable
from rlkd_cli.models.server.endpoint import credentials
from rlkd_cli.models.server.said import Said
from rlkd_cli.models.spec import Address

_LOOKS = 1.0  # seconds between two looks whether a server is there
# Servers that draw by a model's generation_config.json what a request does not say, and by what
# name they list their models; a hosted API may refuse the fields that stop them
_INHERITING = ("vllm", "sglang")
_NEUTRAL = {"repetition_penalty": 1.0, "top_k": -1, "min_p": 0.0}
_ENDS = ("shutdown_date", "expiration_date", "deprecation")  # OpenAI, OpenRouter, Mistral


@dataclass(frozen=True)
class Served:
    """A served model; `context` (tokens) and `shutdown` (YYYY-MM-DD) where the server says so.

    `neutral`: fields of a request that keep the server from settings of the model's own.
    """

    name: str
    context: int | None = None
    shutdown: str | None = None
    neutral: Mapping[str, Any] = field(default_factory=dict)


def served_model(
    address: Address,
    name: str,
    key: str,
    patience: float = 0.0,
    say: Callable[[str], None] = lambda line: None,
) -> Served:
    """What a server says of the model `name`; without a name, of the one model that it lists.

    UsageError where no name is given and it lists none or several, ModelError where it then cannot
    be asked. With a name a server that does not list its models is taken as it is; without one, a
    server that refuses the connection is waited for, `patience` seconds.
    """
    try:
        models = _listed(address, key, 5) if name else _once_there(address, key, patience, say)
    except (OSError, ValueError, KeyError, TypeError) as error:
        if name:
            return Served(name)
        raise ModelError(f"{address.base}: cannot list its models: {_why(error)}") from None
    if not name and len(models) != 1:
        raise UsageError(
            f"{address.base} lists {len(models)} models; name one: {address.base}#NAME "
            f"({', '.join(list(models)[:5])})"
        )
    chosen = name or next(iter(models))
    about = models.get(chosen) or models.get(f"models/{chosen}") or {}
    context = about.get("max_model_len")
    is_known = isinstance(context, int) and context > 0
    neutral = _NEUTRAL if about.get("owned_by") in _INHERITING else {}
    return Served(chosen, context if is_known else None, _shutdown(about), neutral)


def served_by_all(
    addresses: Sequence[Address],
    key: str,
    patience: float,
    say: Callable[[str], None] = lambda line: None,
) -> Served:
    """What the servers that answer say of the model that all of them serve; `context` is the
    shortest. UsageError where they list different ones and none is named.
    """

    def found(address: Address) -> Served | None:
        with suppress(ModelError):
            return served_model(address, address.model, key)
        return None

    with ThreadPoolExecutor(len(addresses)) as pool:
        asked = zip(addresses, pool.map(found, addresses), strict=True)
        there = {address: served for address, served in asked if served}
    if not there:
        return served_model(addresses[0], addresses[0].model, key, patience, say)
    if len({served.name for served in there.values()}) > 1:
        lists = ", ".join(f"{one.base} lists {served.name}" for one, served in there.items())
        raise UsageError(f"{lists}: several addresses are of one model; name it behind a #")
    contexts = [served.context for served in there.values() if served.context]
    first = next(iter(there.values()))
    return replace(first, context=min(contexts, default=None))


def _listed(address: Address, key: str, timeout: float) -> dict[str, Any]:
    """The models that a server lists, by name."""
    request = urllib.request.Request(address.at("/models"), headers=credentials(address, key))
    with urllib.request.urlopen(request, timeout=timeout) as response:
        body = json.load(response)
    listed = body.get("data") if isinstance(body, dict) else None
    if not isinstance(listed, list):
        raise ValueError("it answers with something else")
    named = [model for model in listed if isinstance(model, dict) and "id" in model]
    return {str(model["id"]): model for model in named}


def _once_there(
    address: Address, key: str, patience: float, say: Callable[[str], None]
) -> dict[str, Any]:
    """The same of a server that may not have started yet. Unavailable after `patience` seconds."""
    began, has_said = monotonic(), False
    while True:
        try:
            return _listed(address, key, 30)
        except OSError as error:
            if not patience or not _is_away(error):
                raise
            why = f"{address.base}: no connection ({_why(error)})"
        left = began + patience - monotonic()
        if left <= 0:
            raise unavailable(why, patience) from None
        if not has_said:
            say(f"{why}; waiting up to {patience:g} s for the server")
            has_said = True
        _pause(min(_LOOKS, left))


def _is_away(error: OSError) -> bool:
    """Whether nobody answers at an address, which may pass; a wrong name does not."""
    reason = getattr(error, "reason", error)
    lasting = (socket.gaierror, ssl.SSLError, TimeoutError)
    return isinstance(reason, OSError) and not isinstance(reason, lasting)


def _pause(seconds: float) -> None:
    """Sleeps, and ends where the running task was cancelled: an interrupt only says so to it."""
    sleep(seconds)
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no event loop is running, and an interrupt has ended the sleep
        return
    if task and task.cancelling():
        raise asyncio.CancelledError


def _shutdown(about: Mapping[str, Any]) -> str | None:
    """The day from which a model is not served; None where there is none."""
    given = next((about[name] for name in _ENDS if about.get(name)), None)
    if isinstance(given, str):
        return given[:10]
    if isinstance(given, int | float) and not isinstance(given, bool):
        return datetime.fromtimestamp(given, UTC).date().isoformat()
    return None


def _why(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return hide_keys(f"HTTP {error.code}: {Said.of(error.read()).text}")
    reason = getattr(error, "reason", None) or error
    return hide_keys(" ".join(str(getattr(reason, "strerror", None) or reason).split()))
