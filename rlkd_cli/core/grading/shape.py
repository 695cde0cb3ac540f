r"""The shape of an answer: lists, intervals and relations, told apart as text.

All functions take undressed LaTeX (`core.dress.undress`) and pass over it once.
"""

import re

_OPENING, _CLOSING = "([{", ")]}"


def split_top(text: str, pattern: str) -> list[str]:
    r"""The text cut where `pattern` matches outside of all brackets.

    >>> split_top("(1,2),3", ",")
    ['(1,2)', '3']
    """
    parts, start, depth, compiled = [], 0, 0, re.compile(pattern)
    at = 0
    while at < len(text):
        if depth == 0 and (match := compiled.match(text, at)) and match.end() > at:
            parts.append(text[start:at].strip())
            start = at = match.end()
            continue
        if text.startswith((r"\begin", r"\langle"), at):
            depth += 1
        elif text.startswith((r"\end", r"\rangle"), at):
            depth -= 1
        if text[at] == "\\" and text[at + 1 : at + 2] not in ("{", "}"):
            at += 1
        elif text[at] in _OPENING:
            depth += 1
        elif text[at] in _CLOSING:
            depth -= 1
        at += 1
    parts.append(text[start:].strip())
    return parts


def bracket(text: str) -> tuple[str, str, str] | None:
    r"""(opening, content, closing) of brackets around the whole text; None where there are none.

    >>> bracket(r"\{1,2\}"), bracket("(1)+(2)")
    (('{', '1,2', '}'), None)
    """
    match = re.fullmatch(r"(\\\{|\\langle|\(|\[)(.*)(\\\}|\\rangle|\)|\])", text.strip(), re.DOTALL)
    if not match:
        return None
    depth = 0
    for at, character in enumerate(match[2]):
        depth += (character in _OPENING) - (character in _CLOSING)
        if depth < 0:
            return None
    sides = [
        side.replace("\\langle", "(").replace("\\rangle", ")").lstrip("\\")
        for side in match.groups()
    ]
    return (sides[0], match[2].strip(), sides[2]) if depth == 0 else None


_LIST = r"(?:, ?(?:and|or) |[,;] ?| and | or )"


def _has_two_signs(part: str) -> bool:
    """Whether one `\\pm` makes two values of a part; in the list of a set it makes two of an
    element.
    """
    inside = bracket(part)
    if r"\mp" in part or (inside and len(split_top(inside[1], ",")) > 1):
        return False
    return len(re.findall(r"\\pm(?![A-Za-z])", part)) == 1


def values(text: str) -> list[str]:
    r"""The values of a list, with `\pm` written out; one value for anything else.

    >>> values(r"1 \pm \sqrt{19}")
    ['1 + \\sqrt{19}', '1 - \\sqrt{19}']
    """
    found = []
    for part in split_top(text.strip(), _LIST):
        inner = re.fullmatch(r"\\text\{([^{}\d]*)\}", part)
        if inner and re.search(_LIST, inner[1]):
            found += [f"\\text{{{word.strip()}}}" for word in re.split(_LIST, inner[1])]
        elif _has_two_signs(part):
            found += [
                re.sub(r"\\pm ?", sign + " ", part).strip().removeprefix("+ ") for sign in "+-"
            ]
        else:
            found.append(part)
    return [part for part in found if part] or [text.strip()]


_OR = r"(?:[,;]? ?(?<![A-Za-z])or )"
_NAME = re.compile(r"\\text\{[^{}\d]*\}|[A-Z]|[A-Za-z]{3,}(?: [A-Za-z]+)*")


def says_either(text: str) -> bool:
    r"""Whether a list says that one of several names or statements holds, not all of them.

    Of one unknown, `x=1 or x=2` and `x=1 and x=2` are the same list of solutions.

    >>> [says_either(text) for text in (r"x>0 or y>0", r"x>0 and y>0", "x=1 or x=2", "1 or 2")]
    [True, False, False, False]
    """
    if not re.search(_OR, text):
        return False
    parts = values(text)
    if len(parts) < 2 or all(map(_NAME.fullmatch, parts)):
        return len(parts) > 1
    if len(split_top(text, _OR)) < 2 or not all(relation(part)[1] for part in parts):
        return False
    return not set.intersection(*map(_unknowns, parts))


def _unknowns(statement: str) -> set[str]:
    """What an equation names on its left side, or all letters of a statement."""
    left = relation(statement)[0][0]
    if is_label(left):
        return {_bare(left)}
    return set(re.findall(r"(?<![\\A-Za-z])[A-Za-z](?![A-Za-z])", statement))


def alternatives(text: str) -> list[str]:
    r"""What a text that says "or" leaves open: each name, or each group of statements.

    >>> alternatives("x=1, y=2 or x=2, y=1"), alternatives(r"\text{Ann or Bob}")
    (['x=1, y=2', 'x=2, y=1'], ['\\text{Ann}', '\\text{Bob}'])
    """
    parts = values(text)
    return parts if all(map(_NAME.fullmatch, parts)) else split_top(text, _OR)


_RELATION = r"(?::?=|<|>|\\(?:approx|equiv|ne|le|ge|in|subseteq?|sim|to)(?![A-Za-z]))"


