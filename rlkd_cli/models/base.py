"""What a text model is: one asynchronous method. Engines differ in how they make a batch of many calls."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp
from typing import Any, Protocol

from rlkd_cli.errors import ModelError

Message = Mapping[str, str]  # {"role": "user", "content": …}


@dataclass(frozen=True)
class Sampling:
    """How a reply is drawn. `choices` restricts it to one of a few texts (a judge's yes or no).

    With `probabilities` the reply says how probable each choice was, which not every server can.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 4096
    seed: int | None = None
    choices: tuple[str, ...] = ()
    probabilities: bool = False
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reply:
    """What a model wrote. `finish_reason` is "stop" or "length"; token counts are 0 where the engine gives none."""

    text: str
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    thinking: str = ""  # what stands apart from the text, as reasoning: a server or a chat template tells them apart
    probabilities: tuple[float, ...] = ()  # one a choice, summing to 1, where they were asked for


class TextModel(Protocol):
    """A model that replies to messages. `name` goes into records and cache keys.

    An engine in this process says in `in_flight` how many requests it wants at a time; a server is asked for as
    many as the user says.
    """

    name: str

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """One reply. RecordError where this request failed; ModelError where every further one would."""
        ...

    async def close(self) -> None:
        """Frees what the model holds; the last call."""
        ...


def request_key(messages: Sequence[Message], sampling: Sampling) -> str:
    """The same for the same request, whatever engine answers it: what recorded replies are found by."""
    usual = asdict(Sampling())
    unusual = {name: value for name, value in asdict(sampling).items() if value != usual[name]}
    request: dict[str, Any] = {"messages": [dict(m) for m in messages], "sampling": unusual}
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:32]


def user(text: str, system: str | None = None) -> list[Message]:
    """The messages of one question, with a system prompt before it where there is one."""
    first: list[Message] = [{"role": "system", "content": system}] if system else []
    return [*first, {"role": "user", "content": text}]


def choice_probabilities(
    choices: Sequence[str], logprobs: Mapping[str, float], model: str
) -> tuple[float, ...]:
    """How probable each choice is among the choices, from the first token's log-probabilities by its text.

    A token counts for a choice where it is that word in any case and spacing. ModelError where none is.
    """
    masses = [
        sum(
            exp(value)
            for token, value in logprobs.items()
            if token.strip().lower() == choice.lower()
        )
        for choice in choices
    ]
    if not sum(masses):
        raise ModelError(
            f"{model} gives no probabilities of {' or '.join(choices)}; leave out --threshold and --probabilities"
        )
    return tuple(mass / sum(masses) for mass in masses)
