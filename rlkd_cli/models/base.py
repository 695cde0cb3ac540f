"""What a text model is: one asynchronous method. Engines differ in how they make many calls one."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import exp
from typing import Any, Protocol

from rlkd_cli.errors import ModelError, RecordError
from rlkd_cli.models.masks import hide_keys

Message = Mapping[str, str]  # {"role": "user", "content": …}


@dataclass(frozen=True)
class Sampling:
    """How a reply is drawn. `choices` restricts it to one of a few texts (a judge's yes or no).

    With `probabilities` the reply says how probable each choice was, which not every server can. A
    text ends before the first of the `stop` texts, which are no part of it, and counts as stopped.
    A `whole` text is left as it was written, also where the chat template opened thinking.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 4096
    seed: int | None = None
    choices: tuple[str, ...] = ()
    probabilities: bool = False
    stop: tuple[str, ...] = ()
    whole: bool = False


@dataclass(frozen=True)
class Reply:
    """What a model wrote. `finish_reason` is "stop" or "length"; token counts are 0 if not given.

    `thinking` is what stands apart from the text, as reasoning: a server or a chat template tells
    them apart. `probabilities` are one a choice, summing to 1, where they were asked for.
    """

    text: str
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    thinking: str = ""
    probabilities: tuple[float, ...] = ()


class Telling:
    """What a model has to say to its user, each line once; models print nothing themselves.

    `tell` is set by whoever can print. What was said before that waits for it.
    """

    name = ""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._unsaid: list[str] = []
        self._tell: Callable[[str], None] | None = None

    @property
    def tell(self) -> Callable[[str], None]:
        return self._tell or (lambda line: None)

    @tell.setter
    def tell(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        while self._unsaid:
            tell(self._unsaid.pop(0))

    def say(self, line: str, again: bool = False) -> None:
        """`line` after the model's name, once unless `again`; without the keys in it."""
        line = hide_keys(f"{self.name}: {line}")
        if again or line not in self._told:
            self._told.add(line)
            self._tell(line) if self._tell else self._unsaid.append(line)


class TextModel(Protocol):
    """A model that replies to messages. `name` goes into records and cache keys.

    `in_flight` is how many requests it wants at a time: an engine in this process as many as it
    computes together, a server as many as the user says. `tell` is called with what the user should
    know, once each.
    """

    name: str
    in_flight: int
    tell: Callable[[str], None]

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """One reply. RecordError where this request failed, ModelError where all further would."""
        ...

    async def close(self) -> None:
        """Frees what the model holds; the last call."""
        ...


def request_key(messages: Sequence[Message], sampling: Sampling) -> str:
    """What recorded replies are found by: the same for the same request, whoever answers it.

    How a reply is read (`whole`) is no part of the request.
    """
    usual, sampling = asdict(Sampling()), replace(sampling, whole=False)
    unusual = {name: value for name, value in asdict(sampling).items() if value != usual[name]}
    request: dict[str, Any] = {"messages": [dict(m) for m in messages], "sampling": unusual}
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:32]


def user(text: str, system: str | None = None) -> list[Message]:
    """The messages of one question, with a system prompt before it where there is one."""
    first: list[Message] = [{"role": "system", "content": system}] if system else []
    return [*first, {"role": "user", "content": text}]


def too_long(name: str, tokens: int, context: int, about: str = "") -> RecordError:
    """A prompt of more tokens than a model's context; `about`: the number is an estimate."""
    return RecordError("too_long", f"{about}{tokens} tokens exceed {name}'s context of {context}")


def cut_at(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """(text before the first of the `stop` texts, whether there was one)."""
    places = [place for word in stop if word and (place := text.find(word)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def choice_probabilities(
    choices: Sequence[str], logprobs: Mapping[str, float], model: str
) -> tuple[float, ...]:
    """How probable each choice is among the choices, from the first token's log-probabilities by
    its text.

    A token counts for a choice where it is that word in any case and spacing. ModelError where the
    model gives no probabilities at all, RecordError where none is for a choice.
    """
    if not logprobs:
        raise ModelError(
            f"{model} gives no probabilities of {' or '.join(choices)}; "
            "leave out --threshold and --probabilities"
        )
    masses = [
        sum(
            exp(value)
            for token, value in logprobs.items()
            if token.strip().lower() == choice.lower()
        )
        for choice in choices
    ]
    if not sum(masses):
        likely = max(logprobs, key=logprobs.__getitem__)
        raise RecordError(
            "unreadable_verdict",
            f"{model} began with {likely[:40]!r}, which is none of {', '.join(choices)}",
        )
    return tuple(mass / sum(masses) for mass in masses)
