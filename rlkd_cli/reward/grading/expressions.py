r"""Expressions of two answers, parsed by math-verify's own LaTeX parser and compared by sympy.

Two expressions are equal where they have one value at places picked by a fixed seed, to 40 digits:
that is quicker than simplifying, and ends. Nothing here bounds its own time.
"""

import random
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

_PRECISION = 50  # digits

# What the parser would leave out or add up in silence: `2 5`, primes, transposes
_UNREAD = re.compile(
    r"(?<![_^])\d \d|\d ?_|\\text|[$?'*]|\\prime|\\times|\\land|[A-Z]\^\{?(?:T|\\top)(?![A-Za-z])"
)


class Unreadable(Exception):
    """The parser does not know this LaTeX."""


@lru_cache(maxsize=4096)
def parse(text: str) -> Any:
    """An expression or matrix by math-verify's LaTeX parser, decimals exact; else Unreadable."""
    import sympy
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig, latex2sympy

    text = _exact(text)
    if not text or _UNREAD.search(text):
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
    bound = parsed.atoms(sympy.Sum, sympy.Product) if isinstance(parsed, sympy.Basic) else ()
    names = {sympy.I: sympy.Symbol("I")}
    parsed = (
        parsed.xreplace(names)
        if isinstance(parsed, sympy.Basic)
        else parsed.applyfunc(lambda entry: entry.xreplace(names))
    )
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
    text = re.sub(r"(\d|\)) ?(?=\()", r"\1\\cdot ", text)
    text = re.sub(r"(?<![_\\A-Za-z])(\d+) ?(?=\\frac)", r"\1\\cdot ", text)
    text = re.sub(r"(\d+) ?:(?= ?\d)", r"\1/", text)
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

    def agrees(at: dict[Any, Any]) -> bool | None:
        """Roots of negative numbers depend on how they are written, and say nothing."""
        left, right = (_value(side, at) for side in (one, other))
        if min(at.values()) < 0 and not (left.is_real and right.is_real):
            return _close(left, right) or None
        return _close(left, right)

    whole = one.has(sympy.Sum, sympy.Product) or other.has(sympy.Sum, sympy.Product)
    return _everywhere(names, agrees, whole)


def _equal_numbers(one: Any, other: Any, is_decimal: bool) -> bool:
    """Exactly for rationals, to 40 digits for others; decimals to math-verify's six places."""
    one, other = one.doit(), other.doit()
    if one == other:
        return True
    if one.is_Rational and other.is_Rational and not is_decimal:
        return False
    left, right = (_value(side, {}) for side in (one, other))
    if _close(left, right) is not False:
        return bool(_close(left, right))
    if not is_decimal:
        return False
    near = abs(left - right) <= 1e-5 * max(abs(left), abs(right))
    return bool(near and (left - right).is_real and round(left, 6) == round(right, 6))


def _value(expression: Any, at: dict[Any, Any]) -> Any:
    return expression.subs(at).doit().evalf(_PRECISION)


def _close(one: Any, other: Any) -> bool | None:
    """Whether two values are the same to 40 digits; None where either is no number."""
    if not (one.is_number and other.is_number) or not (one.is_finite and other.is_finite):
        return None
    size = max(abs(one), abs(other))
    return bool(abs(one - other) <= size * 10 ** (10 - _PRECISION))


def _everywhere(
    names: set[Any], agrees: Callable[[dict[Any, Any]], bool | None], whole_only: bool = False
) -> bool:
    """Whether two functions agree wherever both are real, at eight places picked by a fixed seed.

    A place where either has no value says nothing; at least three must say something.
    """
    import sympy

    draw = random.Random(0)
    said = 0
    for place in range(16):
        at = {}
        for name in sorted(names, key=str):
            size = sympy.Rational(draw.randint(300, 3000), 997)
            whole = sympy.Integer(draw.randint(2, 9))
            at[name] = whole if whole_only else (size, whole, -size)[place % 3]
        verdict = agrees(at)
        if verdict is False:
            return False
        said += verdict is True
        if said >= 8:
            return True
    return said >= 3


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

    def agrees(at: dict[Any, Any]) -> bool | None:
        left, right = _value(one, at), _value(other, at)
        if not (left.is_number and right.is_number and left.is_finite and right.is_finite):
            return None
        if abs(left) < 1e-30 or abs(right) < 1e-30:
            return None if abs(left) < 1e-30 and abs(right) < 1e-30 else False
        ratios.append(left / right)
        return _close(ratios[0], ratios[-1])

    return _everywhere(names, agrees) and bool(ratios) and (not positive or bool(ratios[0] > 0))
