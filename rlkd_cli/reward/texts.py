"""What trainers hand over as prompts and completions, as plain texts."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rlkd_cli.core.thinking import join
from rlkd_cli.errors import RecordError
from rlkd_cli.records.chat import parts_of, thinking_of

# Tokens that end a completion, where it was decoded with special tokens
_END = re.compile(
    r"(?:<\|(?:im_end|endoftext|eot_id|eom_id|end_of_text|end|return|eos|END_OF_TURN_TOKEN)"
    r"\|>|<｜end▁of▁sentence｜>|</s>|<eos>|<pad>|<\|pad\|>|<end_of_turn>|<turn\|>|\[EOS\])\Z"
)
_LONGEST = 30  # characters of an end token, at most
_TAIL = 200  # characters of a prompt that are looked for where the whole is not found


def completion_text(completion: Any) -> str | None:
    """A completion as the path that the model wrote: a text, or the assistant's messages with their
    thinking; None for none.

    End tokens are no part of it, nor what users and tools said.
    """
    if completion is None:
        return None
    if isinstance(completion, str):
        return without_ends(completion)
    messages = [completion] if isinstance(completion, Mapping) else list(completion)
    return "\n".join(_message(message) for message in messages if is_assistants(message))


def is_assistants(message: Mapping[str, Any]) -> bool:
    """Whether the model wrote a message, as one without a role is taken to be."""
    return message.get("role") in (None, "assistant")


def _message(message: Mapping[str, Any]) -> str:
    return without_ends(join(thinking_of(message), content_of(message)))


def content_of(message: Mapping[str, Any]) -> str:
    """A message's text, whose content may be a list of parts."""
    content = message.get("content")
    if isinstance(content, Sequence) and not isinstance(content, str):
        return parts_of(list(content))[1] or ""
    return "" if content is None else str(content)


def problem_text(prompt: Any) -> str | None:
    """The problem in a prompt: the text itself, or its last message of the user."""
    if prompt is None or isinstance(prompt, str):
        return prompt
    messages = [message for message in prompt if isinstance(message, Mapping)]
    asked = [message for message in messages if message.get("role") == "user"]
    return content_of(asked[-1]) if asked else None


def without_ends(text: str) -> str:
    """A completion without the end and padding tokens behind it."""
    end, bare = len(text), _bare(text, len(text))
    while found := _END.search(text, max(bare - _LONGEST, 0), bare):
        end = bare = _bare(text, found.start())
    return text[:end]


def _bare(text: str, end: int) -> int:
    """Where the text up to `end` ends without the space behind it."""
    while end and text[end - 1].isspace():
        end -= 1
    return end


def response_of(query: str, prompt: str) -> str:
    """What follows the prompt in a text of prompt and response. RecordError where it is not there.

    A prompt that was cut at its beginning is found by its end.
    """
    if query.startswith(prompt):
        return without_ends(query[len(prompt) :])
    tail = prompt[-_TAIL:]
    place = query.find(tail)
    if not tail or place < 0:
        raise RecordError("no_response", "the query does not contain its prompt")
    return without_ends(query[place + len(tail) :])


def labelled(label: Any, about: Any) -> dict[str, Any]:
    """A row of a label and of what else is known, in which nothing is no other name for it."""
    known = about.items() if isinstance(about, Mapping) else ()
    return {"label": label, **{name: value for name, value in known if value is not None}}


def named(columns: Mapping[str, Any], prompt: Any = None) -> dict[str, Any]:
    """How a row of a trainer's data names its problem: by `id`, `label` or `problem`, or the
    prompt's text.
    """
    text = columns.get("problem") or columns.get("question") or problem_text(prompt)
    return {"id": columns.get("id"), "label": columns.get("label"), "problem": text}
