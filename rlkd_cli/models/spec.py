"""How a model is named: `ENGINE/NAME`, `PROVIDER/NAME`, a server's address, or a bare name or folder."""

from rlkd_cli.models.providers import PROVIDERS

LOCAL = ("vllm", "hf", "replay")  # engines of this process, and recorded replies
_BATCH = "#batch"


def engine_of(spec: str) -> str:
    """Who answers for a spec: "http", a provider's or an engine's name; "any" for a bare name or folder."""
    if spec.startswith(("http://", "https://")):
        return "http"
    engine, slash, _ = spec.partition("/")
    return engine if slash and engine in (*PROVIDERS, *LOCAL) else "any"


def model_of(spec: str) -> str:
    """The name or folder without its engine; an address stays as it is."""
    return spec if engine_of(spec) in ("http", "any") else spec.partition("/")[2]


def is_paid(spec: str) -> bool:
    """Whether asking the model may cost money: everything that is not in this process."""
    return engine_of(spec) in (*PROVIDERS, "http")


def batched(spec: str) -> str:
    """What a model is called on a bill when it is asked through the Batch API, which has a price of its own."""
    return spec + _BATCH


def unbatched(name: str) -> tuple[str, bool]:
    """(spec, whether it was asked through the Batch API) of a name on a bill."""
    return name.removesuffix(_BATCH), name.endswith(_BATCH)
