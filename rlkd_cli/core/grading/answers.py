r"""Where the final answer of a reasoning path stands: after the thinking, in `<answer>`, in the
last boxes.

Everything here passes over the text a fixed number of times, however long it is and whatever is
left open in it. Patterns bound every repeat, so that no text makes them try twice.
"""

import re
from typing import NamedTuple

from rlkd_cli.core.grading.dress import undress
from rlkd_cli.core.grading.shape import bracket, split_top, values
from rlkd_cli.core.grading.statements import statement
from rlkd_cli.core.grading.withdrawals import refused, taken_back
from rlkd_cli.core.thinking import answer_text

_AFTER = 20_000  # characters after the last box, or of a tag, in which words may state an answer
_TAGS = ("answer", "final_answer")
LAST = 100  # boxes or claims that are looked at, from the end


class Box(NamedTuple):
    """A box's content, and where the box begins and ends in the text."""

    content: str
    start: int
    end: int


class _Place(NamedTuple):
    """Where a box and its content begin and end in the text."""

    start: int
    content: int
    content_end: int
    end: int


class Found(NamedTuple):
    """A path's final answer; `parts` are the boxes that it is made of, where they are several."""

    answer: str
    parts: tuple[str, ...] = ()


_TOKEN = re.compile(
    r"\\{1,2}(?:boxed|fbox|framebox)(?![A-Za-z])(?:\s{0,8}(\{))?|\\.|[{}]", re.DOTALL
)
_NO_BRACES = re.compile(
    r"(?: *(?=[-+]?(?:\.?\d|\\[A-Za-z({]|\())| "
    r"+(?=[A-Za-z](?![A-Za-z])))(?P<content>[^$\n]{1,100}?)"
    r"(?=\$|\n|\\\)|\\\]|[.,;](?:\s|$)|$)"
)
_OPEN_END = re.compile(r"([^\n$]{1,400}?)(?:\.?\s{0,8}(?:\n|\$)|\.\s{0,8}\Z)")
_TEMPLATE = re.compile(
    r"(?:\\text\{)?\s*(?:the |your )?(?:final )?(?:answer|result|solution)s?(?: here)?\s*\}?|"
    r"\\?[lc]?dots|\.\.\.|…|\?|\\?_+|\\square|#{1,3}",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    r"(?:\s|[$,;&]|\\[()\[\],;:! ]|\\q?quad|\\text\s?\{[\s,]*(?:and|or)?[\s,]*\}|\\(?:lor|land)\b|"
    r"\b(?:and|or)\b|\*){0,60}",
    re.IGNORECASE,
)
_OR = re.compile(
    r"\b(?:or|maybe|perhaps|possibly)\b"
    r"(?!,? (?:equivalently|simply|approximately|about|just|in other))",
    re.I,
)
_WORDY = re.compile(r"\b(?:above|below|box(?:ed)?|see|earlier|shown|given|stated)\b", re.IGNORECASE)


def boxes(text: str) -> tuple[list[Box], int | None]:
    r"""All boxes in the order of their ends, and where the last one that is never closed opens.

    A box around another says the same, `\boxed{\boxed{5}}` counts once: places are kept, and only
    the outermost boxes' text is cut out, so that deep nesting costs no more than its length.
    """
    if "box" not in text:
        return [], None
    found: list[_Place] = []
    open_braces: list[tuple[int, int] | None] = []  # None for a brace that opens no box
    for token in _TOKEN.finditer(text):
        word = token[0]
        if token[1]:
            open_braces.append((token.start(), token.end()))
        elif word == "{":
            open_braces.append(None)
        elif word == "}" and open_braces:
            opened = open_braces.pop()
            if opened:
                _keep(found, _Place(opened[0], opened[1], token.start(), token.end()))
        elif len(word) > 2:  # a box without braces
            bare = _NO_BRACES.match(text, token.end())
            if bare:
                _keep(found, _Place(token.start(), *bare.span("content"), bare.end()))
    unclosed = max((place[1] for place in open_braces if place), default=None)
    return [Box(text[p.content : p.content_end], p.start, p.end) for p in found], unclosed


def _keep(found: list[_Place], place: _Place) -> None:
    """Adds a box in place of those inside of it."""
    while found and found[-1].start > place.start:
        found.pop()
    found.append(place)


def tagged(text: str) -> str:
    """What the last `<answer>` or `<final_answer>` holds, or the whole text where there is none."""
    lower = text.lower() if len(text.lower()) == len(text) else text
    close, tag = max((lower.rfind(f"</{tag}>"), tag) for tag in _TAGS)
    start = lower.rfind(f"<{tag}>", 0, max(close, 0))
    return text if start < 0 else text[start + len(f"<{tag}>") : close]


