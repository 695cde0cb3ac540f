"""The sequence S as text (RLKD, section 3.1 and Figure 2): rendering, parsing, and spans.

    [Meta-reasoning 1]: …
    [Sub-problem 1]: …
    [Answer 1]: …

is what a segmenting model writes. The parser also accepts the variants that occur in practice: the
authors' `[sub-think 1]`, `[Query 1]` and `[Meat-reasoning 1]`, several parts on a line, and
Markdown around it. It raises an error with a reason if the text is not a sequence of complete steps
in order, because a list that was silently shortened would give a wrong reward.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

Part = Literal["meta_reasoning", "sub_problem", "answer"]
PARTS: tuple[Part, ...] = ("meta_reasoning", "sub_problem", "answer")
TokenSet = Literal["meta", "solving"]  # the two token sets of Structured Fine-grained Training

_NAMES: dict[str, Part] = {
    "meta-reasoning": "meta_reasoning",
    "meat-reasoning": "meta_reasoning",
    "sub-think": "meta_reasoning",
    "sub-problem": "sub_problem",
    "query": "sub_problem",
    "answer": "answer",
}
_MARKER = re.compile(
    rf"\*{{0,4}}\[\s*({'|'.join(_NAMES)})\s+([0-9]{{1,6}})\s*\]\**\s*:\**", re.IGNORECASE
)
_CLOSING = re.compile(
    r"(?:\A|\n|(?<=\.)\s)\s{0,16}\*{0,4}So,? the final answer is\b[^\n]*(?:\n\s*)?\Z",
    re.IGNORECASE,
)
_FENCE = re.compile(r"(?P<before>[^`]*)```[a-z]*\n(?P<inside>.*?)\n?```(?P<after>[^`]*)", re.DOTALL)


class StepText(NamedTuple):
    """One step's three texts."""

    meta_reasoning: str
    sub_problem: str
    answer: str


class StepLike(Protocol):
    """Anything with the three parts of a step."""

    @property
    def meta_reasoning(self) -> str: ...
    @property
    def sub_problem(self) -> str: ...
    @property
    def answer(self) -> str: ...


class ParseError(ValueError):
    """Text that is not a complete sequence of steps; the message says why."""


@dataclass(frozen=True)
class Span:
    """Characters start:end of S, and the token set they belong to."""

    start: int
    end: int
    owner: TokenSet


def render(steps: Sequence[StepLike], final_answer: str | None = None) -> str:
    """S as text, one part per line, without a newline at the end.

    A closing line is added if a final answer is given.
    """
    titles = ("Meta-reasoning", "Sub-problem", "Answer")
    lines = [
        f"[{title} {number}]: {getattr(step, part).strip()}"
        for number, step in enumerate(steps, start=1)
        for title, part in zip(titles, PARTS, strict=True)
    ]
    return "\n".join(
        lines + ([f"So the final answer is: {final_answer}"] if final_answer is not None else [])
    )


def parse(text: str) -> list[StepText]:
    """The steps of S.

    ParseError if a part is missing or empty, a number is out of order, or there is no step.
    """
    body = _unfenced(text)
    markers = list(_MARKER.finditer(body))
    if not markers:
        raise ParseError("no step found")
    contents: list[str] = []
    for position, marker in enumerate(markers):
        number, expected = position // 3 + 1, PARTS[position % 3]
        found, label = _NAMES[marker.group(1).lower()], int(marker.group(2))
        if (found, label) != (expected, number):
            raise ParseError(f"expected {expected} {number}, found {found} {label}")
        last = position + 1 == len(markers)
        content = body[marker.end() : len(body) if last else markers[position + 1].start()]
        contents.append(_clean(_CLOSING.sub("", content) if last else content))
        if not contents[-1]:
            raise ParseError(f"{expected} {number} is empty")
    if len(contents) % 3:
        raise ParseError(f"step {len(contents) // 3 + 1} lacks its {PARTS[len(contents) % 3]}")
    return [StepText(*contents[i : i + 3]) for i in range(0, len(contents), 3)]


def _unfenced(text: str) -> str:
    """What a code fence holds, where all steps are in it; words around it are no step."""
    fenced = _FENCE.fullmatch(text)
    if fenced and not _MARKER.search(fenced["before"]) and not _MARKER.search(fenced["after"]):
        return fenced["inside"]
    return text


def _clean(content: str) -> str:
    """A part without surrounding space and without a list dash before the next marker."""
    return re.sub(r"(?:\A|\s)-+\Z", "", content.strip()).strip()


def spans(text: str) -> list[Span]:
    """Which characters of S belong to M and which to Q&A; the spans cover the text without gaps.

    The paper does not say which set the markers and line ends belong to. Our choice: a marker
    belongs to the part it opens, a line end to the part it closes, and the closing line to Q&A, so
    that a model trained on Q&A learns to stop. Text before the first marker belongs to the first
    part.
    """
    found: list[Span] = []
    markers = list(_MARKER.finditer(text))
    for position, marker in enumerate(markers):
        start = marker.start() if position else 0
        end = markers[position + 1].start() if position + 1 < len(markers) else len(text)
        part = _NAMES[marker.group(1).lower()]
        owner: TokenSet = "meta" if part == "meta_reasoning" else "solving"
        closing = _CLOSING.search(text, start, end) if position + 1 == len(markers) else None
        if closing and owner == "meta":
            found.append(Span(start, closing.start(), "meta"))
            start, owner = closing.start(), "solving"
        found.append(Span(start, end, owner))
    return found
