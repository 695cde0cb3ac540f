r"""Intervals, inequalities in one unknown and unions of these, as sets of real numbers."""

import re
from itertools import pairwise
from typing import Any

from rlkd_cli.core.grading.shape import bracket, relation, split_top, values
from rlkd_cli.reward.grading.expressions import Unreadable, parse


def is_set(text: str) -> bool:
    return bool(
        re.search(
            r"\\(?:cup|cap|in|infty|emptyset|setminus|le|ge|ne|mathbb)(?![A-Za-z])|[<>]|\\mid|\\\{ "
            r"?[a-z] ?[:|]",
            text,
        )
    )


def equal_sets(one: Any, other: Any) -> bool:
    import sympy

    if one == other:
        return True
    difference = sympy.SymmetricDifference(one, other)
    return bool(difference.is_empty) if difference.is_empty is not None else False


def real_set(text: str) -> Any:
    """The set of real numbers that an answer describes; Unreadable for anything else."""
    import sympy

    text = text.strip()
    built = re.fullmatch(
        r"\\\{ ?[A-Za-z](?: ?\\in ?\\mathbb\{?R\}?)? ?(?:\\mid|\||:) ?(.*?) ?\\\}", text
    )
    text = built[1] if built else text
    for pattern, join in (
        (r"\\cup(?![A-Za-z])| or |,? or ", sympy.Union),
        (r"\\cap(?![A-Za-z])| and |\\land(?![A-Za-z])", sympy.Intersection),
    ):
        pieces = split_top(text, pattern)
        if len(pieces) > 1:
            return join(*map(real_set, pieces))
    pieces = split_top(text, r"\\setminus(?![A-Za-z])|\\backslash(?![A-Za-z])")
    if len(pieces) == 2:
        return real_set(pieces[0]) - real_set(pieces[1])
    pieces = split_top(text, ",")
    if len(pieces) > 1 and all(re.search(r"[<>]|\\[lgn]e(?![A-Za-z])", piece) for piece in pieces):
        sets = list(map(real_set, pieces))
        both = sympy.Intersection(*sets)
        return sympy.Union(*sets) if both.is_empty else both
    return _one_set(re.sub(r"\A[A-Za-z] ?\\in(?![A-Za-z]) ?", "", text))


def _one_set(text: str) -> Any:
    import sympy

    if text in (r"\emptyset", r"\mathbb{R}", r"\mathbb R"):
        return sympy.S.EmptySet if text == r"\emptyset" else sympy.S.Reals
    inside = bracket(text)
    if inside:
        ends = split_top(inside[1], ",")
        if inside[0] == "{":
            return sympy.FiniteSet(*map(_constant, values(inside[1])))
        if len(ends) == 2:
            return sympy.Interval(
                *map(_constant, ends), left_open=inside[0] == "(", right_open=inside[2] == ")"
            )
    sides, signs = relation(text)
    if not signs or len(sides) != len(signs) + 1:
        raise Unreadable(text)
    pairs = [_half_line(a, sign, b) for (a, b), sign in zip(pairwise(sides), signs, strict=True)]
    return sympy.Intersection(*pairs) if len(pairs) > 1 else pairs[0]


def _half_line(left: str, sign: str, right: str) -> Any:
    """The numbers for which `left sign right` holds, by sympy where the unknown does not stand
    alone.
    """
    import sympy

    one, other = parse(left), parse(right)
    kinds = {"<": "<", ">": ">", r"\le": "<=", r"\ge": ">=", r"\ne": "!=", "=": "=="}
    unknown = one.free_symbols | other.free_symbols
    if sign not in kinds or len(unknown) != 1:
        raise Unreadable(sign)
    name = sympy.Symbol("x", real=True)
    one, other = (side.subs(unknown.copy().pop(), name).doit() for side in (one, other))
    return sympy.Rel(one, other, kinds[sign]).as_set()


def _constant(text: str) -> Any:
    value = parse(text)
    if value.free_symbols or (value.is_real is False and not value.is_infinite):
        raise Unreadable(text)
    return value.doit()
