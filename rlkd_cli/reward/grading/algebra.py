r"""Two answers compared as mathematics, by sympy on what math-verify's own LaTeX parser reads.

Runs in a worker that can be killed: nothing here bounds its own time. What cannot be parsed whole
is compared as text, never by a number picked out of it.
"""

import re
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from rlkd_cli.core.grading.compare import decide
from rlkd_cli.core.grading.dress import normalize, undress
from rlkd_cli.core.grading.shape import (
    alternatives,
    bracket,
    has_words,
    is_label,
    named_values,
    relation,
    row_of,
    says_either,
    split_top,
    unwrapped,
    values,
    with_names_of,
)
from rlkd_cli.core.grading.units import measure, units_agree
from rlkd_cli.reward.grading.expressions import (
    Unreadable,
    equal,
    multiples,
    numerator,
    parse,
)
from rlkd_cli.reward.grading.ratios import same_ratio, same_time
from rlkd_cli.reward.grading.real_sets import equal_sets, is_set, real_set

MAX_VALUES = 30  # of a list that is compared in any order
_APPROX = r"\approx"


class Finding(NamedTuple):
    """Whether two answers are the same, and what was compared."""

    same: bool
    reason: str


def compare(prediction: str, reference: str, alone: bool = False) -> Finding:
    """Whether a prediction says what the reference says; `alone`: without a look at text and
    numbers.
    """
    gold = undress(reference)
    answer = with_names_of(gold, undress(prediction))
    return _by_shape(gold, answer, 0) if alone else _same(gold, answer, 0)


def _same(gold: str, answer: str, depth: int) -> Finding:
    """The first comparison that applies to the shapes of both."""
    simple, reason = (
        decide(answer, gold)
        if not re.fullmatch("[A-J]", gold)
        else (normalize(gold) == normalize(answer), "text")
    )
    if simple is not None or depth > 6:
        return Finding(bool(simple), reason)
    return _by_shape(gold, answer, depth)


def _by_shape(gold: str, answer: str, depth: int) -> Finding:
    whole = (shape(gold, answer) for shape in (_as_ratio, _as_sets))
    nested = (_as_lists, _as_brackets, _as_congruence, _as_relations, _as_measures)
    parts = (shape(gold, answer, depth + 1) for shape in nested)
    found = next((one for one in chain(whole, parts) if one is not None), None)
    if found is not None:
        return found
    if has_words(gold) or has_words(answer) or "ldots" in gold + answer:
        return Finding(False, "text")
    try:
        one, other = parse(gold), parse(answer)
        return Finding(equal(one, other, "." in gold + answer), "algebra")
    except Unreadable:
        return Finding(False, "text (no LaTeX that can be parsed)")


def _as_ratio(gold: str, answer: str) -> Finding | None:
    """Times of day (3:30) and ratios (3:4, 1:2:3)."""
    for kind, same in (("time", same_time), ("ratio", same_ratio)):
        if (agree := same(gold, answer)) is not None:
            return Finding(agree, kind)
    return None


def _as_lists(gold: str, answer: str, depth: int) -> Finding | None:
    r"""Several values in any order, also in `\{ \}`; `(1, 2)` against `1, 2` in order."""
    named = re.search(r"\A[A-Za-z] ?=", gold) or re.search(r"\A[A-Za-z] ?=", answer)
    golds, answers = (values(named_values(text) if named else text) for text in (gold, answer))
    if len(golds) == len(answers) == 1:
        return None
    if says_either(gold) or says_either(answer):
        either = says_either(gold) and says_either(answer)
        same = either and _any_order(alternatives(gold), alternatives(answer), depth)
        return Finding(same, "alternatives")
    if r"\ldots" in gold + answer:
        same = len(golds) == len(answers) and all(
            _same(g, a, depth).same for g, a in zip(golds, answers, strict=True)
        )
        return Finding(same, "list")
    one, other = unwrapped(golds), unwrapped(answers)
    if "(" in (one[0], other[0]):
        same = len(one[1]) == len(other[1]) and all(
            _same(g, a, depth).same for g, a in zip(one[1], other[1], strict=True)
        )
        return Finding(same, "list in order")
    return Finding(_any_order(one[1], other[1], depth), "list in any order")


