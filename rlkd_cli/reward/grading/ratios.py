"""Times of day and ratios: `3:05` is a time, `3:5` a ratio, and neither is the other."""

import re

from rlkd_cli.core.grading.dress import normalize
from rlkd_cli.core.grading.shape import relation, split_top, values
from rlkd_cli.core.grading.units import measure, units_agree
from rlkd_cli.reward.grading.expressions import Unreadable, equal, parse

_TIME = re.compile(r"(?:\\text\{)?0?(?P<time>\d?\d:[0-5]\d(?::[0-5]\d)?)(?!\d)")
_FRACTION = re.compile(r"-?\\frac\{|[^/]+/[^/]+\Z")


def same_time(gold: str, answer: str) -> bool | None:
    r"""Whether two times of day are one; None where there is none, or a list.

    `9:16` may also be a ratio: as a reference, it takes the fraction of the same two numbers.

    >>> same_time("3:05", "03:05"), same_time("10:30", r"\frac{1}{3}"), same_time("3:5", "6:10")
    (True, False, None)
    """
    if len(values(gold)) > 1 or len(values(answer)) > 1:
        return None
    times = [_TIME.match(text) for text in (gold, answer)]
    if all(times):
        one, other = (measure(text) for text in (gold, answer))
        clocks = [normalize(m.value).lstrip("0") for m in (one, other)]
        return units_agree(one.unit, other.unit) and clocks[0] == clocks[1]
    if times[0]:
        written = re.sub(r"\A(\d{1,2}):([1-5]\d)\Z", r"\\frac{\1}{\2}", gold)
        return written != gold and written == answer
    return False if times[1] and re.search(r":0\d(?!\d)", answer) else None


def same_ratio(gold: str, answer: str) -> bool | None:
    """Whether two ratios are one; None where there is none.

    The value of a ratio is one as well, and a fraction may be written as a ratio; but no integer
    may: 12 is not `12:1`.

    >>> same_ratio("1:2:3", "2:4:6"), same_ratio("1:2", "0.5"), same_ratio("12", "12:1")
    (True, True, False)
    """
    lists = len(values(gold)) > 1 or len(values(answer)) > 1
    if lists or "\\text" in gold + answer or relation(gold)[1] or relation(answer)[1]:
        return None
    golds, answers = (split_top(text, ":") for text in (gold, answer))
    if len(golds) == len(answers) == 1:
        return None
    try:
        if len(golds) == len(answers):
            return _proportional(golds, answers)
        if (len(golds), len(answers)) == (2, 1):
            return _proportional(golds, [answer, "1"])
        is_fraction = (len(golds), len(answers)) == (1, 2) and _FRACTION.match(gold)
        return bool(is_fraction) and _proportional([gold, "1"], answers)
    except Unreadable:
        return normalize(gold) == normalize(answer)


def _proportional(golds: list[str], answers: list[str]) -> bool:
    """Whether the parts of one are those of the other times a number."""
    one, other = ([parse(part) for part in parts] for parts in (golds, answers))
    if any(part == 0 for part in (one[0], other[0])):
        return all(equal(a, b, False) for a, b in zip(one, other, strict=True))
    return all(equal(a * other[0], b * one[0], False) for a, b in zip(one, other, strict=True))
