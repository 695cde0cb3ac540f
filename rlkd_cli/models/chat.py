"""Chat templates: how messages become a prompt, for every engine and for training."""

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

from rlkd_cli.core.thinking import opens
from rlkd_cli.errors import UsageError
from rlkd_cli.models.base import Message

# What a template is tried on
SYSTEM: Message = {"role": "system", "content": "?"}
ASK: Message = {"role": "user", "content": "?"}


def render_chat(tokenizer: Any, messages: Sequence[Message]) -> str:
    """The prompt's text, ready for the reply; without a chat template the contents, a blank line
    between."""
    if tokenizer.chat_template is None:
        return "\n\n".join(message["content"] for message in messages)
    return apply_template(tokenizer, messages, add_generation_prompt=True)


def apply_template(tokenizer: Any, messages: Sequence[Message], **more: Any) -> str:
    """A chat as the template writes it. UsageError, in the template's own words, where it refuses
    it."""
    from jinja2 import TemplateError

    chat = [dict(message) for message in messages]
    try:
        return str(tokenizer.apply_chat_template(chat, tokenize=False, **more))
    except TemplateError as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        has_system = any(message["role"] == "system" for message in messages)
        hint = (
            "" if has_system else " (--system TEXT, where a command has it, gives a system message)"
        )
        said = f"{tokenizer.name_or_path}: its chat template refuses: {reason}{hint}"
        raise UsageError(said) from error


def first_rendered(tokenizer: Any, chats: Sequence[Sequence[Message]], **more: Any) -> str | None:
    """The first of the chats that the template takes: some ask for a system message, or want a
    question last."""
    for chat in chats:
        with contextlib.suppress(UsageError):
            return apply_template(tokenizer, chat, **more)
    return None


def encode_chat(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """The prompt's token ids; a template writes its own special tokens, plain text gets the
    tokenizer's."""
    text = render_chat(tokenizer, messages)
    return list(tokenizer(text, add_special_tokens=tokenizer.chat_template is None)["input_ids"])


def opens_thinking(tokenizer: Any) -> bool:
    """Whether the template ends in an opening tag, so that what a model writes begins inside its
    thinking."""
    if tokenizer.chat_template is None:
        return False
    return opens(
        first_rendered(tokenizer, [[ASK], [SYSTEM, ASK]], add_generation_prompt=True) or ""
    )


class ReplyDecoder:
    """A reply's text without end, begin and padding tokens; `<think>` is a special token to some.

    `others` are such tokens of the model's besides the tokenizer's; None is none.
    """

    def __init__(self, tokenizer: Any, others: Iterable[int | None]) -> None:
        own = (tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id)
        self._tokenizer, self._dropped = tokenizer, {*own, *others} - {None}

    def __call__(self, tokens: Sequence[int]) -> str:
        kept = [token for token in tokens if token not in self._dropped]
        return str(self._tokenizer.decode(kept, skip_special_tokens=False))


def token_set(ids: int | Sequence[int] | None) -> frozenset[int]:
    """What a configuration names as end tokens: one, several, or none."""
    return frozenset({ids} if isinstance(ids, int) else ids or ())


class ChatEncoder:
    """`encode_chat` that remembers the last chat: the samples of a problem come one after
    another."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.opens_thinking = opens_thinking(tokenizer)
        self._last: tuple[list[Message], list[int]] = ([], [])

    def __call__(self, messages: Sequence[Message]) -> list[int]:
        if self._last[0] != messages:
            self._last = list(messages), encode_chat(self._tokenizer, messages)
        return list(self._last[1])
