"""What a server says of its models (`GET /models`): which there are, how long a prompt may be,
until when."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rlkd_cli.errors import ModelError, UsageError
from rlkd_cli.models.masks import hide_keys
from rlkd_cli.models.server.endpoint import headers
from rlkd_cli.models.server.said import Said
from rlkd_cli.models.spec import Address

_ENDS = ("shutdown_date", "expiration_date", "deprecation")  # OpenAI, OpenRouter, Mistral


@dataclass(frozen=True)
class Served:
    """A served model; `context` (tokens) and `shutdown` (YYYY-MM-DD) where the server says so."""

    name: str
    context: int | None = None
    shutdown: str | None = None


def served_model(address: Address, name: str, key: str) -> Served:
    """What a server says of the model `name`; without a name, of the one model that it lists.

    UsageError where no name is given and it lists none or several, ModelError where it then cannot
    be asked. With a name a server that does not list its models is taken as it is.
    """
    place = address.at("/models")
    try:
        request = urllib.request.Request(place, headers=headers(address, key))
        with urllib.request.urlopen(request, timeout=5 if name else 30) as response:
            models = {model["id"]: model for model in json.load(response)["data"]}
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
    return Served(chosen, context if isinstance(context, int) else None, _shutdown(about))


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
    return hide_keys(" ".join(str(getattr(error, "reason", None) or error).split()))
