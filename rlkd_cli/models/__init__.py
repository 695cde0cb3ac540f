"""Where text comes from: one engine a file, each imported only when a model of its kind is opened."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from rlkd_cli.errors import UsageError
from rlkd_cli.models.base import Message, Reply, Sampling, TextModel, user
from rlkd_cli.models.batch_api import BatchModel, BatchOptions
from rlkd_cli.models.endpoint import EndpointModel, HttpOptions, served_model
from rlkd_cli.models.providers import PROVIDERS, address_of, hosted, key_of
from rlkd_cli.models.replay import RecordingModel, ReplayModel
from rlkd_cli.models.spec import engine_of, model_of
from rlkd_cli.option import MODEL, option

__all__ = [
    "BatchOptions",
    "HttpOptions",
    "Message",
    "Reply",
    "Sampling",
    "TextModel",
    "open_model",
    "user",
]


@dataclass(frozen=True, kw_only=True)
class Asking(HttpOptions):
    """How models are asked, whichever they are."""

    record: Annotated[
        Path | None,
        option(
            "--record",
            metavar="FILE",
            help="Append the models' replies to a file for `replay/FILE`.",
            panel=MODEL,
            free=True,
        ),
    ] = None


def open_model(
    spec: str,
    http: HttpOptions | None = None,
    record: Path | None = None,
    batch: BatchOptions | None = None,
) -> TextModel:
    """The model that `spec` names (`ENGINE/NAME` or an endpoint), recording its replies where `record` is given.

    With `batch` it is asked through the Batch API where it has one: OpenAI, and any server named by its address.
    UsageError where the spec cannot be used as it stands (a missing key, an engine that is not installed);
    ModelError where the model cannot be loaded.
    """
    model = _open(spec, http or HttpOptions())
    if batch and isinstance(model, EndpointModel) and has_batches(spec):
        model = BatchModel(model, batch)
    return RecordingModel(model, record) if record else model


def _open(spec: str, http: HttpOptions) -> TextModel:
    engine, name = engine_of(spec), model_of(spec)
    if not name:
        raise UsageError(
            f"model {spec!r}: write ENGINE/NAME, http://HOST:PORT/v1#NAME, or a model's name or folder"
        )
    if engine == "http":
        url, _, served = spec.partition("#")
        key = os.environ.get("RLKD_API_KEY") or "none"
        named, context = served_model(url, served, key)
        return EndpointModel(url, named, key, http, spec, context)
    if engine in PROVIDERS:
        known, key = hosted(spec), key_of(engine, spec)
        asked = known.successor or name
        return EndpointModel(address_of(engine), asked, key, http, spec, known.context, known.extra)
    if engine == "replay":
        return ReplayModel(Path(name))
    if runs_in_vllm(spec):
        from rlkd_cli.models.vllm import VllmModel

        return VllmModel(name)
    from rlkd_cli.models.hf import HfModel

    return HfModel(name, batch_size=http.concurrency)


def runs_in_vllm(spec: str) -> bool:
    """Whether a spec means vLLM in this process."""
    engine = engine_of(spec)
    return engine == "vllm" or bool(engine == "any" and find_spec("vllm") and _has_accelerator())


def has_batches(spec: str) -> bool:
    """Whether a model can be asked through the Batch API: OpenAI's, and any server named by its address."""
    engine = engine_of(spec)
    return engine == "http" or (engine in PROVIDERS and PROVIDERS[engine].batches)


def _has_accelerator() -> bool:
    import torch

    return torch.cuda.is_available()
