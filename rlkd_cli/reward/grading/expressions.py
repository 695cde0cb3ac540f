r"""Expressions of two answers, parsed by math-verify's own LaTeX parser and compared by sympy.

Two expressions are equal where they have one value at places picked by a fixed seed, to 40 digits,
and nothing is left of their difference there. That is quicker than simplifying, and ends. Nothing
here bounds its own time.
"""

import re
from functools import lru_cache
from typing import Any

from rlkd_cli.reward.grading.names import holds_all, neutral, unknown
from rlkd_cli.reward.grading.places import (
    DEEPER,
    close,
    everywhere,
    places,
    value,
    vanishes,
)

_NONE = 1e-90  # what is left of a 0 that is not exact

# What the parser would leave out or add up in silence: `2 5`, primes, transposes
_UNREAD = re.compile(
    r"(?<![_^])\d \d|\d ?_|\\text|[$?'*:]|\\prime|\\times|\\land|[A-Z]\^\{?(?:T|\\top)(?![A-Za-z])"
)


# A number or bracket before a bracket is a factor, but not the power or base of a function
_FACTORS = re.compile(
    r"(\\(?:(?:arc)?(?:sin|cos|tan|cot|sec|csc)h?|log|ln|lg)"
    r"(?: ?[\^_] ?(?:\{[^{}]*\}|\d)){1,2}) ?(?=\()|(\d|\)) ?(?=\()"
)


class Unreadable(Exception):
    """The parser does not know this LaTeX."""


@lru_cache(maxsize=4096)
def parse(text: str) -> Any:
    """An expression or matrix by math-verify's LaTeX parser, decimals exact; else Unreadable."""
    import sympy
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig, latex2sympy

    text = neutral(_exact(text))
    if not text or _UNREAD.search(text) or unknown(text):
        raise Unreadable(text)
    config = ConversionConfig(interpret_as_mixed_fractions=False, lowercase_symbols=False)
    try:
        parsed = latex2sympy(
            text,
            is_real=None,
            convert_degrees=False,
            normalization_config=None,
            conversion_config=config,
        )
    except Exception as error:  # the parser raises whatever it likes
        raise Unreadable(text) from error
    if not isinstance(parsed, sympy.Expr | sympy.MatrixBase) or isinstance(parsed, sympy.Rel):
        raise Unreadable(text)
    if isinstance(parsed, sympy.Basic) and any(
        not set(slope.variables) <= slope.expr.free_symbols
        for slope in parsed.atoms(sympy.Derivative)
    ):  # of a function that is only named: it would be 0
        raise Unreadable(text)
    if not holds_all(parsed, text):
        raise Unreadable(text)
    bound = parsed.atoms(sympy.Sum, sympy.Product) if isinstance(parsed, sympy.Basic) else ()
    return parsed if bound else parsed.subs(sympy.Symbol("i"), sympy.I)


def _exact(text: str) -> str:
    r"""What the parser would misread, written so that it cannot: `2(3)`, decimals, degrees."""
    text = re.sub(r"\\text\{ ?([A-Za-z]) ?\}", r"\1", text.strip())
    unit = r"\\cdot \\pi/180)" if re.search(r"\\(?:sin|cos|tan|cot|sec|csc)", text) else ")"
    text = re.sub(r"(\d+(?:\.\d+)?|\([^()]*\)) ?\^\\circ", r"(\1" + unit, text)
    text = re.sub(
        r"(\d+)\.(\d+)", lambda m: f"\\frac{{{int(m[1] + m[2])}}}{{{10 ** len(m[2])}}}", text
    )
    text = re.sub(r"(?<=\d)\.(?!\d)", "", text)
    text = _FACTORS.sub(lambda m: m[1] or f"{m[2]}\\cdot ", text)
    text = re.sub(r"(?<![_\\A-Za-z])(\d+) ?(?=\\frac)", r"\1\\cdot ", text)
    text = re.sub(r"\\cdot +\\cdot", r"\\cdot", text)
    return text.replace("%", "/100")


def equal(one: Any, other: Any, is_decimal: bool) -> bool:
    """Equal expressions, entry by entry for matrices of one shape."""
    import sympy

    if isinstance(one, sympy.MatrixBase) or isinstance(other, sympy.MatrixBase):
        if not (isinstance(one, sympy.MatrixBase) and isinstance(other, sympy.MatrixBase)):
            return False
        return one.shape == other.shape and all(
            equal(a, b, is_decimal) for a, b in zip(one, other, strict=True)
        )
    if one == other:
        return True
    if one.has(sympy.oo, sympy.zoo, sympy.nan) or other.has(sympy.oo, sympy.zoo, sympy.nan):
        return bool(one.doit() == other.doit())
    names = one.free_symbols | other.free_symbols
    if not names:
        return _equal_numbers(one, other, is_decimal)

    rest = one - other
    if rest.is_number:  # they differ by a number
        return _equal_numbers(one, other, is_decimal) if rest == 0 else False

    def agrees(at: dict[Any, Any], digits: int) -> bool | None:
        """Roots of negative numbers depend on how they are written, and say nothing."""
        left, right = (value(side, at) for side in (one, other))
        same = close(left, right)
        if same is False and min(at.values()) < 0 and not (left.is_real and right.is_real):
            return None
        return same and vanishes(rest, at, digits)

    return everywhere(places(names, (one, other)), agrees)


def _equal_numbers(one: Any, other: Any, is_decimal: bool) -> bool:
    """Exactly for rationals, to 40 digits for others; decimals to math-verify's six places."""
    one, other = one.doit(), other.doit()
    if one == other:
        return True
    if one.is_Rational and other.is_Rational and not is_decimal:
        return False
    left, right = (value(side, {}) for side in (one, other))
    same = close(left, right)
    if not is_decimal or same is None:
        return bool(same) and vanishes(one - other, {}, DEEPER)
    near = abs(left - right) <= 1e-5 * max(abs(left), abs(right))
    return same or bool(near and (left - right).is_real and round(left, 6) == round(right, 6))


def numerator(left: str, right: str) -> Any:
    """What is 0 where an equation holds, without denominators."""
    import sympy

    one, other = parse(left), parse(right)
    if isinstance(one, sympy.MatrixBase) or isinstance(other, sympy.MatrixBase):
        raise Unreadable(left)
    return sympy.fraction(sympy.together((one - other).doit()))[0]


def multiples(one: Any, other: Any, positive: bool = False) -> bool:
    """Whether one expression is the other times a number that is not 0."""
    names = one.free_symbols | other.free_symbols
    if not one.free_symbols or not other.free_symbols or one.free_symbols != other.free_symbols:
        return False
    ratios: list[Any] = []

    def agrees(at: dict[Any, Any], _: int) -> bool | None:
        left, right = value(one, at), value(other, at)
        if not (left.is_number and right.is_number and left.is_finite and right.is_finite):
            return None
        if abs(left) < _NONE or abs(right) < _NONE:
            return None if abs(left) < _NONE and abs(right) < _NONE else False
        ratios.append(left / right)
        return close(ratios[0], ratios[-1])

    return (
        everywhere(places(names, (one, other)), agrees)
        and bool(ratios)
        and (not positive or bool(ratios[0] > 0))
    )
