"""What a text model is: one asynchronous method. Engines differ in how they make a batch of many calls."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

Message = Mapping[str, str]  # {"role": "user", "content": …}


@dataclass(frozen=True)
class Sampling:
    """How a reply is drawn. `choices` restricts it to one of a few texts (a judge's yes or no)."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 4096
    seed: int | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reply:
    """What a model wrote. `finish_reason` is "stop" or "length"; token counts are 0 where the engine gives none."""

    text: str
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0


class TextModel(Protocol):
    """A model that replies to messages. `name` goes into records and cache keys."""

    name: str

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """One reply. RecordError where this request failed; ModelError where every further one would."""
        ...

    async def close(self) -> None:
        """Frees what the model holds; the last call."""
        ...


def request_key(messages: Sequence[Message], sampling: Sampling) -> str:
    """The same for the same request, whatever engine answers it: what recorded replies are found by."""
    request: dict[str, Any] = {"messages": [dict(m) for m in messages], "sampling": asdict(sampling)}
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:32]


def user(text: str, system: str | None = None) -> list[Message]:
    """The messages of one question, with a system prompt before it where there is one."""
    first: list[Message] = [{"role": "system", "content": system}] if system else []
    return [*first, {"role": "user", "content": text}]
