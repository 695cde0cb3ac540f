"""Preflight: what a training is about to do, as its model's tokenizer and configuration have it.

Shown by `--dry-run` and before the first step; loads no weights.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import GenerationConfig

from rlkd_cli.errors import RecordError
from rlkd_cli.models import Message
from rlkd_cli.models.chat import encode_chat, opens_thinking
from rlkd_cli.models.spec import model_of
from rlkd_cli.records.schema import Raw
from rlkd_cli.reward.segmenter import Segmenter
from rlkd_cli.reward.structured import segmented
from rlkd_cli.training.replies import ends_of, set_aside

SHOWN = 600  # characters of a prompt

Line = tuple[str, str]


def prompt_facts(tokenizer: Any, messages: Sequence[Message]) -> list[Line]:
    """The first prompt as the model gets it, decoded, and who opens its thinking."""
    text = str(tokenizer.decode(encode_chat(tokenizer, messages)))
    if len(text) > SHOWN:
        text = f"{text[: SHOWN // 2]} […] {text[-SHOWN // 2 :]}"
    opened = (
        "the template, in the prompt" if opens_thinking(tokenizer) else "the model, if it thinks"
    )
    return [("first prompt", text), ("thinking is opened by", opened)]


def reply_facts(name: str, tokenizer: Any) -> list[Line]:
    """What ends a reply, and which settings of the model are set aside."""
    own = generation_settings(name)
    ends = ", ".join(f"{tokenizer.decode([token])} ({token})" for token in ends_of(tokenizer, own))
    aside = set_aside(own)
    lines = [("a reply ends with", ends)]
    return lines + [("settings of the model set aside", _words(aside))] * bool(aside)


def length_facts(context: int | None, prompt: int, needed: int) -> list[Line]:
    """The context against the lengths, in tokens."""
    lengths = f"longest prompt {prompt:,}, with its reply {needed:,}"
    return [("context", f"{context:,}; {lengths}" if context else f"unknown; {lengths}")]


def segmentation(gsrm: Segmenter, record: Raw) -> str:
    """What the GSRM makes of a record's path: one call, on a model that is closed behind it."""

    async def ask() -> str:
        try:
            steps = await segmented(gsrm, record)
        except RecordError as error:
            return f"no steps: {error}"
        finally:
            await gsrm.model.close()
        return f"{len(steps)} steps; the first: {steps[0].sub_problem}"

    return asyncio.run(ask()) if record.get("path") else "no path to try it on"


def generation_settings(name: str) -> GenerationConfig:
    """A model's own generation_config; an empty one where it has none."""
    try:
        return GenerationConfig.from_pretrained(model_of(name))
    except (OSError, ValueError):
        return GenerationConfig()


def _words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())
