"""From segmentations to token ids with roles: what Structured Fine-grained Training counts (RLKD,
section 3.1).
"""

import bisect
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlkd_cli import prompts
from rlkd_cli.core.loss_weights import END, token_roles
from rlkd_cli.core.steps import ParseError, parse, render, spans
from rlkd_cli.errors import RecordError
from rlkd_cli.models.base import user
from rlkd_cli.models.chat import encode_chat
from rlkd_cli.records.schema import Raw, Step
from rlkd_cli.training.replies import end_of, survives

IGNORED = -1  # the role of prompt and padding


@dataclass(frozen=True)
class Example:
    """One (R, S) pair: token ids of the prompt, of S and of the end token, and a role for each,
    both (tokens,).

    Arrays of 5 bytes a token, where lists of Python's integers take 45: a hundred thousand long
    pairs stay in memory.
    """

    ids: NDArray[np.int32]
    roles: NDArray[np.int8]


def encode(
    raw: Raw, tokenizer: Any, prompt: str, max_length: int, truncate: bool = False
) -> Example:
    """A segmentation record as an Example.

    RecordError where the steps' text would not be read back as the same steps, from text or tokens,
    or where there are more than `max_length` tokens; with `truncate`, the path in the prompt then
    loses its end instead, never the steps.
    """
    text = _faithful_text([Step(**step) for step in raw["steps"]])
    path, problem = raw["path"], raw.get("problem", "")
    target = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    if not survives(tokenizer, target["input_ids"], text):
        raise RecordError("path_lost", "the model's tokens do not give the steps back")
    roles = [*token_roles([tuple(pair) for pair in target["offset_mapping"]], spans(text)), END]

    def asked(characters: int) -> list[int]:
        return encode_chat(
            tokenizer, user(prompts.fill(prompt, path=path[:characters], problem=problem))
        )

    start = asked(len(path))
    if len(start) + len(roles) > max_length:
        keep = (
            _longest(lambda length: len(asked(length)) + len(roles) <= max_length, len(path))
            if truncate
            else 0
        )
        if not keep:
            raise RecordError(
                "too_long", f"{len(start) + len(roles)} tokens, more than --max-length {max_length}"
            )
        start = asked(keep)
    ids = [*start, *target["input_ids"], end_of(tokenizer)]
    return Example(np.array(ids, np.int32), np.array([IGNORED] * len(start) + roles, np.int8))


def _faithful_text(steps: list[Step]) -> str:
    """The steps as text; RecordError where the parser would read something else in it."""
    text = render(steps)
    own = [(s.meta_reasoning.strip(), s.sub_problem.strip(), s.answer.strip()) for s in steps]
    try:
        if [tuple(step) for step in parse(text)] == own:
            return text
    except ParseError as error:
        raise RecordError("unparsable_steps", str(error)) from None
    raise RecordError(
        "unparsable_steps", "the text form of the steps does not read back as the same steps"
    )


def _longest(fits: Callable[[int], bool], most: int) -> int:
    """The largest length up to `most` that fits, by bisection; 0 where none does."""
    return bisect.bisect_right(range(1, most + 1), 0, key=lambda length: 0 if fits(length) else 1)


def split(records: Sequence[Raw], fraction: float, seed: int) -> tuple[list[Raw], list[Raw]]:
    """(held out, to train on): a random share of the records is kept from training, the same one
    for the same seed.
    """
    held = set(random.Random(seed).sample(range(len(records)), round(fraction * len(records))))
    return [r for i, r in enumerate(records) if i in held], [
        r for i, r in enumerate(records) if i not in held
    ]


def collate(examples: Sequence[Example], pad: int) -> dict[str, Any]:
    """Examples as padded tensors `input_ids`, `attention_mask`, `roles`, each (batch, longest)."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    ids = pad_sequence(
        [torch.from_numpy(e.ids).long() for e in examples], batch_first=True, padding_value=pad
    )
    roles = pad_sequence(
        [torch.from_numpy(e.roles).long() for e in examples],
        batch_first=True,
        padding_value=IGNORED,
    )
    lengths = torch.tensor([len(e.ids) for e in examples])
    return {
        "input_ids": ids,
        "attention_mask": (torch.arange(ids.shape[1]) < lengths[:, None]).long(),
        "roles": roles,
    }


def pack(examples: Sequence[Example]) -> dict[str, Any]:
    """Examples behind one another in a single row, (1, total) each, without padding.

    `position_ids` begin anew with each example: without an attention mask, that is what keeps them
    from seeing one another. The first token of each has no label, because what stands before it is
    another example.
    """
    import torch

    row = torch.cat([torch.from_numpy(e.ids).long() for e in examples])
    roles = torch.cat([torch.from_numpy(e.roles).long() for e in examples])
    positions = torch.cat([torch.arange(len(e.ids)) for e in examples])
    return {
        "input_ids": row[None],
        "position_ids": positions[None],
        "roles": roles.masked_fill(positions == 0, IGNORED)[None],
    }


def encode_all(
    records: Iterable[Raw], tokenizer: Any, prompt: str, max_length: int, truncate: bool = False
) -> tuple[list[Example], list[tuple[Raw, RecordError]]]:
    """All records as examples, and those that cannot be, with the reason."""
    examples: list[Example] = []
    rejected: list[tuple[Raw, RecordError]] = []
    for raw in records:
        try:
            examples.append(encode(raw, tokenizer, prompt, max_length, truncate))
        except RecordError as error:
            rejected.append((raw, error))
    return examples, rejected
