r"""Where the final answer of a reasoning path stands: after the thinking, in `<answer>`, in the
last boxes.

Everything here passes over the text a fixed number of times, however long it is and whatever is
left open in it. Patterns bound every repeat, so that no text makes them try twice.
"""

import re
from typing import NamedTuple

from rlkd_cli.core.grading.dress import undress
from rlkd_cli.core.grading.shape import bracket, split_top, values
from rlkd_cli.core.thinking import answer_text

_REACH = 200  # characters that an answer outside of a box may take


class Box(NamedTuple):
    """A box's content, and where the box begins and ends in the text."""

    content: str
    start: int
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
_OR = re.compile(r"\bor\b(?!,? (?:equivalently|simply|approximately|about|just|in other))", re.I)
_ANSWER = (
    r"(?<!wrong )(?<!other )(?<!incorrect )(?<!false )(?<!earlier "
    r")(?<!\w)answers?(?:[\s*_]{0,4}(?:is|are|becomes)(?: then| therefore| thus)?\b)?[\s*_]{0,4}"
)
_STATEMENT = re.compile(
    rf"(?:{_ANSWER}(?:[:：=][\s*_]{{0,8}}|(?<=is )|(?<=are ))|(?:最终)?答案(?:[是为]|"
    rf"应[是为])?[:：]?\s{{0,4}})"
    rf"(?=(?P<claim>[^\n]{{1,{_REACH}}}))",
    re.IGNORECASE,
)
_CLAIMED = re.compile(
    r"\s*[*_]{0,3}(?:(?:actually|instead|in fact|really|simply|thus|now)\s)?[*_]{0,3}"
    r"(?:\$+(?P<dollars>[^$]+)\$+|\\\((?P<parens>.+?)\\\)|\\\[(?P<brackets>.+?)\\\]|"
    r"(?P<plain>[-+−–]?[€£$]?[\d.,]*\d(?:/\d+)?%?))[*_]{0,3}"
    r"(?=\s*(?:[.,;!)](?:\s|$)|$|(?:because|since|as|not|instead|and not|rather)\b))"
)
_TAKEN_BACK = re.compile(
    r"\bscratch that\b|\bdisregard (?:that|the above)\b|"
    r"\b(?:that|this|it|the above|answer above|"
    r"(?:the|my) (?:boxed|above|previous|earlier|last) (?:answer|result|value|box))"
    r"(?: is|['’]s| was)(?: clearly| actually| obviously)? "
    r"(?:wrong|incorrect|not (?:right|correct)|a mistake|mistaken|false)(?=\s*(?:[.,;:!\n]|$))|"
    r"\bI (?:have )?made an? (?:[a-z]+ )?(?:mistake|error)\b(?! (?:earlier|before))",
    re.IGNORECASE,
)
_SUPPOSED = re.compile(r"\b(?:if|had|suppose|otherwise|someone|might|would|could)\b", re.IGNORECASE)


def boxes(text: str) -> tuple[list[Box], int | None]:
    """All boxes in the order of their ends, and where the last one that is never closed opens."""
    if "box" not in text:
        return [], None
    found: list[Box] = []
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
                found.append(Box(text[opened[1] : token.start()], opened[0], token.end()))
        elif len(word) > 2:  # a box without braces
            bare = _NO_BRACES.match(text, token.end())
            if bare:
                found.append(Box(bare["content"], token.start(), bare.end()))
    unclosed = max((place[1] for place in open_braces if place), default=None)
    return _outermost(found), unclosed


def _outermost(found: list[Box]) -> list[Box]:
    """A box around another says the same: `\\boxed{\\boxed{5}}` counts once."""
    kept: list[Box] = []
    for box in found:
        while kept and kept[-1].start > box.start:
            kept.pop()
        kept.append(box)
    return kept


def tagged(text: str) -> str:
    """What the last `<answer>` holds, or the whole text where there is none."""
    lower = text.lower() if len(text.lower()) == len(text) else text
    close = lower.rfind("</answer>")
    start = lower.rfind("<answer>", 0, close if close >= 0 else None)
    if close < 0 or start < 0:
        return text
    return text[start + len("<answer>") : close]


def final_part(path: str) -> tuple[str, bool] | None:
    """The text in which the answer stands, and whether tags say so; None inside of thinking."""
    text = answer_text(path)
    if text is None:
        return None
    inner = tagged(text)
    return inner, inner is not text


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
    real = [box for box in closed if box.content.strip(" {}$,\n").rstrip("\\")]
    real = [b for b in real if not _TEMPLATE.fullmatch(b.content.strip())] or real
    if not real:
        if is_tagged and not closed and (stated := statement(text)) is not None:
            return Found(stated)
        bare = text.strip() if is_tagged and not closed else ""
        return Found(bare) if bare else None
    after = text[real[-1].end : real[-1].end + 20_000]
    if (stated := statement(after)) is not None:
        return Found(stated)
    if _TAKEN_BACK.search(after):
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


def statement(text: str) -> str | None:
    """The last answer that a text states in words (`the answer is 3`), where it is mathematics."""
    last = None
    for match in _STATEMENT.finditer(text):
        claim = _CLAIMED.match(match["claim"])
        before = re.split(r"[.!?\n]", text[max(0, match.start() - 120) : match.start()])[-1]
        if claim and not _SUPPOSED.search(before):
            last = next(group for group in claim.groups() if group)
    return last


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
