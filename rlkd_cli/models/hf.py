"""transformers in this process: batches of like length, every request with random numbers of its own."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rlkd_cli.core.thinking import split
from rlkd_cli.errors import ModelError, RecordError
from rlkd_cli.models.base import Message, Reply, Sampling
from rlkd_cli.models.batching import Batcher
from rlkd_cli.models.chat import ChatEncoder
from rlkd_cli.models.usage import spend


@dataclass(frozen=True)
class _Request:
    ids: list[int]
    sampling: Sampling


class HfModel:
    """A causal language model from the hub or a folder.

    A reply depends on its request and its seed, not on what else is in the batch (up to the last digits of
    floating-point sums), so that a run that was broken off and resumed samples the same paths.
    """

    def __init__(self, name: str, batch_size: int = 64, device: str | None = None) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()  # standard error is for our own progress
        logging.set_verbosity_error()  # what is too long is rejected below, with a reason
        self.name = f"hf/{name}"
        try:
            tokenizer = AutoTokenizer.from_pretrained(name, padding_side="left")
            model = AutoModelForCausalLM.from_pretrained(name, dtype="auto")
        except (OSError, ValueError) as error:
            raise ModelError.loading(self.name, error) from error
        own = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"  # of several processes, each has a device
        self.device = device or (own if torch.cuda.is_available() else "cpu")
        model.to(self.device)  # type: ignore[arg-type]  # the decorator hides the method's own signature
        self._model: Any = model.eval()
        self._tokenizer: Any = tokenizer
        self._encoder = ChatEncoder(tokenizer)
        self._head: Any = None  # made at the first likelihood
        self.in_flight = (
            4 * batch_size
        )  # more than a batch, so that a batch can hold requests of like length
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        self.context = int(getattr(model.config, "max_position_embeddings", 0) or 0)
        self._batcher: Batcher[_Request, Reply] = Batcher(
            self._generate, batch_size, lambda r: len(r.ids)
        )
        self._likelihood: Batcher[_Request, float] = Batcher(
            self._log_likelihoods, batch_size, lambda r: len(r.ids)
        )
        self._scorer: Batcher[_Request, Any] = Batcher(
            self._score, batch_size, lambda r: len(r.ids)
        )

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        request = _Request(self._encoder(messages), sampling)
        room = self.context - len(request.ids) if self.context else sampling.max_tokens
        if room < min(sampling.max_tokens, 1):
            raise RecordError(
                "too_long",
                f"{len(request.ids)} tokens exceed {self.name}'s context of {self.context}",
            )
        reply = await (self._choose(request) if sampling.choices else self._batcher(request))
        spend(
            self.name, requests=1, tokens_in=reply.prompt_tokens, tokens_out=reply.completion_tokens
        )
        return reply

    async def log_likelihood(self, messages: Sequence[Message], text: str) -> float:
        """The mean log-probability of a token of `text` as the reply to `messages`; what exceeds the context is cut."""
        start = self._encoder(messages)
        ids = [*start, *self._tokenizer(text, add_special_tokens=False)["input_ids"]][
            : self.context or None
        ]
        if len(ids) <= len(start):
            raise RecordError(
                "too_long", f"nothing of the text fits into {self.name}'s context of {self.context}"
            )
        return float(
            await self._likelihood(_Request(ids, Sampling(max_tokens=len(ids) - len(start))))
        )

    def count_tokens(self, text: str) -> int:
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    async def close(self) -> None:
        self._model = None

    async def _choose(self, request: _Request) -> Reply:
        """The most probable of the choices, by the probabilities of their first tokens."""
        scores, choices = await self._scorer(request), request.sampling.choices
        firsts = [
            self._tokenizer(choice, add_special_tokens=False)["input_ids"][0] for choice in choices
        ]
        probabilities = tuple(scores[firsts].softmax(0).tolist())
        text = choices[max(range(len(choices)), key=probabilities.__getitem__)]
        return Reply(
            text,
            "stop",
            len(request.ids),
            1,
            "",
            probabilities if request.sampling.probabilities else (),
        )

    def _pad(self, requests: Sequence[_Request]) -> Any:
        rows = {"input_ids": [request.ids for request in requests]}
        return self._tokenizer.pad(rows, padding_side="left", return_tensors="pt").to(self.device)

    def _score(self, requests: Sequence[_Request]) -> list[Any]:
        """The last position's logits of each request, each (vocabulary,)."""
        import torch

        with torch.inference_mode():
            return list(
                self._model(**self._pad(requests), logits_to_keep=1).logits[:, -1].float().cpu()
            )

    def _log_likelihoods(self, requests: Sequence[_Request]) -> list[float | Exception]:
        """The mean log-probability of each request's last `max_tokens` tokens; never holds all logits at once."""
        import torch

        from rlkd_cli.models.labelled_head import LabelledHead

        if self._head is None:
            self._head = LabelledHead(self._model)
        padded = self._pad(requests)
        counts = torch.tensor(
            [[request.sampling.max_tokens] for request in requests], device=self.device
        )
        from_end = torch.arange(padded["input_ids"].shape[1], 0, -1, device=self.device)
        with torch.inference_mode():
            found = self._head.log_probs(self._model, padded, from_end <= counts).float()
        return [
            float(row[-r.sampling.max_tokens :].mean())
            for row, r in zip(found, requests, strict=True)
        ]

    def _generate(self, requests: Sequence[_Request]) -> list[Reply | Exception]:
        import torch
        from transformers import GenerationConfig, LogitsProcessorList

        longest = max(len(request.ids) for request in requests)
        wanted = max(request.sampling.max_tokens for request in requests)
        limit = min(wanted, self.context - longest) if self.context else wanted
        own = self._model.generation_config
        config = GenerationConfig(
            max_new_tokens=limit,
            do_sample=False,
            pad_token_id=self._tokenizer.pad_token_id,
            eos_token_id=own.eos_token_id,
        )
        drawn = any(request.sampling.temperature > 0 for request in requests)
        with torch.inference_mode():
            out = self._model.generate(
                **self._pad(requests),
                generation_config=config,
                logits_processor=LogitsProcessorList(
                    [seeded_sampling([r.sampling for r in requests], self.device)] if drawn else []
                ),
            )
        return [
            self._read(request, row)
            for request, row in zip(requests, out[:, longest:].tolist(), strict=True)
        ]

    def _read(self, request: _Request, tokens: list[int]) -> Reply:
        ends = self._model.generation_config.eos_token_id
        ends = {ends} if isinstance(ends, int) else set(ends or [])
        stop = next((i for i, token in enumerate(tokens) if token in ends), None)
        kept = tokens[:stop] if stop is not None else tokens
        stopped = stop is not None and stop < request.sampling.max_tokens
        kept = kept[: request.sampling.max_tokens]
        text = self._tokenizer.decode(kept, skip_special_tokens=True)
        opened = self._encoder.opens_thinking
        thinking, text = split(text, opened) if opened else ("", text)
        return Reply(
            text, "stop" if stopped else "length", len(request.ids), len(kept) + stopped, thinking
        )


def seeded_sampling(samplings: Sequence[Sampling], device: str) -> Any:
    """A logits processor after which greedy choice is sampling, each row with a generator of its own.

    The Gumbel-max trick: argmax(logits / temperature + Gumbel noise) is a draw from the softmax. A row of
    temperature 0 is left as it is. Scores are (batch, vocabulary).
    """
    import torch
    from transformers import TopPLogitsWarper

    generators = [
        torch.Generator(device).manual_seed((s.seed or 0) & (2**63 - 1)) for s in samplings
    ]

    def process(input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        scores = scores.float()
        for row, (sampling, generator) in enumerate(zip(samplings, generators, strict=True)):
            if sampling.temperature > 0:
                logits = scores[row : row + 1] / sampling.temperature
                if sampling.top_p < 1:
                    logits = TopPLogitsWarper(sampling.top_p)(input_ids, logits)
                noise = torch.rand(logits.shape, generator=generator, device=logits.device).clamp_(
                    1e-20, 1 - 1e-7
                )
                scores[row] = (logits - (-noise.log()).log())[0]
        return scores

    return process
