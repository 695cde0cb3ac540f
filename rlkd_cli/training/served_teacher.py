"""A teacher behind a vLLM server: its log-probabilities of tokens that are sent to it."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

from rlkd_cli.errors import ModelError, UsageError
from rlkd_cli.models.masks import hide_keys
from rlkd_cli.models.providers import usable_key
from rlkd_cli.models.server.endpoint import credentials
from rlkd_cli.models.server.listing import served_model
from rlkd_cli.models.spec import parse_address, shown

_PASSES = (429, 500, 502, 503, 504)  # what a server that is busy or starting answers
_TIMEOUT = 600.0  # seconds for one batch


class ServedTeacher:
    """vLLM's completions with `prompt_logprobs`, at temperature 1 whatever is asked for.

    A server that does not answer is waited for, `patience` seconds at a time; ModelError after
    that.
    """

    def __init__(
        self, spec: str, patience: float = 0.0, tell: Callable[[str], None] = lambda text: None
    ) -> None:
        self.address, self._key = parse_address(spec), usable_key("RLKD_API_KEY")
        self.served = served_model(self.address, self.address.model, self._key, patience, tell)
        self.spec, self._patience, self._tell = shown(spec), patience, tell

    def check(self, tokenizer: Any, needed: int) -> None:
        """UsageError where its vocabulary is not the tokenizer's, or sequences do not fit.

        The server decodes the whole vocabulary in order, which is compared with what the tokenizer
        makes of it. One token of the context is for the answer that nobody reads.
        """
        tokens = list(range(len(tokenizer)))
        said = self._post(self.address.base.removesuffix("/v1") + "/detokenize", {"tokens": tokens})
        if said.get("prompt") != tokenizer.decode(tokens):
            raise UsageError(
                f"--teacher {self.spec}: its vocabulary differs from the student's; "
                "the two are compared token by token"
            )
        context = self.served.context
        if context and needed + 1 > context:
            raise UsageError(
                f"--teacher {self.spec}: its context of {context:,} tokens is shorter than the "
                f"{needed + 1:,} of the longest prompt and reply"
            )

    def log_probs(self, sequences: Sequence[list[int]], starts: Sequence[int]) -> list[list[float]]:
        """Of each sequence, the log-probabilities of its tokens from its start on."""
        asked = {"prompt": list(sequences), "max_tokens": 1, "temperature": 1, "prompt_logprobs": 0}
        choices = self._post(self.address.at("/completions"), asked)["choices"]
        try:
            return [
                [said[i][str(ids[i])]["logprob"] for i in range(start, len(ids))]
                for ids, start, said in zip(
                    sequences, starts, (one["prompt_logprobs"] for one in choices), strict=True
                )
            ]
        except (KeyError, IndexError, TypeError, ValueError):
            raise ModelError(
                f"--teacher {self.spec}: it gives no prompt log-probabilities; vLLM's server does"
            ) from None

    def _post(self, url: str, body: dict[str, Any]) -> dict[str, Any]:
        """What the server answers, waited for where it is away."""
        data = json.dumps({"model": self.served.name, **body}).encode()
        headers = credentials(self.address, self._key) | {"Content-Type": "application/json"}
        request, deadline, pause = urllib.request.Request(url, data, headers), None, 1.0
        while True:
            try:
                with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
                    return json.load(response)  # type: ignore[no-any-return]
            except (OSError, ValueError) as error:
                why = _why(error)
                if isinstance(error, urllib.error.HTTPError) and error.code not in _PASSES:
                    raise ModelError(f"--teacher {self.spec}: {why}") from None
            deadline = deadline or time.monotonic() + self._patience
            if time.monotonic() + pause > deadline:
                raise ModelError(f"--teacher {self.spec} does not answer: {why}")
            self._tell(f"--teacher {self.spec} does not answer ({why}); waiting for it")
            time.sleep(pause)
            pause = min(2 * pause, 30.0)


def _why(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        text = error.read(500).decode("utf-8", "replace")
        return hide_keys(f"HTTP {error.code}: {' '.join(text.split())}")
    return hide_keys(" ".join(str(getattr(error, "reason", None) or error).split()))
