"""What a model refuses, learnt once and shared by all its requests: names, values and limits."""

import re
from dataclasses import dataclass, field
from typing import Any

from rlkd_cli.models.server.said import Said, plain

LIMITS = ("max_tokens", "max_completion_tokens")  # the old and the new name of one limit
_OURS = ("model", "messages")  # what no request goes without
_UNSUPPORTED = re.compile(
    r"unsupported|not supported|is ?n[o']t supported|does ?n[o']t support|unrecognized|unrecognised"
    r"|unknown|not permitted|not allowed|cannot find field|unexpected|deprecated|no longer"
    r"|cannot both be|not (currently )?(available|enabled|accepted)|only the default"
    r"|only \S+( \S+)? (is|are) (allowed|supported|accepted|permitted)|must be (set to )?1\b",
    re.IGNORECASE,
)
_UNSUPPORTED_CODES = frozenset(
    map(
        plain,
        ("unsupported_parameter", "unsupported_value", "unknown_parameter", "extra_forbidden"),
    )
)
_NUMBER = re.compile(r"(?<![\w.-])\d[\d,]*(?![\w-]|\.\d)")
_CONTEXT = re.compile(
    r"(?:context[ _](?:length|window|size)\D{0,30}|(?:must be )?<= ?)(\d[\d,]*)", re.IGNORECASE
)
_READ = re.compile(
    r"(?<![\w.-])(\d[\d,]*)\W{0,3}(?:tokens )?(?:in the (?:messages|prompt|input)|of text input"
    r"|(?:input|prompt)\b|inputs\b)",
    re.IGNORECASE,
)


@dataclass
class Lessons:
    """What is known by now of the model. `fit` makes a request that it takes."""

    limit: str | None = LIMITS[0]  # what it calls the limit; None: it takes none
    most: dict[str, int] = field(default_factory=dict)  # the largest value, by field
    refused: set[str] = field(default_factory=set)
    _names: set[str] = field(default_factory=set)  # of the limit, that it refused

    def fit(self, request: dict[str, Any]) -> dict[str, Any]:
        """The request without what the model refuses; its own limits where they are smaller."""
        fitting: dict[str, Any] = {}
        for name, value in request.items():
            called = self.limit if name == LIMITS[0] else name
            if called is not None and name not in self.refused:
                fitting[called] = min(value, self.most[name]) if name in self.most else value
        return fitting

    def learn(self, said: Said, sent: dict[str, Any]) -> str | None:
        """The line that says what the refusal of `sent` teaches; None where it teaches nothing.

        A refusal that crossed with others like it teaches nothing new: the line is the same again.
        """
        name = _subject(said, sent)
        if name is None:
            return None
        unsupported = not _UNSUPPORTED_CODES.isdisjoint(said.codes)
        if not (unsupported or _UNSUPPORTED.search(said.text)) and name in (
            *LIMITS,
            "top_logprobs",
        ):
            return self._cap(name, said, sent)
        if name in LIMITS:
            return self._rename(name)
        if name not in ("seed", "stop") and not (unsupported or _UNSUPPORTED.search(said.text)):
            return None
        names = [n for n in ("logprobs", "top_logprobs") if "logprobs" in name] or [name]
        self.refused.update(names)
        return f"{' and '.join(names)}: not supported by the model; omitted from now on"

    def still_refuses(self, said: Said) -> bool:
        """Whether a refusal is about a field that is left out already."""
        return _subject(said, dict.fromkeys(self.refused)) is not None

    def _rename(self, name: str) -> str:
        """The limit under its other name; none at all for a model that refuses both."""
        other = LIMITS[1 - LIMITS.index(name)]
        if name == self.limit:
            self.limit = None if other in self._names else other
        self._names.add(name)
        if self.limit is None:
            return "accepts no token limit; using the server's default"
        return f"{name}: the model calls it {other}; using that name"

    def _cap(self, name: str, said: Said, sent: dict[str, Any]) -> str:
        """The model's own largest value, where its words name one; else the field is left out."""
        asked = int(sent[name])
        field_name = LIMITS[0] if name in LIMITS else name
        numbers = [int(n.replace(",", "")) for n in _NUMBER.findall(said.text)]
        least = 0 if name == "top_logprobs" else 1
        smaller = [n for n in numbers if least < n < asked]
        if not smaller:
            self.refused.add(field_name)
            return f"{name}: {asked} is too large for the model; omitted from now on"
        self.most[field_name] = min(max(smaller), self.most.get(field_name, asked))
        return f"{name}: {asked} is above the model's limit; using {max(smaller)} from now on"


def blamed(said: Said, sent: dict[str, Any]) -> bool:
    """Whether a refusal is of a setting of the run's, so that every request would be refused."""
    if not _UNSUPPORTED_CODES.isdisjoint(said.codes):
        return True
    name = _subject(said, sent)
    if name is None or name in ("seed", *LIMITS):
        return False
    return bool(said.param or re.search(rf"^\W*{name}\b|[`'\"]{name}[`'\"]", said.text))


def room(said: Said, sent: dict[str, Any]) -> tuple[int, int] | None:
    """(context, tokens left for the reply) where prompt and limit exceed the context; else None.

    The context is in the server's words ("maximum context length is 4096 tokens … 1000 in the
    messages"); nothing is left where the prompt alone is too long.
    """
    if not any(name in sent for name in LIMITS):
        return None
    context, read = _CONTEXT.search(said.text), _READ.search(said.text)
    if not (context and read):
        return None
    whole, prompt = (int(found.group(1).replace(",", "")) for found in (context, read))
    return whole, max(whole - prompt, 0)


def _subject(said: Said, sent: dict[str, Any]) -> str | None:
    """The request's field that a refusal is about: by its `param`, else the first it names."""
    optional = [name for name in sent if name not in _OURS]
    named = re.sub(r"\[.*|.*\.", "", said.param)
    if named in optional:
        return named
    if said.param and named in _OURS:
        return None
    places = {
        name: found.start()
        for name in optional
        if (found := re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", said.text, re.IGNORECASE))
    }
    return min(places, key=places.__getitem__) if places else None
