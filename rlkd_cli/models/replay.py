"""Recorded replies instead of a model: for READMEs, tests and runs without a network. `--record
FILE` writes them."""

import json
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from rlkd_cli.errors import InputError, RecordError, UsageError
from rlkd_cli.models.base import Message, Reply, Sampling, Telling, TextModel, request_key
from rlkd_cli.models.usage import spend


class ReplayModel(Telling):
    """Answers from a file of `{"key", "reply"}` lines; the same request asked again gets the next
    recorded reply."""

    def __init__(self, file: Path, in_flight: int) -> None:
        super().__init__()
        self.name, self.in_flight = f"replay/{file.name}", in_flight
        self._replies: dict[str, deque[Reply]] = defaultdict(deque)
        if not file.is_file():
            raise UsageError(f"replay/{file}: no such file (--record FILE on any run writes one)")
        for number, line in enumerate(file.read_text("utf-8").split("\n"), start=1):
            if line.strip():
                try:
                    entry = json.loads(line)
                    self._replies[entry["key"]].append(Reply(**entry["reply"]))
                except (ValueError, KeyError, TypeError) as error:
                    raise InputError(
                        f"{file}:{number}", "", f"not a recorded reply: {error}"
                    ) from None

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        replies = self._replies.get(request_key(messages, sampling))
        if not replies:
            raise RecordError("not_recorded", f"{self.name} holds no reply to this request")
        reply = replies.popleft() if len(replies) > 1 else replies[0]
        spend(
            self.name, requests=1, tokens_in=reply.prompt_tokens, tokens_out=reply.completion_tokens
        )
        return reply

    async def close(self) -> None:
        pass


class RecordingModel:
    """Passes requests on and appends each reply to a file that `replay/FILE` reads."""

    def __init__(self, inner: TextModel, file: Path) -> None:
        self.name, self.in_flight, self._inner = inner.name, inner.in_flight, inner
        self._out = file.open("a", encoding="utf-8")

    @property
    def tell(self) -> Callable[[str], None]:
        return self._inner.tell

    @tell.setter
    def tell(self, tell: Callable[[str], None]) -> None:
        self._inner.tell = tell

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        reply = await self._inner.reply(messages, sampling)
        entry = {"key": request_key(messages, sampling), "reply": asdict(reply)}
        self._out.write(json.dumps(entry) + "\n")
        self._out.flush()
        return reply

    async def close(self) -> None:
        self._out.close()
        await self._inner.close()
