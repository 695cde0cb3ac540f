"""How a model is named: `ENGINE/NAME`, a server's address, or the bare name or folder of a model."""

from typing import Any, Literal

Engine = Literal["http", "openai", "deepseek", "vllm", "hf", "replay", "any"]

# What a provider has retired -> the model that it names as the successor, and what a request needs besides.
# DeepSeek took both names off on 2026-07-24; they had stood for its Flash model without and with thinking.
RETIRED: dict[str, tuple[str, dict[str, Any]]] = {
    "deepseek/deepseek-chat": ("deepseek-flash", {"thinking": {"type": "disabled"}}),
    "deepseek/deepseek-reasoner": ("deepseek-flash", {"thinking": {"type": "enabled"}}),
}
# General models behind a key, in NAME_API_KEY; their address, unless NAME_BASE_URL says another
PROVIDERS = {"openai": "https://api.openai.com/v1", "deepseek": "https://api.deepseek.com"}
PAID = (*PROVIDERS, "http")
_BATCH = "#batch"


def engine_of(spec: str) -> Engine:
    """Who answers for a spec; "any" where it only names the model and the engine is chosen when it is opened."""
    if spec.startswith(("http://", "https://")):
        return "http"
    engine = spec.partition("/")[0]
    known: tuple[Engine, ...] = ("openai", "deepseek", "vllm", "hf", "replay")
    return next((name for name in known if name == engine), "any")


def model_of(spec: str) -> str:
    """The name or folder without its engine; an address stays as it is."""
    return spec if engine_of(spec) in ("http", "any") else spec.partition("/")[2]


def batched(spec: str) -> str:
    """What a model is called on a bill when it is asked through the Batch API, which has a price of its own."""
    return spec + _BATCH


def unbatched(name: str) -> tuple[str, bool]:
    """(spec, whether it was asked through the Batch API) of a name on a bill."""
    return name.removesuffix(_BATCH), name.endswith(_BATCH)
