"""From segmentations to token ids with roles: what Structured Fine-grained Training counts (RLKD, section 3.1)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rlkd_cli import prompts
from rlkd_cli.core.loss_weights import END, token_roles
from rlkd_cli.core.steps import ParseError, parse, render, spans
from rlkd_cli.errors import RecordError
from rlkd_cli.models.base import user
from rlkd_cli.models.hf_engine import encode_chat
from rlkd_cli.records import Raw, Step

IGNORED = -1  # the role of prompt and padding


@dataclass(frozen=True)
class Example:
    """One (R, S) pair: token ids of the prompt, of S and of the end token, and a role for each."""

    ids: list[int]
    roles: list[int]


def encode(raw: Raw, tokenizer: Any, prompt: str, max_length: int) -> Example:
    """A segmentation record as an Example.

    RecordError where the steps' text would not be read back as the same steps, or where there are more than
    `max_length` tokens.
    """
    steps = [Step(**step) for step in raw["steps"]]
    text = render(steps)
    try:
        faithful = [tuple(step) for step in parse(text)] == [
            (s.meta_reasoning.strip(), s.sub_problem.strip(), s.answer.strip()) for s in steps
        ]
    except ParseError as error:
        raise RecordError("unparsable_steps", str(error)) from None
    if not faithful:
        raise RecordError("unparsable_steps", "the text form of the steps does not read back as the same steps")
    start = encode_chat(tokenizer, user(prompts.fill(prompt, path=raw["path"], problem=raw.get("problem", ""))))
    target = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    roles = token_roles([tuple(pair) for pair in target["offset_mapping"]], spans(text))
    ids = [*start, *target["input_ids"], tokenizer.eos_token_id]
    if len(ids) > max_length:
        raise RecordError("too_long", f"{len(ids)} tokens, more than --max-length {max_length}")
    return Example(ids, [IGNORED] * len(start) + roles + [END])


def collate(examples: Sequence[dict[str, list[int]]], pad: int) -> dict[str, Any]:
    """Examples as padded tensors `input_ids`, `attention_mask`, `roles`, each (batch, longest)."""
    import torch

    longest = max(len(example["ids"]) for example in examples)

    def padded(name: str, value: int) -> torch.Tensor:
        return torch.tensor([e[name] + [value] * (longest - len(e[name])) for e in examples])

    lengths = torch.tensor([len(example["ids"]) for example in examples])
    mask = (torch.arange(longest)[None, :] < lengths[:, None]).long()
    return {"input_ids": padded("ids", pad), "attention_mask": mask, "roles": padded("roles", IGNORED)}


def encode_all(
    records: Iterable[Raw], tokenizer: Any, prompt: str, max_length: int
) -> tuple[list[Example], list[tuple[Raw, RecordError]]]:
    """All records as examples, and those that cannot be, with the reason."""
    examples: list[Example] = []
    rejected: list[tuple[Raw, RecordError]] = []
    for raw in records:
        try:
            examples.append(encode(raw, tokenizer, prompt, max_length))
        except RecordError as error:
            rejected.append((raw, error))
    return examples, rejected