def _any_order(golds: Sequence[str], answers: Sequence[str], depth: int) -> bool:
    """Whether each value has its own partner on the other side."""
    if len(golds) != len(answers) or len(golds) > MAX_VALUES:
        return False
    left = list(answers)
    for gold in golds:
        partner = next((a for a in left if _same(gold, a, depth).same), None)
        if partner is None:
            return False
        left.remove(partner)
    return True


def _as_brackets(gold: str, answer: str, depth: int) -> Finding | None:
    """Points, vectors, closed intervals: the same brackets around values that agree in order."""
    if r"\langle" in gold + answer:
        gold, answer = row_of(gold), row_of(answer)
    one, other = bracket(gold), bracket(answer)
    parts = [split_top(b[1], "[,;]") if b else [] for b in (one, other)]
    square = [b and b[0] in "[{" for b in (one, other)]
    if max(map(len, parts)) < 2 and not any(square):
        return None
    if not one or not other:
        opening, alone, _ = one or other or ("", "", "")
        if max(map(len, parts)) < 2:
            if not re.search(r"\d|\\begin", alone):
                return Finding(False, "brackets")
            if opening == "[":  # of a matrix, or around a number
                return None
        if "{" in ((one or other or ("",))[0]) and max(map(len, parts)) < 2:  # {5} is 5
            inside = [b[1] if b else t for b, t in ((one, gold), (other, answer))]
            return _same(inside[0], inside[1], depth)
        return _as_relations(gold, answer, depth) or Finding(False, "brackets")
    if (one[0], one[2]) != (other[0], other[2]):
        return Finding(False, "brackets")
    if one[0] == "{":
        return Finding(_any_order(values(one[1]), values(other[1]), depth), "set")
    same = len(parts[0]) == len(parts[1]) and all(
        _same(g, a, depth).same for g, a in zip(*parts, strict=True)
    )
    return Finding(same, "point" if (one[0], one[2]) == ("(", ")") else "interval")


def _as_congruence(gold: str, answer: str, depth: int) -> Finding | None:
    r"""`n \equiv 1 \pmod 4`: the same left side and modulus, the same residue."""
    if r"\pmod" not in gold + answer:
        return None
    one, other = (
        re.fullmatch(r"(?:(.*)(?:\\equiv|=))?(.*?),? ?\\pmod\{(\d+)\}", text)
        for text in (gold, answer)
    )
    if not one or not other or one[3] != other[3]:
        return Finding(False, "congruence")
    if one[1] and other[1] and not _same(one[1], other[1], depth).same:
        return Finding(False, "congruence")
    try:
        rest = (parse(one[2]) - parse(other[2])).doit()
        return Finding(bool(rest.is_integer and rest % int(one[3]) == 0), "congruence")
    except (Unreadable, TypeError, AttributeError):
        return Finding(_same(one[2], other[2], depth).same, "congruence")


def _as_relations(gold: str, answer: str, depth: int) -> Finding | None:
    """Equations and inequalities, or a name put before a value on one side."""
    (golds, gold_signs), (answers, signs) = relation(gold), relation(answer)
    if not gold_signs and not signs:
        return None
    plain = {"=", _APPROX, ":="}
    if set(gold_signs + signs) <= plain:
        if gold_signs and signs:
            return Finding(_equations(golds, answers, depth), "equation")
        chain, single = (golds, answer) if gold_signs else (answers, gold)
        return Finding(_names(chain, gold_signs or signs, single, depth), "value of an equation")
    if len(gold_signs) == len(signs):
        return Finding(_inequalities(golds, gold_signs, answers, signs, depth), "inequality")
    return Finding(False, "inequality")


def _names(chain: list[str], signs: list[str], single: str, depth: int) -> bool:
    """Whether a chain such as `x = 2 + 3 = 5` or `\\sqrt 2 \\approx 1.41` says the single value."""
    if len(chain) == 2 and is_label(chain[1]) and not is_label(chain[0]):  # 12 = x
        chain = chain[::-1]
    is_sum = re.fullmatch(r"[a-z](?: ?\+ ?[a-z]){1,3}", chain[0]) and re.search(r"\d", single)
    if (is_label(chain[0]) or is_sum) and len(chain) > 1:
        rest = chain[1:]
    elif re.search(
        r"(?<![\\A-Za-z])[a-df-hj-zA-Z](?![A-Za-z])", re.sub(r"\\text\{[^{}]*\}", "", chain[0])
    ):
        return False  # an equation in an unknown, not a value
    else:
        rest = chain if _APPROX in signs else chain[-1:]
    candidates = rest if _APPROX in signs else rest[-1:]
    return any(_same(single, value, depth).same for value in candidates)


