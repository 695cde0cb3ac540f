"""transformers in this process: many replies at a time, each with random numbers of its own."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rlkd_cli.core.thinking import split
from rlkd_cli.errors import RecordError
from rlkd_cli.models.base import Message, Reply, Sampling, Telling, cut_at, too_long
from rlkd_cli.models.chat import ChatEncoder, ReplyDecoder, token_set
from rlkd_cli.models.device import own_device
from rlkd_cli.models.local.batching import Batcher
from rlkd_cli.models.local.generation import Generation, Row
from rlkd_cli.models.local.inherited import ignored_settings
from rlkd_cli.models.local.loading import load_causal, load_tokenizer
from rlkd_cli.models.local.positions import context_of
from rlkd_cli.models.local.stepping import Stepper
from rlkd_cli.models.usage import spend


@dataclass(frozen=True)
class _Request:
    ids: list[int]
    sampling: Sampling


class HfModel(Telling):
    """A causal language model from the hub, a folder or a GGUF file.

    A reply depends on its request and its seed, not on what else is in the batch (up to the last
    digits of floating-point sums), so that a run that was broken off and resumed samples the same
    paths. Of the settings that a model brings along only its end tokens count; the others are named
    once.
    """

    def __init__(self, name: str, batch_size: int = 64, device: str | None = None) -> None:
        from transformers.utils import logging

        super().__init__()
        logging.disable_progress_bar()  # standard error is for our own progress
        logging.set_verbosity_error()  # what is too long is rejected below, with a reason
        self.name = f"hf/{name}"
        self._tokenizer: Any = load_tokenizer(name, self.name)
        model = load_causal(name, self.name)
        self.device = device or own_device()
        model.to(self.device)
        self._model: Any = model.eval()
        self._encoder = ChatEncoder(self._tokenizer)
        self._head: Any = None  # made at the first likelihood
        # More than a batch, so that a batch can hold requests of like length
        self.in_flight = 4 * batch_size
        self.context = context_of(model.config) or 0
        begin = model.generation_config.bos_token_id
        self._ends = self._end_tokens(model)
        self._decode = ReplyDecoder(self._tokenizer, {*self._ends, begin})
        pad = self._tokenizer.pad_token_id
        self._in_use = threading.Lock()  # one forward at a time: the head hooks into them
        self._writer = Stepper(
            Generation(model, self._ends, 0 if pad is None else pad, batch_size, self._decode),
            self.name,
            self._in_use,
        )
        self._likelihood: Batcher[_Request, float] = Batcher(
            self._log_likelihoods, batch_size, lambda r: len(r.ids)
        )
        self._scorer: Batcher[_Request, Any] = Batcher(
            self._score, batch_size, lambda r: len(r.ids)
        )

    def _end_tokens(self, model: Any) -> frozenset[int]:
        """The tokens that end a reply; the other settings that the model brings along go."""
        from transformers import GenerationConfig

        own = model.generation_config
        ends = self._tokenizer.eos_token_id if own.eos_token_id is None else own.eos_token_id
        if ignored := ignored_settings(own.to_dict()):
            self.say(ignored)
        model.generation_config = GenerationConfig(eos_token_id=ends)
        return token_set(ends)

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        ids = self._encoder(messages)
        room = self.context - len(ids) if self.context else sampling.max_tokens
        if room < min(sampling.max_tokens, 1):
            raise too_long(self.name, len(ids), self.context)
        if sampling.choices:
            reply = await self._choose(_Request(ids, sampling))
        else:
            limit = min(sampling.max_tokens, room)
            reply = self._read(await self._writer(ids, sampling, limit))
        spend(
            self.name, requests=1, tokens_in=reply.prompt_tokens, tokens_out=reply.completion_tokens
        )
        return reply

    async def log_likelihood(self, messages: Sequence[Message], text: str) -> float:
        """The mean log-probability of a token of `text` as the reply to `messages`; what exceeds
        the context is cut."""
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
        await self._writer.close()
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

        with self._in_use, torch.inference_mode():
            return list(
                self._model(**self._pad(requests), logits_to_keep=1).logits[:, -1].float().cpu()
            )

    def _log_likelihoods(self, requests: Sequence[_Request]) -> list[float | Exception]:
        """The mean log-probability of each request's last `max_tokens` tokens; never holds all
        logits at once."""
        import torch

        from rlkd_cli.models.local.labelled_head import LabelledHead

        if self._head is None:
            self._head = LabelledHead(self._model)
        padded = self._pad(requests)
        counts = torch.tensor(
            [[request.sampling.max_tokens] for request in requests], device=self.device
        )
        from_end = torch.arange(padded["input_ids"].shape[1], 0, -1, device=self.device)
        with self._in_use, torch.inference_mode():
            found = self._head.log_probs(self._model, padded, from_end <= counts).float()
        return [
            float(row[-r.sampling.max_tokens :].mean())
            for row, r in zip(found, requests, strict=True)
        ]

    def _read(self, row: Row) -> Reply:
        text, _ = cut_at(self._decode(row.written), row.sampling.stop)
        opened = self._encoder.opens_thinking and not row.sampling.whole
        thinking, text = split(text, opened) if opened else ("", text)
        finish = "stop" if row.stopped else "length"
        return Reply(text, finish, len(row.ids), len(row.written), thinking)
