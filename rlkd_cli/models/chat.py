"""Chat templates: how messages become a prompt, for every engine and for training."""

from collections.abc import Iterable, Sequence
from typing import Any

from jinja2 import TemplateError

from rlkd_cli.core.thinking import opens, split
from rlkd_cli.errors import RecordError, UsageError
from rlkd_cli.models.base import Message, user

# Whether a template renders questions is tried on these: some refuse a system message, others want
# one
QUESTIONS = (user("What is asked?"), user("What is asked?", "Say what."))


def render_chat(tokenizer: Any, messages: Sequence[Message]) -> str:
    """The prompt's text, ready for the reply; without a chat template the contents, a blank line
    between.

    UsageError for a template that does not say what a model is asked, RecordError where it leaves
    out or changes a part of these messages.
    """
    return _rendered(tokenizer, messages)[1]


def fitting(tokenizer: Any, messages: Sequence[Message]) -> list[Message]:
    """The messages as the chat template takes them; one that refuses or drops a system message gets
    its text before the question.

    Errors as of `render_chat`.
    """
    return _rendered(tokenizer, messages)[0]


def _rendered(tokenizer: Any, messages: Sequence[Message]) -> tuple[list[Message], str]:
    if tokenizer.chat_template is None:
        return list(messages), "\n\n".join(message["content"] for message in messages)
    alike = QUESTIONS[messages[0]["role"] == "system"]
    for in_parts in (False, True):
        for form in _forms(messages):
            text = apply_template(tokenizer, form, in_parts)
            if text is not None:
                return form, text
        if any(apply_template(tokenizer, form, in_parts) for form in _forms(alike)):
            said = "the chat template leaves out or changes what the model is asked"
            raise RecordError("prompt_lost", said)
    wants = (
        "" if alike is QUESTIONS[1] else " (one that wants a system message gets it by --system)"
    )
    raise UsageError(
        f"{tokenizer.name_or_path}: its chat template refuses, leaves out or changes what the "
        f"model is asked{_own_words(tokenizer, messages)}{wants}"
    )


def _own_words(tokenizer: Any, messages: Sequence[Message]) -> str:
    """Why a template refuses the messages, where it says so."""
    try:
        tokenizer.apply_chat_template([dict(message) for message in messages], tokenize=False)
    except TemplateError as error:
        return ": " + " ".join(str(error).split())
    except TypeError:
        pass
    return ""


def _forms(messages: Sequence[Message]) -> list[list[Message]]:
    """The messages as they are, and with the system text before the first question."""
    forms = [list(messages)]
    if [message["role"] for message in messages[:2]] == ["system", "user"]:
        text = f"{messages[0]['content']}\n\n{messages[1]['content']}"
        forms.append([{"role": "user", "content": text}, *messages[2:]])
    return forms


def apply_template(
    tokenizer: Any, messages: Sequence[Message], in_parts: bool = False, prompts: bool = True
) -> str | None:
    """The text of the chat template, with `prompts` ready for the reply; None where the template
    refuses the messages or does not say them word for word.

    White space and a reply's own thinking are the template's matter. Some templates take contents
    as lists of parts alone (`in_parts`), as multimodal models do.
    """
    chat: list[dict[str, Any]] = [dict(message) for message in messages]
    for one in chat if in_parts else ():
        one["content"] = [{"type": "text", "text": one["content"]}]
    try:
        text = tokenizer.apply_chat_template(chat, add_generation_prompt=prompts, tokenize=False)
    except (TemplateError, TypeError):
        return None
    bare = _bare(text)
    return text if all(_bare(_words(message)) in bare for message in messages) else None


def _words(message: Message) -> str:
    content = message["content"]
    return split(content)[1] if message["role"] == "assistant" else content


def _bare(text: str) -> str:
    return "".join(text.split())


def encode_chat(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """The prompt's token ids; a template writes its own special tokens, plain text gets those that
    the tokenizer puts before it, and none behind: the reply comes there."""
    text = render_chat(tokenizer, messages)
    ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    if tokenizer.chat_template is not None:
        return ids
    dressed = list(tokenizer(text)["input_ids"])
    before = range(len(dressed) - len(ids) + 1)
    start = next((n for n in before if dressed[n : n + len(ids)] == ids), None)
    return dressed if start is None else dressed[: start + len(ids)]


def opens_thinking(tokenizer: Any) -> bool:
    """Whether the template ends in an opening tag, so that what a model writes begins inside its
    thinking. UsageError as of `render_chat`."""
    if tokenizer.chat_template is None:
        return False
    for question in QUESTIONS:
        for in_parts in (False, True):
            text = apply_template(tokenizer, question, in_parts)
            if text is not None:
                return opens(text)
    return opens(render_chat(tokenizer, QUESTIONS[0]))


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
