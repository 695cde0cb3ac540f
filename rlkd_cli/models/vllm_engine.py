"""vLLM in this process."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from rlkd_cli.errors import ModelError, RecordError, UsageError
from rlkd_cli.metering import spend
from rlkd_cli.models.base import Message, Reply, Sampling, choice_probabilities
from rlkd_cli.models.batching import Batcher
from rlkd_cli.models.endpoint import TOP_LOGPROBS
from rlkd_cli.models.hf_engine import encode_chat


@dataclass(frozen=True)
class _Request:
    ids: list[int]
    sampling: Sampling


class VllmModel:
    """A model in vLLM's own engine, which batches continuously; requests are handed to it in large lots."""

    def __init__(self, name: str, batch_size: int = 1024) -> None:
        if find_spec("vllm") is None:
            raise UsageError(f"vllm/{name}: vLLM is not installed (pip install 'rlkd[vllm]'), or use hf/{name}")
        self.name = f"vllm/{name}"
        try:
            with _stdout_to_stderr():
                from vllm import LLM

                self._llm: Any = LLM(model=name, enable_prefix_caching=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelError(f"vllm/{name}: cannot be loaded: {str(error).strip().splitlines()[0]}") from error
        self._tokenizer = self._llm.get_tokenizer()
        self.context = int(self._llm.llm_engine.model_config.max_model_len)
        self._batcher: Batcher[_Request, Reply] = Batcher(self._generate, batch_size, lambda r: len(r.ids))

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        request = _Request(encode_chat(self._tokenizer, messages), sampling)
        if len(request.ids) >= self.context:
            raise RecordError("too_long", f"{len(request.ids)} tokens exceed {self.name}'s context of {self.context}")
        reply = await self._batcher(request)
        spend(self.name, requests=1, tokens_in=reply.prompt_tokens, tokens_out=reply.completion_tokens)
        return reply

    async def close(self) -> None:
        self._llm = None

    def _generate(self, requests: Sequence[_Request]) -> list[Reply | Exception]:
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        def params(request: _Request) -> SamplingParams:
            s = request.sampling
            choice = StructuredOutputsParams(choice=list(s.choices)) if s.choices else None
            room = min(s.max_tokens, self.context - len(request.ids))
            return SamplingParams(
                temperature=s.temperature,
                top_p=s.top_p,
                max_tokens=room,
                seed=s.seed,
                structured_outputs=choice,
                logprobs=TOP_LOGPROBS if s.probabilities else None,
            )

        prompts: Any = [{"prompt_token_ids": request.ids} for request in requests]
        with _stdout_to_stderr():
            outputs = self._llm.generate(prompts, [params(r) for r in requests], use_tqdm=False)
        return [self._read(request, out.outputs[0]) for request, out in zip(requests, outputs, strict=True)]

    def _read(self, request: _Request, out: Any) -> Reply:
        probabilities: tuple[float, ...] = ()
        if request.sampling.probabilities:
            seen = {entry.decoded_token: entry.logprob for entry in out.logprobs[0].values()}
            probabilities = choice_probabilities(request.sampling.choices, seen, self.name)
        return Reply(out.text, out.finish_reason or "stop", len(request.ids), len(out.token_ids), "", probabilities)


@contextlib.contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """vLLM prints to standard output, which belongs to the records."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
