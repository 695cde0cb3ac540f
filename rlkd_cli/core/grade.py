r"""The final answer of a reasoning path: found, screened and compared as far as text and numbers
go.

What is left for computer algebra is asked of worker processes that can be killed; see
`rlkd_cli.reward.grading`. The outcome reward of training is this same verdict, and a grade says how
it was reached (`reason`).
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

from rlkd_cli.core import answers
from rlkd_cli.core.dress import LONG, normalize, undress
from rlkd_cli.core.letters import LETTERS, find_letter, letter_of, read_letter
from rlkd_cli.core.shape import is_label, measure, relation

GradeVerdict = Literal["correct", "wrong", "no_answer", "timeout", "unparsable", "truncated"]
Kind = Literal["math", "letter", "exact", "integer"]  # what `--grader` may name

MAX_LENGTH = 400  # characters; a final answer is short, and the time of computer algebra is not
MAX_DEPTH = 12  # nested braces
MAX_DIGITS = 40  # digits in one number
MAX_EXPONENT = 4  # digits in an exponent
MAX_TOWER = 2  # exponents upon exponents: e^{x^{2}} has 2

plain = undress


class Grade(NamedTuple):
    """A path's prediction (None: there is none), the verdict on it, and what decided it.

    `reason`: `text`, `integer`, `number`, `letter`, `exact` or `base` where no algebra was
    needed, `algebra` and what it compared otherwise, or why there is no comparison.
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


_BASE = re.compile(r"\(?([0-9A-Fa-f]+)\)?_(?:\{(\d+)\}|(\d))")


def compare_simple(prediction: str, reference: str) -> bool | None:
    """Whether the answers agree, where text and numbers decide it; None where algebra is needed."""
    return decide(prediction, reference)[0]


def decide(prediction: str, reference: str, choices: Sequence[str] = ()) -> tuple[bool | None, str]:
    """Whether two answers agree and what decided it, without algebra; (None, "") where that is
    needed.
    """
    letter = letter_of(reference, choices)
    if letter:
        return read_letter(prediction, choices) == letter, "letter"
    text, gold = normalize(prediction), normalize(reference)
    if text == gold:
        return True, "text"
    left, right = as_number(prediction), as_number(reference)
    if left is not None and right is not None:
        whole = left.denominator == right.denominator == 1
        agree = numbers_agree(left, right, fewest_places(prediction, reference))
        return agree, "integer" if whole else "number"
    based, base = _BASE.fullmatch(text), _BASE.fullmatch(gold)
    if based or base:
        return _same_in_base(text, gold, based, base), "base"
    return None, ""


def _same_in_base(
    text: str, gold: str, based: re.Match[str] | None, base: re.Match[str] | None
) -> bool:
    """The same digits in the same base; a prediction may leave out what the question names."""
    one_ten, other_ten = _in_ten(text), _in_ten(gold)
    if one_ten is not None and other_ten is not None:
        return one_ten == other_ten
    if based and base:
        one, other = (m[1].lower().lstrip("0") for m in (based, base))
        return one == other and (based[2] or based[3]) == (base[2] or base[3])
    return bool(base) and text.lower().lstrip("0") == base[1].lower().lstrip("0") if base else False


def _in_ten(text: str) -> int | None:
    """The integer that decimal digits are, with base 10 named or none."""
    match = re.fullmatch(r"(\d{1,40})(?:_\{10\})?", text)
    return int(match[1]) if match else None


def screen(answer: str) -> str | None:
    """Why an answer must not reach computer algebra (it could hang there); None where it may."""
    if len(answer) > MAX_LENGTH:
        return f"longer than {MAX_LENGTH} characters"
    depth = deepest = 0
    for character in answer:
        depth += {"{": 1, "(": 1, "[": 1, "}": -1, ")": -1, "]": -1}.get(character, 0)
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH}"
    if re.search(rf"\d{{{MAX_DIGITS + 1},}}", answer):
        return f"a number of more than {MAX_DIGITS} digits"
    text = undress(answer)
    if _tower(text) > MAX_TOWER:
        return "a power tower"
    exponents = re.findall(r"\^ ?\{? ?-?(\d+)", text)
    if any(len(digits) > MAX_EXPONENT for digits in exponents):
        return f"an exponent of more than {MAX_EXPONENT} digits"
    if re.search(r"\d{4,} ?!|\^[^!(){}]*\) ?!|\^ ?\{?[^{}()!]*\}? ?!", text) or text.count("!") > 4:
        return "a large factorial"
    return None


def _tower(text: str) -> int:
    """How many exponents stand upon each other at most: 0 in `x`, 1 in `x^2+y^2`, 3 in
    `9^{9^{9^9}}`.
    """
    highest, height, groups, after = 0, 0, [], False
    for character in re.sub(r"\\[A-Za-z]+|\s", "", text):
        if character == "^":
            height, after = height + 1, True
            highest = max(highest, height)
        elif character in "{([":
            groups.append(height - 1 if after else height)
            after = False
        elif character in "})]":
            height, after = (groups.pop() if groups else 0), False
        elif after:  # an exponent of one character
            height, after = height - 1, False
    return highest


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
    letter = letter_of(reference, choices)
    if grader == "letter" and not letter:
        return Grade(None, "unparsable", f"the reference {reference[:20]!r} is no letter")
    if letter and grader != "math":
        graded = _graded_letter(path, letter, truncated, choices)
        if letter_of(reference) or grader == "letter" or graded.verdict == "correct":
            return graded
    return _graded_mathematics(path, reference, truncated)


def _graded_letter(path: str, letter: str, truncated: bool, choices: Sequence[str]) -> Grade:
    prediction = find_letter(path, choices)
    if prediction is None:
        return _nothing(path, truncated)
    return Grade(prediction, "correct" if prediction == letter else "wrong", "letter")


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


def _integer(answer: str) -> int | None:
    """The integer that an answer is, whatever its unit and name: `x = 25.0 \\text{ cm}` is 25."""
    sides, signs = relation(undress(answer))
    text = sides[-1] if set(signs) <= {"="} and is_label(sides[0]) else answer
    number = as_number(measure(undress(text)).value)
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


__all__ = [
    "LETTERS",
    "LONG",
    "Grade",
    "GradeVerdict",
    "Kind",
    "as_integer",
    "as_number",
    "compare_simple",
    "decide",
    "extract_answer",
    "fewest_places",
    "grade_simple",
    "normalize",
    "plain",
    "screen",
    "vote_key",
]
