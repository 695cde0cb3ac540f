r"""The final answer of a reasoning path: found, screened and compared as far as text and numbers
go.

What is left for computer algebra is asked of worker processes that can be killed; see
`rlkd_cli.reward.grading.grader`. The outcome reward of training is this same verdict, and a grade
says how it was reached (`reason`).
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from math import factorial
from typing import Literal, NamedTuple

from rlkd_cli.core.grading import answers
from rlkd_cli.core.grading.compare import decide
from rlkd_cli.core.grading.dress import normalize, undress
from rlkd_cli.core.grading.letters import find_letter, gold_text, letter_of
from rlkd_cli.core.grading.numbers import as_integer, as_number
from rlkd_cli.core.grading.screen import screen
from rlkd_cli.core.grading.shape import is_label, relation
from rlkd_cli.core.grading.units import measure

GradeVerdict = Literal["correct", "wrong", "no_answer", "timeout", "unparsable", "truncated"]
Kind = Literal["math", "letter", "exact", "integer"]  # what `--grader` may name


class Grade(NamedTuple):
    """A path's prediction (None: there is none), the verdict on it, and what decided it.

    `reason`: `text`, `integer`, `number`, `letter`, `exact` or `base` where no algebra was needed,
    `algebra` and what it compared otherwise, or why there is no comparison.
    """

    prediction: str | None
    verdict: GradeVerdict
    reason: str = ""


def extract_answer(
    path: str, reference: str = "", truncated: bool = False, choices: Sequence[str] = ()
) -> str | None:
    """A path's final answer or None: a letter for a reference that is one, else mathematics."""
    if letter_of(reference):
        return find_letter(path, choices)
    found = answers.find(path, reference, truncated)
    return found.answer if found else None


def grade_simple(
    path: str,
    reference: str,
    truncated: bool = False,
    choices: Sequence[str] = (),
    grader: Kind | None = None,
) -> Grade | None:
    """The grade of a path, or None where the verdict needs algebra (`extract_answer` says of what).

    `grader` says how answers are read where the reference alone should not: as a letter, as an
    integer, or as text that must be the same to the character.
    """
    if grader in ("exact", "integer"):
        return _graded_as(grader, path, reference, truncated)
    letter, text = letter_of(reference, choices), gold_text(reference)
    if grader == "letter" and not letter:
        return Grade(None, "unparsable", f"the reference {reference[:20]!r} is no letter")
    if letter and grader != "math":
        graded = _graded_letter(path, letter, truncated, choices)
        if text and grader != "letter" and not _is_letter(graded.prediction):
            return _graded_mathematics(path, text, truncated)
        if letter_of(reference) or grader == "letter" or graded.verdict == "correct":
            return graded
    return _graded_mathematics(path, reference, truncated)


def _graded_letter(path: str, letter: str, truncated: bool, choices: Sequence[str]) -> Grade:
    prediction = find_letter(path, choices)
    if prediction is None:
        return _nothing(path, truncated)
    return Grade(prediction, "correct" if prediction == letter else "wrong", "letter")


def _is_letter(prediction: str | None) -> bool:
    return prediction is None or bool(re.fullmatch("[A-J?]", prediction))


def mathematics_of(reference: str) -> str:
    """What is compared where a reference has a letter and a text: the text."""
    return gold_text(reference) or reference


def _graded_mathematics(path: str, reference: str, truncated: bool) -> Grade | None:
    found = answers.find(path, reference, truncated)
    if found is None:
        return _nothing(path, truncated)
    agrees, reason = decide(found.answer, reference)
    if letter_of(reference):  # a symbol, by the grader that was asked for
        agrees, reason = normalize(found.answer) == normalize(reference) or None, "text"
    if agrees is None or (not agrees and found.parts):
        stop = next((why for text in (found.answer, reference) if (why := screen(text))), None)
        return Grade(found.answer, "unparsable", f"screened: {stop}") if stop else None
    return Grade(found.answer, "correct" if agrees else "wrong", reason)


def _nothing(path: str, truncated: bool) -> Grade:
    inside = answers.final_part(path) is None
    why = "the thinking never ends" if inside else "no final answer"
    return Grade(None, "truncated" if truncated else "no_answer", why)


_TERM = r"\d{1,12}!?(?: ?\\cdot ?\d{1,12}!?){0,9}"


def _reckoned(text: str) -> Fraction | None:
    """What a short sum or product of integers comes to: `200+4`, `3\\cdot 5!`."""
    if len(text) > 200 or not re.fullmatch(rf"-? ?{_TERM}(?: ?[-+] ?{_TERM}){{0,20}}", text):
        return None
    total = 0
    for sign, term in re.findall(rf"([-+]?) ?({_TERM})", text):
        product = 1
        for factor in re.split(r" ?\\cdot ?", term):
            number = int(factor.rstrip("!"))
            if factor.endswith("!") and number > 50:
                return None
            product *= factorial(number) if factor.endswith("!") else number
        total += -product if sign == "-" else product
    return Fraction(total)


def _integer(answer: str) -> int | None:
    """The integer that an answer is, whatever its unit and name: `x = 25.0 \\text{ cm}` is 25."""
    sides, signs = relation(undress(answer))
    is_named = is_label(sides[0]) or re.fullmatch(r"[a-z](?: ?\+ ?[a-z]){1,3}", sides[0])
    text = sides[-1] if set(signs) <= {"="} and is_named else answer
    text = measure(undress(text)).value
    number = as_number(text) if as_number(text) is not None else _reckoned(text)
    return int(number) if number is not None and number.denominator == 1 else None


def _graded_as(grader: Kind, path: str, reference: str, truncated: bool) -> Grade:
    found = answers.find(path, reference, truncated)
    if found is None:
        return _nothing(path, truncated)
    if grader == "exact":
        right = found.answer.strip() == reference.strip()
        return Grade(found.answer, "correct" if right else "wrong", "exact")
    gold, value = as_integer(reference), _integer(found.answer)
    if gold is None:
        return Grade(found.answer, "unparsable", f"the reference {reference[:20]!r} is no integer")
    return Grade(found.answer, "correct" if value == gold else "wrong", "integer")