def final_part(path: str) -> tuple[str, bool] | None:
    """The text in which the answer stands, and whether tags say so; None inside of thinking."""
    text = answer_text(path)
    if text is None:
        return None
    inner = tagged(text)
    if inner is not text and _says_nothing(inner) and boxes(text)[0]:
        return text, False
    return inner, inner is not text


def _says_nothing(inner: str) -> bool:
    """Whether a tag is empty, or points with words to where the answer stands."""
    if len(inner) > 300 or re.search(r"\d|\\|\b[A-HJ]\b", inner):
        return False
    return not inner.strip() or bool(_WORDY.search(inner)) or len(inner.split()) > 8


def find(path: str, reference: str = "", truncated: bool = False) -> Found | None:
    r"""The final answer: after the thinking, in `<answer>`, then the last box or boxes; else None.

    A stray number is never an answer: paths that loop until they are cut off would get credit by
    chance. Boxes that stand side by side are one answer; so are all of them where the reference has
    as many values. An answer stated after the last box takes its place.

    >>> find(r"\boxed{3} or \boxed{5}").answer
    '3, 5'
    """
    part = final_part(path)
    if part is None:
        return None
    text, is_tagged = part
    closed, unclosed = boxes(text)
    if unclosed is not None and (not closed or unclosed > closed[-1].end):
        return _unfinished(text, unclosed, truncated)
    real = [box for box in closed[-LAST:] if box.content.strip(" {}$,\n").rstrip("\\")]
    real = [b for b in real if not _TEMPLATE.fullmatch(b.content.strip())] or real
    stays = [b for b in real if not refused(text, b.start, b.end)]
    if real and not stays:
        value = statement(text[real[-1].end : real[-1].end + _AFTER])
        return Found(value) if value else None
    return _of_boxes(text, stays, reference) if stays else _unboxed(text, is_tagged, bool(closed))


def _unboxed(text: str, is_tagged: bool, has_boxes: bool) -> Found | None:
    """What a tag without a box holds: what it states, or all of it."""
    if not is_tagged or has_boxes:
        return None
    found = statement(text[-_AFTER:]) or text.strip()
    return Found(found) if found else None


def _of_boxes(text: str, real: list[Box], reference: str) -> Found | None:
    """The last box with those beside it, where nothing after it replaces it or takes it back."""
    after = text[real[-1].end : real[-1].end + _AFTER]
    if (stated := statement(after)) is not None:
        return Found(stated)
    if taken_back(after):
        return None
    return _joined(text, real, reference)


def last_box(text: str) -> str | None:
    """The content of a whole reply's last box, thinking included; None where it never closes."""
    closed, unclosed = boxes(text)
    if not closed or (unclosed is not None and unclosed > closed[-1].end):
        return None
    return closed[-1].content


def _unfinished(text: str, start: int, truncated: bool) -> Found | None:
    """A box that is never closed: its line where the text goes on after it, or ends a sentence."""
    match = _OPEN_END.match(text, start)
    if match is None or (truncated and match.end() == len(text)):
        return None
    content = match[1].strip(" $")
    content += "}" * (content.count("{") - content.count("}"))
    return Found(content) if content.strip("{} ") and not _TEMPLATE.fullmatch(content) else None


def beside(text: str, found: list[Box]) -> list[Box]:
    """The last box and those that stand beside it, with commas, "and" or "or" between."""
    group = found[-1:]
    for box in reversed(found[:-1]):
        between = text[box.end : group[0].start] if group[0].start - box.end <= 80 else "."
        hedge = _OR.search(between) and not re.search(r"[.\n=]", between)
        if not hedge and (not _BETWEEN.fullmatch(between)):
            break
        group.insert(0, box)
        if len(group) > 50:
            break
    return group


def _joined(text: str, found: list[Box], reference: str) -> Found:
    """The last box with those beside it, or all of them where the reference has as many values."""
    group = beside(text, found)
    distinct = list(dict.fromkeys(box.content.strip() for box in group))
    every = list(dict.fromkeys(box.content.strip() for box in found[-50:]))
    if len(every) > len(distinct) and len(every) == _values(reference):
        distinct = every
    if len(distinct) == 1:
        return Found(distinct[0])
    return Found(", ".join(distinct), tuple(distinct))


def _values(reference: str) -> int:
    """How many values a reference has, in a list or in one pair of brackets."""
    parts = values(undress(reference))
    inside = bracket(parts[0]) if len(parts) == 1 else None
    return len(split_top(inside[1], ",")) if inside else len(parts)
