"""Where text comes from: one engine a file, each imported only when a model of its kind is
opened."""

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from rlkd_cli.errors import UsageError
from rlkd_cli.models.base import Message, Reply, Sampling, TextModel, user
from rlkd_cli.models.device import has_accelerator
from rlkd_cli.models.options import Asking, BatchOptions, HttpOptions
from rlkd_cli.models.providers import PROVIDERS, address_of, hosted, key_of, usable_key
from rlkd_cli.models.replay import RecordingModel, ReplayModel
from rlkd_cli.models.server.batch_api import BatchModel
from rlkd_cli.models.server.endpoint import EndpointModel
from rlkd_cli.models.server.listing import served_by_all, served_model
from rlkd_cli.models.server.several import SeveralModel
from rlkd_cli.models.spec import addresses_of, engine_of, model_of, parse_address, shown

__all__ = [
    "Asking",
    "BatchOptions",
    "HttpOptions",
    "Message",
    "Reply",
    "Sampling",
    "TextModel",
    "open_model",
    "user",
]

Tell = Callable[[str], None]


def open_model(
    spec: str,
    http: HttpOptions | None = None,
    record: Path | None = None,
    batch: BatchOptions | None = None,
    tell: Tell | None = None,
) -> TextModel:
    """The model that `spec` names (`ENGINE/NAME` or an endpoint); `record` keeps its replies.

    With `batch` it is asked through the Batch API where it has one: OpenAI, and any server named by
    its address. UsageError where the spec cannot be used as it stands (a missing key, an engine
    that is not installed); ModelError where the model cannot be loaded. What the model has to say
    (a refused parameter, a day after which it is not served) goes to its `tell`, once that is set,
    here or later; that its server is waited for is said to `tell` alone.
    """
    model: TextModel = _open(spec, http or HttpOptions(), tell or (lambda line: None))
    if batch and isinstance(model, SeveralModel):
        raise UsageError(f"{shown(spec)}: --batch asks one address")
    if batch and isinstance(model, EndpointModel) and has_batches(spec):
        model = BatchModel(model, batch)
    if tell:
        model.tell = tell
    return RecordingModel(model, record) if record else model


def _open(spec: str, http: HttpOptions, tell: Tell) -> TextModel:
    engine, name = engine_of(spec), model_of(spec)
    if not name:
        raise UsageError(
            f"model {spec!r}: write ENGINE/NAME, http://HOST:PORT/v1#NAME, "
            "or a model's name or folder"
        )
    if engine == "http":
        return _own_server(spec, http, tell)
    if engine in PROVIDERS:
        return _hosted(spec, http)
    if engine == "replay":
        return ReplayModel(Path(name), http.concurrency)
    if runs_in_vllm(spec):
        from rlkd_cli.models.local.vllm import VllmModel

        return VllmModel(name)
    from rlkd_cli.models.local.hf import HfModel

    return HfModel(name, batch_size=http.concurrency)


def _own_server(spec: str, http: HttpOptions, tell: Tell) -> EndpointModel | SeveralModel:
    """A server named by its address, with the key in RLKD_API_KEY where it wants one; or several of
    one model.
    """
    addresses, key = [parse_address(one) for one in addresses_of(spec)], usable_key("RLKD_API_KEY")
    patience = http.server_timeout
    if len(addresses) == 1:
        (address,) = addresses
        served = served_model(address, address.model, key, patience, tell)
    else:
        served = served_by_all(addresses, key, patience, tell)
    # The user's limits are the model's, wherever it is asked
    each = http if len(addresses) == 1 else replace(http, rpm=None, tpm=None)
    own = [
        EndpointModel(
            one,
            served.name,
            key,
            each,
            shown(spec),
            served.context,
            served.neutral,
            is_own=True,
            has_others=len(addresses) > 1,
        )
        for one in addresses
    ]
    model = own[0] if len(own) == 1 else SeveralModel(own, http, shown(spec))
    if served.shutdown:
        model.say(f"the server stops serving this model on {served.shutdown}")
    return model


def _hosted(spec: str, http: HttpOptions) -> EndpointModel:
    """A provider's model, under its successor's name where it was retired."""
    engine, name = engine_of(spec), model_of(spec)
    known, key = hosted(spec), key_of(engine, spec)
    asked, address = known.successor or name, parse_address(address_of(engine))
    served = served_model(address, asked, key)
    model = EndpointModel(address, asked, key, http, spec, known.context, known.extra)
    if known.successor:
        model.say(f"retired by its provider; using {known.successor} instead")
    if ends := served.shutdown or known.shutdown:
        instead = f" (replacement: {known.instead})" if known.instead else ""
        model.say(f"will not be served after {ends}{instead}")
    return model


def runs_in_vllm(spec: str) -> bool:
    """Whether a spec means vLLM in this process."""
    engine = engine_of(spec)
    return engine == "vllm" or bool(engine == "any" and find_spec("vllm") and has_accelerator())


def has_batches(spec: str) -> bool:
    """Whether the Batch API may be asked: OpenAI's models, and any server named by its address."""
    engine = engine_of(spec)
    return engine == "http" or (engine in PROVIDERS and PROVIDERS[engine].batches)
