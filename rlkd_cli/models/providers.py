"""Hosted models: a row a provider, with its address, and what each of its models costs and can hold.

The key is in the environment variable NAME_API_KEY; NAME_BASE_URL gives another address. A newcomer
adds a row; `openai/gpt-4o` is the model `gpt-4o` of the row `openai`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rlkd_cli.errors import UsageError

PRICES_OF = "2026-11"  # when the providers' price pages were read


@dataclass(frozen=True)
class Hosted:
    """A provider's model.

    `price` is in US dollars per million tokens (in, out), uncached, at the provider's peak hours,
    so that a budget errs on the safe side. `context` is in tokens. A `successor` answers to the name
    of a retired model; `extra` goes into every request.
    """

    price: tuple[float, float] | None = None
    context: int | None = None
    successor: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Provider:
    """Who serves models behind an OpenAI-compatible `address`; `batches`: has OpenAI's Batch API."""

    address: str
    batches: bool = False
    models: Mapping[str, Hosted] = field(default_factory=dict)


_FLASH = {"price": (0.30, 1.20), "context": 1_000_000}

PROVIDERS: dict[str, Provider] = {
    "openai": Provider(
        "https://api.openai.com/v1",
        batches=True,
        models={
            "gpt-4o": Hosted((2.50, 10.00), 128_000),
            "gpt-4o-mini": Hosted((0.15, 0.60), 128_000),
            "gpt-4.1": Hosted((2.00, 8.00)),
            "gpt-4.1-mini": Hosted((0.40, 1.60)),
        },
    ),
    "deepseek": Provider(
        "https://api.deepseek.com",
        models={
            "deepseek-flash": Hosted(**_FLASH),  # type: ignore[arg-type]
            # Retired on 2026-07-24; they had stood for Flash without and with thinking
            "deepseek-chat": Hosted(
                **_FLASH,  # type: ignore[arg-type]
                successor="deepseek-flash",
                extra={"thinking": {"type": "disabled"}},
            ),
            "deepseek-reasoner": Hosted(
                **_FLASH,  # type: ignore[arg-type]
                successor="deepseek-flash",
                extra={"thinking": {"type": "enabled"}},
            ),
        },
    ),
}


def hosted(spec: str) -> Hosted:
    """What is known of a model by its spec, PROVIDER/NAME; an empty row for one that is not listed."""
    provider, _, name = spec.partition("/")
    return PROVIDERS[provider].models.get(name, Hosted()) if provider in PROVIDERS else Hosted()


def address_of(provider: str) -> str:
    """Where the provider is asked: NAME_BASE_URL in the environment, else the row's address."""
    return os.environ.get(f"{provider.upper()}_BASE_URL") or PROVIDERS[provider].address


def key_of(provider: str, spec: str) -> str:
    """The key in the provider's environment variable; UsageError that names it and the ways to do without."""
    variable = f"{provider.upper()}_API_KEY"
    key = os.environ.get(variable, "").strip()
    if not key:
        raise UsageError(
            f"{spec} needs a key in {variable}, which is not set; other ways: "
            "http://HOST:PORT/v1#NAME, vllm/NAME_OR_DIR, hf/NAME_OR_DIR, replay/FILE"
        )
    return key


def keys() -> list[str]:
    """Every key in the environment, to be hidden from what is printed."""
    names = [*(f"{name.upper()}_API_KEY" for name in PROVIDERS), "RLKD_API_KEY"]
    return [key for name in names if (key := os.environ.get(name))]