def relation(text: str) -> tuple[list[str], list[str]]:
    r"""The sides of a chain of relations, and the signs between them.

    >>> relation(r"-2 \le x<7")
    (['-2', 'x', '7'], ['\\le', '<'])
    """
    text = text.replace("\\{", "\x01{").replace("\\}", "\x01}")
    sides = split_top(text, _RELATION)
    signs, at = [], 0
    for side in sides[:-1]:
        at = text.index(side, at) + len(side)
        match = re.compile(r" ?(" + _RELATION + ")").match(text, at)
        signs.append(match[1] if match else "=")
        at = match.end() if match else at
    return [side.replace("\x01", "\\") for side in sides], signs


_LABEL = re.compile(
    r"[A-Za-z] ?\([^()=<>]{1,20}\)|"
    r"(?:[A-Za-z]|\\[A-Za-z]+)(?:_(?:[0-9A-Za-z]|\{[^{}]*\}))?'?(?:\^\{-1\})?(?: "
    r"?\([A-Za-z](?:, ?[A-Za-z])*\))?"
    r"|\([A-Za-z](?:, ?[A-Za-z])+\)|\\text\{[^{}]*\}(?: ?\\text\{[^{}]*\})*|[A-Z]{2}|\\angle "
    r"?[A-Z]{1,3}|[A-Z][a-z]+"
)


def is_label(side: str) -> bool:
    """Whether an equation's left side only names what the right side is: `x`, `f(x)`, `a_1`."""
    return bool(_LABEL.fullmatch(side.strip())) and side.strip() not in (r"\pi", "e", "i")


def has_words(text: str) -> bool:
    r"""Whether prose is left in an undressed answer, so that only its text can be compared."""
    text = re.sub(r"\\(?:begin|end) ?\{[^{}]*\}(?:\{[clr|]*\})?", "", text)
    text = re.sub(r"_ ?\{[^{}]*(?:\{[^{}]*\})?[^{}]*\}", "", text)
    text = re.sub(r"\\text\{ ?[A-Za-z]? ?\}", "", text)
    return bool(re.search(r"\A[A-Z]{3,}\Z|\\text|(?<![\\A-Za-z])[A-Za-z]{4,}", text)) or bool(
        re.search(r"(?<![\\A-Za-z])(?:the|yes|no|not|and|for|any)(?![A-Za-z])", text, re.IGNORECASE)
    )


def unwrapped(parts: list[str]) -> tuple[str, list[str]]:
    """The values inside of one pair of brackets, and which brackets."""
    if len(parts) == 1:
        text = parts[0].partition("=")[2] if is_label(parts[0].partition("=")[0]) else parts[0]
        text = re.sub(r"\A[A-Za-z] ?\\in ", "", text)
        inside = bracket(text)
        if inside and inside[0] in "({" and {"(": ")", "{": "}"}[inside[0]] == inside[2]:
            return inside[0], values(inside[1])
    if all(is_label(p.partition("=")[0]) and "=" in p for p in parts):
        names = {_bare(p.partition("=")[0]) for p in parts}
        if len(names) == 1:  # x = 1 or x = 2
            return "", [p.partition("=")[2].strip() for p in parts]
    elif (
        "=" in parts[0]
        and is_label(parts[0].partition("=")[0])
        and not any("=" in p for p in parts[1:])
    ):
        return "", [parts[0].partition("=")[2].strip(), *parts[1:]]  # x = 1, 2
    return "", parts


def _bare(name: str) -> str:
    return name.replace(" ", "")


def named_values(text: str) -> str:
    """`(x,y)=(1,2)` as `x=1, y=2`."""
    match = re.fullmatch(r"\(([A-Za-z](?:, ?[A-Za-z])+)\) ?= ?(\(.*\))", text)
    inside = bracket(match[2]) if match else None
    names = re.split(", ?", match[1]) if match else []
    parts = split_top(inside[1], ",") if inside else []
    if not parts or len(parts) != len(names):
        return text
    return ", ".join(f"{name}={part}" for name, part in zip(names, parts, strict=True))


_BOUND = re.compile(
    r"(?:,|\\text\{)[^=<>]{0,30}?(?<![\\A-Za-z])([a-z]) ?\\in ?(?:\\mathbb ?)?\{?Z\}?\)?\Z"
)


def with_names_of(gold: str, answer: str) -> str:
    r"""An answer with the reference's name for an integer that runs through all: `k\pi, k \in Z`.

    >>> with_names_of(r"k\pi, k \in \mathbb{Z}", r"2n\pi, n \in \mathbb{Z}")
    '2k\\pi, k \\in \\mathbb{Z}'
    """
    one, other = _BOUND.search(gold), _BOUND.search(answer)
    words = r"\\text\{[^{}]*\}|\\[A-Za-z]+|[A-Za-z]"
    if not one or not other or one[1] in re.findall(words, answer):
        return answer
    return re.sub(words, lambda m: one[1] if m[0] == other[1] else m[0], answer)


def row_of(text: str) -> str:
    r"""A matrix of one row or column as `\langle 1,2\rangle`."""
    match = re.fullmatch(r"\\begin ?\{[pb]matrix\}(.*)\\end ?\{[pb]matrix\}", text)
    if not match or ("&" in match[1] and r"\\" in match[1]):
        return text
    return "\\langle " + re.sub(r"&|\\\\", ",", match[1]) + "\\rangle"
