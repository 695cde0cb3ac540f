"""Hosted models: a row a provider, with its address, and what each of its models costs and can
hold.

The key is in the environment variable NAME_API_KEY; NAME_BASE_URL gives another address. A newcomer
adds a row; `openai/gpt-6-luna` is the model `gpt-6-luna` of the row `openai`, and a model that has
no row of its own is asked for by its name, its price unknown. Azure has no row, since every
customer has an address of its own: see `spec`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rlkd_cli.errors import UsageError
from rlkd_cli.models.masks import remember

PRICES_OF = "2026-11"  # when the providers' price pages were read
BATCH_DISCOUNT = 0.5  # of the Batch API
# The most that one batch may hold: OpenAI documents 50,000 requests and 200 MB
BATCH_REQUESTS, BATCH_BYTES = 50_000, 190_000_000
TOP_LOGPROBS = 20  # the most that OpenAI and DeepSeek give
AZURE, AZURE_KEY = ".azure.com", "api-key"  # its hosts, and the header in which it wants the key


@dataclass(frozen=True)
class Hosted:
    """A provider's model.

    `price` is in US dollars per million tokens (in, out), uncached, at the provider's peak hours,
    so that a budget errs on the safe side; None where it is not known. `context` is in tokens. A
    `successor` answers to the name of a retired model; `extra` goes into every request. `shutdown`
    is the day (YYYY-MM-DD) after which it is not served, `instead` what its provider names for it.
    """

    price: tuple[float, float] | None = None
    context: int | None = None
    successor: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    shutdown: str | None = None
    instead: str | None = None


@dataclass(frozen=True)
class Provider:
    """Who serves models behind an OpenAI-compatible `address`; `batches`: has OpenAI's Batch
    API."""

    address: str
    batches: bool = False
    models: Mapping[str, Hosted] = field(default_factory=dict)


_FLASH = Hosted((0.30, 1.20), 1_000_000)


def _retired(thinking: str) -> Hosted:
    """DeepSeek's old names, retired on 2026-07-24: they stood for Flash without and with
    thinking."""
    return Hosted(_FLASH.price, _FLASH.context, "deepseek-flash", {"thinking": {"type": thinking}})


def _ending(price: tuple[float, float], context: int | None = None) -> Hosted:
    """OpenAI's models of 2024 and 2025, which end together."""
    successors = "gpt-6-luna for volume, gpt-6.1-sol for hard work"
    return Hosted(price, context, shutdown="2027-01-14", instead=successors)


PROVIDERS: dict[str, Provider] = {
    "openai": Provider(
        "https://api.openai.com/v1",
        batches=True,
        models={
            # Prices of prompts up to 272,000 tokens
            "gpt-6-luna": Hosted((0.10, 0.50), 1_050_000),
            "gpt-6-sol": Hosted((2.00, 10.00), 1_050_000),
            "gpt-6.1-sol": Hosted((2.00, 10.00), 1_050_000),
            "gpt-4o": _ending((2.50, 10.00), 128_000),
            "gpt-4o-2024-11-20": _ending((2.50, 10.00), 128_000),
            "gpt-4o-mini": _ending((0.15, 0.60), 128_000),
            "gpt-4.1": _ending((2.00, 8.00)),
            "gpt-4.1-mini": _ending((0.40, 1.60)),
        },
    ),
    "deepseek": Provider(
        "https://api.deepseek.com",
        models={
            "deepseek-flash": _FLASH,
            "deepseek-v4-pro": Hosted((1.32, 3.96), 1_000_000),
            "deepseek-chat": _retired("disabled"),
            "deepseek-reasoner": _retired("enabled"),
        },
    ),
    "openrouter": Provider("https://openrouter.ai/api/v1"),
    "together": Provider("https://api.together.xyz/v1"),
    "fireworks": Provider("https://api.fireworks.ai/inference/v1"),
    "groq": Provider("https://api.groq.com/openai/v1"),
    "mistral": Provider("https://api.mistral.ai/v1"),
    "gemini": Provider("https://generativelanguage.googleapis.com/v1beta/openai"),
    "cerebras": Provider("https://api.cerebras.ai/v1"),
    "deepinfra": Provider("https://api.deepinfra.com/v1/openai"),
    "xai": Provider("https://api.x.ai/v1"),
}


def hosted(spec: str) -> Hosted:
    """What is known of a model by its spec, PROVIDER/NAME; an empty row for one that is not
    listed."""
    provider, _, name = spec.partition("/")
    return PROVIDERS[provider].models.get(name, Hosted()) if provider in PROVIDERS else Hosted()


def address_of(provider: str) -> str:
    """Where the provider is asked: NAME_BASE_URL in the environment, else the row's address."""
    given = os.environ.get(f"{provider.upper()}_BASE_URL", "").strip()
    return given or PROVIDERS[provider].address


def key_of(provider: str, spec: str) -> str:
    """The key in the provider's variable; UsageError that names it and the ways to do without."""
    variable = f"{provider.upper()}_API_KEY"
    key = usable_key(variable)
    if not key:
        raise UsageError(
            f"{spec} needs a key in {variable}, which is not set; other ways: "
            "http://HOST:PORT/v1#NAME, vllm/NAME_OR_DIR, hf/NAME_OR_DIR, replay/FILE"
        )
    return key


def usable_key(variable: str) -> str:
    """The key in an environment variable, without the spaces and newlines around it; "" for none.

    It is hidden from now on. UsageError for one that no HTTP header can carry.
    """
    key = os.environ.get(variable, "").strip()
    remember(key)
    if not (key.isascii() and key.isprintable()):
        raise UsageError(
            f"{variable} contains characters that are not valid in a key (a line break?)"
        )
    return key
