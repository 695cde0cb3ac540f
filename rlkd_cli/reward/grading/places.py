"""Places at which two expressions are compared, and whether what is left between them is 0."""

import random
from collections.abc import Callable, Iterator
from typing import Any

PRECISION = 50  # digits
DEEP, DEEPER = 400, 2600  # digits to which what cancels is followed
_BITS = 30  # of the 50 in 15 digits; where there are fewer, the digits did not do
_SIZES = (1.0, 3.0, -1.0, 30.0, 0.05, -20.0, 2500.0, -4000.0, 0.6, -0.07)
_MODEST = (1.0, 3.0, -1.0, 8.0, 0.3, -5.0)  # where the names stand in exponents or factorials
_CONSTANTS = 4  # that are looked at on both sides


def _is_steep(expression: Any) -> bool:
    import sympy

    return any(
        power.exp.free_symbols or (power.exp.is_number and abs(power.exp) > 60)
        for power in expression.atoms(sympy.Pow)
    ) or expression.has(sympy.exp, sympy.factorial, sympy.gamma, sympy.binomial, sympy.sinh)


def _constants(expressions: tuple[Any, ...]) -> list[Any]:
    """The sizes of the numbers that occur, the largest first: where branches are likely to meet."""
    import sympy

    found = {abs(n) for one in expressions for n in one.atoms(sympy.Rational)}
    return sorted((n for n in found if 1 < n < 100_000), reverse=True)[:_CONSTANTS]


def places(names: set[Any], expressions: tuple[Any, ...]) -> Iterator[dict[Any, Any]]:
    """Places of several sizes and both signs, near 1, and around the constants; by a fixed seed."""
    import sympy

    draw, order = random.Random(0), sorted(names, key=str)
    if any(one.has(sympy.Sum, sympy.Product) for one in expressions):
        for _ in range(12):
            yield {name: sympy.Integer(draw.randint(2, 9)) for name in order}
        return

    def about(size: float) -> Any:
        return sympy.Rational(int(size * 1000 * draw.uniform(0.4, 1.6)) or 1, 997)

    yield {name: 1 + sympy.Rational(draw.randint(1, 9), 997) for name in order}
    steep = any(map(_is_steep, expressions))
    for size in _MODEST if steep else _SIZES:
        yield {name: about(size) for name in order}
    for whole in range(2):
        yield {name: sympy.Integer(draw.randint(2 + whole, 9 - whole)) for name in order}
    yield {name: about(draw.choice((1.0, 2.0, -2.0))) for name in order}
    for constant in [] if steep else _constants(expressions):
        for step in (-1, 1):
            at = {name: about(2.0) for name in order}
            at[draw.choice(order)] = constant + step * about(0.3)
            yield at


def value(expression: Any, at: dict[Any, Any]) -> Any:
    return expression.subs(at).doit().evalf(PRECISION)


def close(one: Any, other: Any) -> bool | None:
    """Whether two values are the same to 40 digits; None where either is no number."""
    if not (one.is_number and other.is_number) or not (one.is_finite and other.is_finite):
        return None
    size = max(abs(one), abs(other))
    return bool(abs(one - other) <= size * 10 ** (10 - PRECISION))


def vanishes(difference: Any, at: dict[Any, Any], digits: int) -> bool:
    """Whether nothing is left at a place: a proven 0, or no digit of another value in `digits`."""
    import sympy

    left = difference.subs(at).doit()
    if left.is_Rational:
        return bool(left == 0)
    if left.has(sympy.Integral, sympy.Sum, sympy.Product, sympy.Limit):
        return True  # known to 40 digits only
    if left.has(sympy.gamma, sympy.factorial, sympy.binomial, sympy.zeta):
        digits = min(digits, DEEP)  # these take long
    left = left.evalf(15, maxn=digits)
    return all(part == 0 or getattr(part, "_prec", 99) < _BITS for part in left.as_real_imag())


def everywhere(
    found: Iterator[dict[Any, Any]], agrees: Callable[[dict[Any, Any], int], bool | None]
) -> bool:
    """Whether two functions agree at all places where both have a value; at least three must."""
    said = 0
    for at in found:
        verdict = agrees(at, DEEP if said else DEEPER)
        if verdict is False:
            return False
        said += verdict is True
    return said >= 3
