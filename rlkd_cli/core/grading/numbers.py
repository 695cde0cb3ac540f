"""Answers that are rational numbers: read exactly, and compared to the places they are written
with.
"""

import re
from fractions import Fraction

from rlkd_cli.core.grading.dress import normalize, undress
from rlkd_cli.core.grading.screen import MAX_DIGITS


def as_integer(answer: str) -> int | None:
    """The integer that an answer is ("025" is 25, "1,024" is 1024); None for anything else."""
    text = normalize(answer)
    return int(text) if re.fullmatch(rf"[+-]?[0-9]{{1,{MAX_DIGITS}}}", text) else None


_DECIMAL = r"[0-9]{1,40}(?:\.[0-9]{0,40})?"
_NUMBER = re.compile(
    rf"([+-]?)(?:\\frac\{{(-?{_DECIMAL})\}}\{{(-?{_DECIMAL})\}}|({_DECIMAL})"
    r"(?:\\cdot10\^(?:\{(-?\d{1,3})\}|(\d)))?|10\^(?:\{(-?\d{1,3})\}|(\d)))"
)


def as_number(answer: str) -> Fraction | None:
    r"""The rational number that an answer is written as, exactly; None for anything else.

    >>> as_number("1.5e-3") == as_number(r"\frac{3}{2000}"), as_number(r"\sqrt{2}")
    (True, None)
    """
    match = _NUMBER.fullmatch(normalize(answer))
    if not match:
        return None
    sign, top, bottom, decimal, power, small, ten, small_ten = match.groups()
    if top and not Fraction(bottom):
        return None
    value = Fraction(top) / Fraction(bottom) if top else Fraction(decimal or 1)
    exponent = int(power or small or ten or small_ten or 0)
    return (-value if sign == "-" else value) * Fraction(10) ** exponent


def places(answer: str) -> int | None:
    """How many decimal places an answer is written with; None where it is no decimal."""
    match = re.search(r"\d\.(\d+)", undress(answer))
    return len(match[1]) if match else None


def numbers_agree(left: Fraction, right: Fraction, decimals: int | None) -> bool:
    """Equal exactly, or, of two where one is a decimal, to its `decimals` places if these are 6 or
    more.

    `decimals` is the smaller number of places of the two, None where neither is a decimal. Six are
    math-verify's, which alone would make all small numbers the same: hence also to one part in
    100,000. What differs in the 13th digit only is a computer's noise.
    """
    if left == right or decimals is None:
        return left == right
    size, apart = max(abs(left), abs(right)), abs(left - right)
    if apart * 10**12 <= size:
        return True
    return (
        decimals >= 6
        and apart * 100_000 <= size
        and round(left, decimals) == round(right, decimals)
    )


def fewest_places(*answers: str) -> int | None:
    """The smallest number of decimal places of the decimals among some answers."""
    return min((count for one in answers if (count := places(one)) is not None), default=None)


def vote_key(prediction: str) -> str:
    """A name that equal answers share, as far as text and numbers go: 25, 025 and 25.0 are one
    answer.
    """
    number = as_number(prediction)
    return str(number) if number is not None else normalize(prediction)
