"""vLLM in this process, batching continuously: a request joins the others as soon as it is
asked."""

import asyncio
import contextlib
import itertools
import json
import os
import queue
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

from rlkd_cli.core.thinking import split
from rlkd_cli.errors import ModelError, RecordError, UsageError
from rlkd_cli.models.base import (
    Message,
    Reply,
    Sampling,
    Telling,
    choice_probabilities,
    cut_at,
    too_long,
)
from rlkd_cli.models.chat import ChatEncoder, ReplyDecoder, token_set
from rlkd_cli.models.device import has_accelerator
from rlkd_cli.models.local.batching import settle
from rlkd_cli.models.local.inherited import ignored_settings
from rlkd_cli.models.local.loading import ADAPTER, BASE_CONFIG, is_adapter
from rlkd_cli.models.providers import TOP_LOGPROBS
from rlkd_cli.models.usage import spend


class VllmModel(Telling):
    """A model in vLLM's own engine, which one thread steps as long as requests are under way."""

    in_flight = 1024  # requests; the engine takes as many at once as its memory holds

    def __init__(self, name: str) -> None:
        if find_spec("vllm") is None:
            raise UsageError(
                f"vllm/{name}: vLLM is not installed (pip install 'rlkd[vllm]'), or use hf/{name}"
            )
        super().__init__()
        self.name = f"vllm/{name}"
        self._adapter: Any = None  # what each request names it by
        try:
            with _stdout_to_stderr(), _own_cores():
                from vllm import LLM

                where: Any = {} if has_accelerator() else _on_cpu()
                what: Any = {"model": name}
                if is_adapter(name):
                    what, self._adapter = _with_adapter(name)
                llm: Any = LLM(**what, enable_prefix_caching=True, **where)
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelError.loading(self.name, error) from error
        self._engine, self._tokenizer = llm.llm_engine, llm.get_tokenizer()
        self._encoder = ChatEncoder(self._tokenizer)
        own = self._engine.model_config.try_get_generation_config() or {}
        self._decode = ReplyDecoder(self._tokenizer, token_set(own.get("eos_token_id")))
        if ignored := ignored_settings(own):
            self.say(ignored)
        self.context = int(self._engine.model_config.max_model_len)
        self._new: queue.SimpleQueue[tuple[str, list[int], Any, asyncio.Future[Any]] | None] = (
            queue.SimpleQueue()
        )
        self._ids = itertools.count()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        ids = self._encoder(messages)
        if len(ids) >= self.context:
            raise too_long(self.name, len(ids), self.context)
        self._loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        self._new.put(
            (str(next(self._ids)), ids, self._params(sampling, self.context - len(ids)), future)
        )
        out = (await future).outputs[0]
        spend(self.name, requests=1, tokens_in=len(ids), tokens_out=len(out.token_ids))
        probabilities: tuple[float, ...] = ()
        if sampling.probabilities:
            seen = {entry.decoded_token: entry.logprob for entry in out.logprobs[0].values()}
            probabilities = choice_probabilities(sampling.choices, seen, self.name)
        text, _ = cut_at(self._decode(out.token_ids), sampling.stop)
        splits = self._encoder.opens_thinking and not (sampling.choices or sampling.whole)
        thinking, text = split(text, True) if splits else ("", text)
        return Reply(
            text, _finish(out.finish_reason), len(ids), len(out.token_ids), thinking, probabilities
        )

    async def close(self) -> None:
        if self._thread is not None:
            self._new.put(None)
            await asyncio.to_thread(self._thread.join)
        if self._engine is not None:
            await asyncio.to_thread(self._engine.engine_core.shutdown)
        self._engine = self._thread = None

    def _params(self, sampling: Sampling, room: int) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        return SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=min(sampling.max_tokens, room),
            seed=sampling.seed,
            stop=list(sampling.stop) or None,
            skip_special_tokens=False,  # so that a stop text is found where hf/ finds it
            structured_outputs=StructuredOutputsParams(choice=list(sampling.choices))
            if sampling.choices
            else None,
            logprobs=TOP_LOGPROBS if sampling.probabilities else None,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _work(self) -> None:
        """Takes in what is asked and steps the engine, until `close`; an engine that fails fails
        every request."""
        waiting: dict[str, asyncio.Future[Any]] = {}
        is_open = True
        with _stdout_to_stderr():
            while is_open or waiting:
                try:
                    while (not waiting and is_open) or not self._new.empty():
                        request = self._new.get()
                        if request is None:
                            is_open = False
                            break
                        number, ids, params, waiting[number] = request
                        prompt = {"prompt_token_ids": ids}
                        self._engine.add_request(number, prompt, params, lora_request=self._adapter)
                    done = (
                        [output for output in self._engine.step() if output.finished]
                        if waiting
                        else []
                    )
                    self._hand_out([(waiting.pop(output.request_id), output) for output in done])
                except Exception as error:
                    reason = " ".join(str(error).split()) or type(error).__name__
                    failure = ModelError(f"{self.name}: {reason}")
                    self._hand_out([(future, failure) for future in waiting.values()])
                    waiting.clear()

    def _hand_out(self, results: list[tuple["asyncio.Future[Any]", Any]]) -> None:
        """Hands results to the event loop, all of a step in one call: waking it is expensive."""
        if results:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(settle, results)


def _finish(reason: str | None) -> str:
    """ "stop" or "length"; RecordError for a reply that the engine gave up."""
    if reason in ("stop", "length"):
        return reason
    raise RecordError(
        reason or "unfinished", f"vLLM stopped the reply with finish_reason {reason!r}"
    )


def _with_adapter(folder: str) -> tuple[dict[str, Any], Any]:
    """(what the engine is opened with for an adapter's base, what each request names it by).

    Tokenizer and end tokens are the adapter's own, and so are positions that a training changed.
    """
    from vllm.config.lora import MaxLoRARanks
    from vllm.lora.request import LoRARequest

    adapter, configured = json.loads(Path(folder, ADAPTER).read_text()), Path(folder, BASE_CONFIG)
    trained = json.loads(configured.read_text()) if configured.is_file() else {}
    positions = ("rope_parameters", "max_position_embeddings")
    rank = adapter.get("r") or 16
    what = {
        "model": adapter["base_model_name_or_path"],
        "tokenizer": folder,
        "generation_config": folder,
        "hf_overrides": {name: trained[name] for name in positions if name in trained},
        "enable_lora": True,
        "max_lora_rank": min((r for r in get_args(MaxLoRARanks) if r >= rank), default=rank),
    }
    return what, LoRARequest("adapter", 1, folder)


def _on_cpu() -> dict[str, Any]:
    """What vLLM has to be told without an accelerator.

    A prompt read in pieces breaks a seeded request ("CPU Generator does not use offset"), and the
    engine does not start where its share of all memory, 0.92, is not free.
    """
    import psutil

    memory = psutil.virtual_memory()
    share = memory.available / memory.total / 2
    return {"enable_chunked_prefill": False, "gpu_memory_utilization": share}


@contextlib.contextmanager
def _own_cores() -> Iterator[None]:
    """On CPU, vLLM ties the thread that loads it to a core, where all that we do besides would slow
    it down."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    yield
    if cores:
        os.sched_setaffinity(0, cores)


@contextlib.contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """vLLM prints to standard output, which belongs to the records, and asks what it prints to for
    its file descriptor, which a notebook's streams do not have."""
    try:
        sys.stderr.fileno()
        stream = sys.stderr
    except (AttributeError, OSError, ValueError):
        stream = sys.__stderr__ or sys.stderr
    with contextlib.redirect_stdout(stream):
        yield
