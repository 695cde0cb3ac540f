"""How a prompt and a reply become token ids, for every training: prompt + path + end, and what ends
it.

A chat template is asked for the prompt alone. What it would make of a reply (drop the thinking,
split it off) must not reach the training: the path is encoded as it stands, and the end is the
token that the template itself puts behind a reply.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transformers import GenerationConfig

from rlkd_cli.core.thinking import CLOSE, OPEN, TAGS, answer_text
from rlkd_cli.errors import RecordError, UsageError
from rlkd_cli.models.base import Message
from rlkd_cli.models.chat import QUESTIONS, apply_template, encode_chat, opens_thinking

_MARK = "the-reply"
# What a generation_config says that is no matter of how a reply is drawn
_HARMLESS = {"eos_token_id", "bos_token_id", "pad_token_id", "transformers_version", "use_cache"}


def end_of(tokenizer: Any) -> int:
    """The token that ends a reply: what the chat template puts behind one, else the tokenizer's
    own.

    UsageError where there is none: a model trained without an end would never stop.
    """
    found = _after_a_reply(tokenizer) if tokenizer.chat_template else None
    end = tokenizer.eos_token_id if found is None else found
    if end is None:
        raise UsageError(f"{tokenizer.name_or_path}: its tokenizer has no end token")
    return int(end)


def _after_a_reply(tokenizer: Any) -> int | None:
    """The first special or added token behind a reply in the template; None where it writes none,
    or no reply.
    """
    reply: Message = {"role": "assistant", "content": _MARK}
    texts = (
        apply_template(tokenizer, [*question, reply, *more], in_parts, prompts=False)
        for more in ([], QUESTIONS[0])  # some templates want a question last
        for question in QUESTIONS
        for in_parts in (False, True)
    )
    text = next((text for text in texts if text), "")
    rest = tokenizer(text.rpartition(_MARK)[2], add_special_tokens=False)["input_ids"]
    special = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
    return next((token for token in rest if token in special), None)


def ends_of(tokenizer: Any, own: GenerationConfig | None = None) -> list[int]:
    """All tokens that a reply may end with, the trained one first, then the tokenizer's and the
    model's.
    """
    declared = own.eos_token_id if own else None
    others = declared if isinstance(declared, list) else [declared]
    found = [end_of(tokenizer), tokenizer.eos_token_id, *others]
    return list(dict.fromkeys(int(token) for token in found if token is not None))


def own_settings(model: Any, tokenizer: Any) -> GenerationConfig:
    """A generation_config that says who ends a reply, and nothing that the model inherited."""
    own = model.generation_config
    return GenerationConfig(
        bos_token_id=own.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=ends_of(tokenizer, own),
    )


def set_aside(own: GenerationConfig) -> dict[str, Any]:
    """The settings of a model that a training does not take over: they would change what it
    writes.
    """
    said: Mapping[str, Any] = own.to_diff_dict()
    return {
        name: value
        for name, value in said.items()
        if name not in _HARMLESS and not name.startswith(("_", "output_")) and value is not None
    }


def decoder(tokenizer: Any, ends: Sequence[int] = ()) -> Callable[[list[int]], str]:
    """From completion ids to paths; of special tokens only those that end, begin and pad are
    dropped.

    Thinking may be told by special tokens, which are part of the path. Thinking that the chat
    template opens is opened in the path too: one that never closes it has no answer.
    """
    around = (*ends, *ends_of(tokenizer), tokenizer.bos_token_id, tokenizer.pad_token_id)
    dropped = {token for token in around if token is not None}
    start = f"{OPEN}\n" if opens_thinking(tokenizer) else ""

    def decode(ids: list[int]) -> str:
        kept = [token for token in ids if token not in dropped]
        return start + str(tokenizer.decode(kept, skip_special_tokens=False))

    return decode


def encode_reply(tokenizer: Any, messages: Sequence[Message], path: str) -> tuple[list[int], int]:
    """(token ids of prompt + path + end, how many of them are the prompt).

    RecordError where the tokens do not give the path back: it would not be what is trained.
    """
    prompt = encode_chat(tokenizer, messages)
    text = _behind_opening(path) if opens_thinking(tokenizer) else path
    reply = tokenizer(text, add_special_tokens=False)["input_ids"]
    if not survives(tokenizer, reply, text):
        raise RecordError("path_lost", "the student's tokens do not give the path back")
    return [*prompt, *reply, end_of(tokenizer)], len(prompt)


def survives(tokenizer: Any, ids: Sequence[int], text: str) -> bool:
    """Whether ids decode to the text, but for white space and Unicode's normal forms."""
    return _bare(str(tokenizer.decode(list(ids), skip_special_tokens=False))) == _bare(text)


def _bare(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())


def untagged(path: str) -> bool:
    """Whether a path says nothing of where its thinking is: a plain solution."""
    return answer_text(path) == path


def _behind_opening(path: str) -> str:
    """What is written where the template has opened thinking; its tag is not repeated.

    Where the thinking of a path without tags ends is not known, and left open it would swallow the
    answer: the path is trained as an answer, behind thinking that is closed at once. RecordError
    for one that opens thinking and never closes it.
    """
    if untagged(path):
        return f"\n{CLOSE}\n\n{path}"
    if answer_text(path) is None:
        raise RecordError("unclosed_thinking", "the path ends inside its thinking, without answer")
    text = path.lstrip()
    tag = next((tag for tag, _ in TAGS if text.startswith(tag)), "")
    return text.removeprefix(tag).lstrip("\n") if tag else path
