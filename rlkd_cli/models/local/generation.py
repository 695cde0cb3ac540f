"""Replies written token by token, in this process: rows come and go while others are under way.

A row that has ended makes room at once, and one that waits takes its place: with replies of uneven
length most steps of a fixed batch would be spent on rows that have long ended. The memory of past
tokens is padded on the left, so that a new row joins behind its own padding; models that remember
in another way (sliding windows, recurrent states) are asked in fixed batches.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

from rlkd_cli.models.base import Sampling
from rlkd_cli.models.local.sampling import draw, generator

_SHARE = 8  # of a batch: how many ended rows are let be before they are taken out, or places filled

_PROMPT_TOKENS = {"cpu": 4096, "accelerator": 65_536}  # read in one step, about a second's worth


@dataclass(eq=False)
class Row:
    """A reply under way. `limit` is in tokens; `wanted` says whether anyone still waits for it."""

    ids: list[int]
    sampling: Sampling
    limit: int
    wanted: Callable[[], bool] = lambda: True
    written: list[int] = field(default_factory=list)
    stopped: bool = False  # by itself, at an end token or a stop text
    done: bool = False
    random: Any = None

    def add(self, token: int, ends: frozenset[int], decode: Callable[[list[int]], str]) -> bool:
        """Takes a token in; whether the reply has ended with it. An end token is written as
        well."""
        self.written.append(token)
        self.stopped = token in ends or self._reached(decode)
        self.done = self.stopped or len(self.written) >= self.limit
        return self.done

    def _reached(self, decode: Callable[[list[int]], str]) -> bool:
        """Whether the text ends in a stop text; looked for in as many tokens as it can take up."""
        stops = self.sampling.stop
        if not stops:
            return False
        tail = decode(self.written[-(max(map(len, stops)) + 8) :])
        return any(stop in tail for stop in stops if stop)


class Generation:
    """Writes rows, `size` at a time at most. `step` gives those that ended; one thread may use
    it."""

    def __init__(
        self,
        model: Any,
        ends: frozenset[int],
        pad: int,
        size: int,
        decode: Callable[[list[int]], str],
    ) -> None:
        self._model, self._ends, self._pad, self._size = model, ends, pad, size
        self._decode, self._device = decode, model.device
        self.waiting: list[Row] = []
        self.rows: list[Row] = []  # under way, in the order of the cache
        self._cache: Any = None
        self._mask: Any = None  # (rows, tokens): 0 where a row is padded
        self._joins = can_join(model)

    @property
    def idle(self) -> bool:
        return not (self.waiting or self.rows)

    def add(self, row: Row) -> None:
        row.random = generator(row.sampling)
        self.waiting.append(row)

    def clear(self) -> list[Row]:
        """Gives up everything; what was under way."""
        left = [row for row in (*self.waiting, *self.rows) if not row.done]
        self.waiting, self.rows, self._cache, self._mask = [], [], None, None
        return left

    def step(self) -> list[Row]:
        """One token more for every row under way; those that have ended with it."""
        import torch

        with torch.inference_mode():
            self.waiting = [row for row in self.waiting if row.wanted()]
            ended = self._write() if self.rows else []
            for row in self.rows:
                row.done = row.done or not row.wanted()
            self._take_out()
            return ended + self._take_in()

    def _write(self) -> list[Row]:
        import torch

        last = torch.tensor([[row.written[-1]] for row in self.rows], device=self._device)
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self.rows), 1)], dim=1)
        positions = self._mask.sum(-1, keepdim=True) - 1
        logits = self._forward(last, self._mask, positions, self._cache)
        return self._append(self.rows, logits)

    def _forward(self, ids: Any, mask: Any, positions: Any, cache: Any) -> Any:
        """The last position's logits, (rows, vocabulary)."""
        return self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]

    def _append(self, rows: Sequence[Row], logits: Any) -> list[Row]:
        going = [place for place, row in enumerate(rows) if not row.done]
        if len(going) < len(rows):
            logits = logits[going]
        alive = [rows[place] for place in going]
        tokens = draw(logits, [row.sampling for row in alive], [row.random for row in alive])
        pairs = zip(alive, tokens, strict=True)
        return [row for row, token in pairs if row.add(token, self._ends, self._decode)]

    def _take_out(self) -> None:
        """Ended rows leave the cache, a few at a time; padding that no row needs leaves with
        them."""
        import torch

        stay = [place for place, row in enumerate(self.rows) if not row.done]
        if not stay:
            self.rows, self._cache, self._mask = [], None, None
        elif len(self.rows) - len(stay) >= max(1, len(self.rows) // _SHARE):
            self.rows = [self.rows[place] for place in stay]
            places = torch.tensor(stay, device=self._device)
            self._mask = self._mask[places]
            padding = int(self._mask.any(0).int().argmax())
            self._mask = self._mask[:, padding:]
            for layer in self._cache.layers:
                layer.keys = layer.keys[places, :, padding:]
                layer.values = layer.values[places, :, padding:]

    def _take_in(self) -> list[Row]:
        """Waiting rows join, those of like length together; those that ended with their first
        token."""
        free = self._size - len(self.rows)
        enough = not self.rows or (self._joins and free >= max(1, self._size // _SHARE))
        if not (self.waiting and enough):
            return []
        self.waiting.sort(key=lambda row: len(row.ids))
        if self._joins:
            free = min(free, self._at_once())
        new, self.waiting = self.waiting[:free], self.waiting[free:]
        if not self._joins:
            return self._whole(new)
        mask, ids = self._padded(new)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        cache = _new_cache(self._model)
        ended = self._append(new, self._forward(ids, mask, positions, cache))
        self._join(new, cache, mask)
        self._take_out()
        return ended

    def _at_once(self) -> int:
        """How many of the waiting prompts are read in one step, which nothing can interrupt."""
        most = _PROMPT_TOKENS["cpu" if self._device.type == "cpu" else "accelerator"]
        fitting = (n for n, row in enumerate(self.waiting, 1) if n * len(row.ids) > most)
        return max(1, next(fitting, len(self.waiting) + 1) - 1)

    def _padded(self, rows: Sequence[Row]) -> tuple[Any, Any]:
        """(mask, ids) of prompts, each (rows, tokens), padded on the left."""
        import torch

        width = max(len(row.ids) for row in rows)
        ids = [[self._pad] * (width - len(row.ids)) + row.ids for row in rows]
        mask = [[0] * (width - len(row.ids)) + [1] * len(row.ids) for row in rows]
        return torch.tensor(mask, device=self._device), torch.tensor(ids, device=self._device)

    def _join(self, new: list[Row], cache: Any, mask: Any) -> None:
        import torch
        from torch.nn.functional import pad

        if not self.rows:
            self.rows, self._cache, self._mask = new, cache, mask
            return
        width = max(mask.shape[1], self._mask.shape[1])
        old, more = width - self._mask.shape[1], width - mask.shape[1]
        self.rows = [*self.rows, *new]
        self._mask = torch.cat([pad(self._mask, (old, 0)), pad(mask, (more, 0))])
        for layer, other in zip(self._cache.layers, cache.layers, strict=True):
            for name in ("keys", "values"):
                mine, theirs = getattr(layer, name), getattr(other, name)
                both = [pad(mine, (0, 0, old, 0)), pad(theirs, (0, 0, more, 0))]
                setattr(layer, name, torch.cat(both))

    def _whole(self, rows: list[Row]) -> list[Row]:
        """A fixed batch from its first token to its last, for models whose rows cannot join
        others."""
        from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

        mask, ids = self._padded(rows)
        width, chosen = ids.shape[1], list[int]()

        def choose(written: Any, scores: Any) -> Any:
            chosen[:] = draw(scores, [r.sampling for r in rows], [r.random for r in rows])
            return scores.new_full(scores.shape, float("-inf")).scatter(
                1, written.new_tensor(chosen)[:, None], 0.0
            )

        def ended(written: Any, scores: Any, **more: Any) -> Any:
            for row, token in zip(rows, written[:, -1].tolist(), strict=True):
                if not row.done:
                    row.add(token, self._ends, self._decode)
                    row.done = row.done or not row.wanted()
            return written.new_tensor([row.done for row in rows], dtype=bool)

        config = GenerationConfig(
            max_new_tokens=max(row.limit for row in rows),
            do_sample=False,
            pad_token_id=self._pad,
            eos_token_id=None,
        )
        self._model.generate(
            input_ids=ids[:, :width],
            attention_mask=mask,
            generation_config=config,
            logits_processor=LogitsProcessorList([choose]),
            stopping_criteria=StoppingCriteriaList([ended]),
        )
        return [row for row in rows if row.wanted()]


def _new_cache(model: Any) -> Any:
    from transformers import DynamicCache

    return DynamicCache(config=model.config)


def can_join(model: Any) -> bool:
    """Whether a model remembers all past tokens alike, layer by layer, so that rows can be
    joined."""
    from transformers.cache_utils import DynamicLayer

    names = signature(model.forward).parameters
    if not {"logits_to_keep", "position_ids", "past_key_values"} <= set(names):
        return False
    layers = _new_cache(model).layers
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)
