"""Whether two answers agree, as far as text and numbers decide it."""

import re
from collections.abc import Sequence

from rlkd_cli.core.grading.dress import normalize, undress
from rlkd_cli.core.grading.letters import letter_of, read_letter
from rlkd_cli.core.grading.numbers import as_number, fewest_places, numbers_agree

_OPPOSITES = {"yes": "no", "no": "yes", "true": "false", "false": "true"}
_YES_NO = re.compile(r"yes|no|true|false")
# `Yes, because 3 divides 9`, not `No solution`
_SAYS = re.compile(
    r"(?:\\text\{ ?)?(yes|no|true|false)\b ?\}?(?=[,.;:!—–]| -|\s*(?:because|since|as)\b)",
    re.IGNORECASE,
)
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
    if _YES_NO.fullmatch(gold):
        said = _SAYS.match(undress(prediction))
        others = said and re.search(rf"\b(?:{_OPPOSITES[gold]}|maybe)\b", text, re.IGNORECASE)
        return bool(said and said[1].lower() == gold and not others) or None, "first word"
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