def _equations(golds: list[str], answers: list[str], depth: int) -> bool:
    """Whether two equations say the same: name for name, or one is a multiple of the other."""
    if is_label(golds[0]) and normalize(golds[0]) == normalize(answers[0]):
        if _same(golds[-1], answers[-1], depth).same:
            return True
    elif len(golds) == len(answers) and all(
        _same(g, a, depth).same for g, a in zip(golds, answers, strict=True)
    ):
        return True
    if len(golds) != 2 or len(answers) != 2 or any(map(has_words, golds + answers)):
        return False
    try:
        return bool(multiples(*(numerator(a, b) for a, b in (golds, answers))))
    except Unreadable:
        return False


def _inequalities(
    golds: list[str], gold_signs: list[str], answers: list[str], signs: list[str], depth: int
) -> bool:
    """Side by side in one direction; of two sides also by what is left when one is taken away."""
    turned = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le", r"\ne": r"\ne"}

    def forward(sides: list[str], relations: list[str]) -> tuple[list[str], list[str]]:
        if any(sign in (">", r"\ge") for sign in relations):
            return sides[::-1], [turned.get(sign, sign) for sign in relations[::-1]]
        return sides, relations

    one, other = forward(golds, gold_signs), forward(answers, signs)
    if one[1] != other[1]:
        return False
    if all(_same(g, a, depth).same for g, a in zip(one[0], other[0], strict=True)):
        return True
    if len(golds) != 2 or one[1][0] not in turned or any(map(has_words, golds + answers)):
        return False
    try:
        left, right = (parse(sides[0]) - parse(sides[1]) for sides in (one[0], other[0]))
        return bool(multiples(left, right, positive=one[1][0] != r"\ne"))
    except (Unreadable, TypeError):
        return False


def _as_measures(gold: str, answer: str, depth: int) -> Finding | None:
    """Values with units: a missing unit is forgiven, another one is not; 50% is 50 and 0.5."""
    one, other = measure(gold), measure(answer)
    if not one.unit and not other.unit and (one.value, other.value) == (gold, answer):
        return None
    symbolic = not re.search(r"\d", one.value + other.value)
    if not units_agree(one.unit, other.unit) or (symbolic and one.unit != other.unit):
        return Finding(False, "unit")
    if _same(one.value, other.value, depth).same:
        return Finding(True, "value and unit")
    percent = [m.unit == "%" for m in (one, other)]
    if percent[0] != percent[1]:
        hundredth = [
            f"({m.value})/100" if p else m.value for m, p in zip((one, other), percent, strict=True)
        ]
        return Finding(_same(hundredth[0], hundredth[1], depth).same, "percentage")
    if "°" in (one.unit, other.unit) and r"\pi" in gold + answer:
        radians = [
            f"({m.value})\\cdot \\pi/180" if m.unit == "°" else m.value for m in (one, other)
        ]
        return Finding(_same(radians[0], radians[1], depth).same, "angle")
    return Finding(False, "value and unit")


def _as_sets(gold: str, answer: str) -> Finding | None:
    """Intervals, inequalities in one unknown, unions of these: the same set of real numbers."""
    if not (is_set(gold) or is_set(answer)):
        return None
    one_names, other_names = (
        set(re.findall(r"(?<![\\A-Za-z])[A-Za-z](?![A-Za-z])", re.sub(r"\\mathbb ?\{?R\}?", "", t)))
        - {"e"}
        for t in (gold, answer)
    )
    if one_names and other_names and one_names != other_names:
        return None
    if max(len(one_names), len(other_names)) > 1:  # x>0 and y>0
        return None
    try:
        one, other = real_set(gold), real_set(answer)
    except (Unreadable, TypeError, NotImplementedError, ValueError, AttributeError):
        return None
    return Finding(equal_sets(one, other), "set of numbers")
