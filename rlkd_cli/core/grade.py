"""The final answer of a reasoning path: found, screened and compared as far as text and integers go.

What is left for computer algebra (`needs_algebra`) is asked of math-verify in worker processes that can be
killed; see `rlkd_cli.pipeline.grading`. The outcome reward of training is this same verdict.
"""

import re
import unicodedata
from typing import Literal, NamedTuple

from rlkd_cli.core.thinking import answer_text

GradeVerdict = Literal["correct", "wrong", "no_answer", "timeout", "unparsable", "truncated"]

MAX_LENGTH = 400  # characters; a final answer is short, and the time of computer algebra is not
MAX_DEPTH = 12  # nested braces
MAX_DIGITS = 40  # digits in one number
MAX_EXPONENT = 4  # digits in an exponent

_SIGNS = str.maketrans(
    {
        "−": "-",
        "≤": r"\le ",
        "≥": r"\ge ",
        "≠": r"\ne ",
        "∞": r"\infty ",
        "π": r"\pi ",
        "√": r"\sqrt ",
    }
)
_BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s*(?=\{)")
_LETTER = re.compile(
    r"(?:final answer|answer)\s*(?:is)?\s*[:=]?\s*\**\s*\(?\$?\s*([A-J])\b", re.IGNORECASE
)


class Grade(NamedTuple):
    """A path's prediction (None: there is none) and the verdict on it."""

    prediction: str | None
    verdict: GradeVerdict


def extract_answer(path: str, reference: str = "") -> str | None:
    """The final answer: in the text after `</think>`, what `<answer>` holds, then the last box; else None.

    A stray number is never an answer: paths that loop until they are cut off would get credit by chance. For a
    reference that is one letter (multiple choice), `Answer: C` counts too.
    """
    text = answer_text(path)
    if text is None:
        return None
    tagged = re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)
    text = tagged[-1] if tagged else text
    boxes = _boxes(text)
    if boxes:
        return boxes[-1].strip() or None
    if re.fullmatch(r"[A-J]", reference.strip()):
        letters = _LETTER.findall(text)
        return letters[-1].upper() if letters else None
    return text.strip() or None if tagged else None


def _boxes(text: str) -> list[str]:
    """The contents of all boxes in order; one that is never closed is no box."""
    found = []
    for match in _BOX.finditer(text):
        depth = 0
        for end in range(match.end(), len(text)):
            escaped = text[end - 1] == "\\"
            depth += {"{": 1, "}": -1}.get(text[end], 0) * (not escaped)
            if depth == 0:
                found.append(text[match.end() + 1 : end])
                break
    return found


def plain(answer: str) -> str:
    """An answer in ASCII where LaTeX has a word for it: digits of all scripts, signs, `1 1/2` as a fraction."""
    text = unicodedata.normalize("NFKC", answer).strip().translate(_SIGNS)
    text = re.sub(r"[^\W\D]", lambda digit: str(unicodedata.digit(digit.group())), text)
    return re.sub(
        r"\A(\d+)\s+(\d+)/(\d+)\Z", lambda m: f"{int(m[1]) * int(m[3]) + int(m[2])}/{m[3]}", text
    )


def normalize(answer: str) -> str:
    """An answer without what only dresses it: width variants, spacing, dollars, `\\text{}`, a final full stop."""
    text = re.sub(r"\\(?:text|mathrm|mbox|textbf)\s*\{([^{}]*)\}", r"\1", plain(answer))
    text = (
        re.sub(r"\\(?:left|right|displaystyle|,|!|;|:| )", "", text)
        .replace("dfrac", "frac")
        .replace("tfrac", "frac")
    )
    text = re.sub(r"\s+", "", text.replace("\\$", "").replace("$", "")).rstrip(".")
    return re.sub(r"(?<=\d),(?=\d{3}(?:\D|\Z))", "", text)


def as_integer(answer: str) -> int | None:
    """The integer that an answer is, after normalising ("025" is 25, "1,024" is 1024); None for anything else."""
    text = normalize(answer)
    return int(text) if re.fullmatch(rf"[+-]?[0-9]{{1,{MAX_DIGITS}}}", text) else None


def compare_simple(prediction: str, reference: str) -> bool | None:
    """Whether the answers agree, where text and integers decide it; None where algebra is needed."""
    if normalize(prediction).casefold() == normalize(reference).casefold():
        return True
    if re.fullmatch(r"[A-J]", reference.strip()):
        match = re.match(
            r"(?:\\(?:text|mathrm|mbox|textbf)\s*\{)?\s*\(?([A-J])\)?(?:[.:\s}]|\Z)",
            prediction.strip(),
        )
        return bool(match and match.group(1) == reference.strip())
    left, right = as_integer(prediction), as_integer(reference)
    return left == right if left is not None and right is not None else None


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
    if re.search(r"\^\s*\{?[^{}]*\^", answer) or re.search(r"\*\*[^+*]*\*\*", answer):
        return "a power tower"
    if re.search(rf"\^\s*\{{?\s*-?\d{{{MAX_EXPONENT + 1},}}", answer):
        return f"an exponent of more than {MAX_EXPONENT} digits"
    if re.search(r"\d{4,}\s*!|!\s*!|\)\s*!|\}\s*!", answer):
        return "a large factorial"
    return None


def grade_simple(path: str, reference: str, truncated: bool) -> Grade | None:
    """The grade of a path, or None where the verdict needs algebra (ask `extract_answer` for the prediction)."""
    prediction = extract_answer(path, reference)
    if prediction is None:
        return Grade(None, "truncated" if truncated else "no_answer")
    agrees = compare_simple(prediction, reference)
    if agrees is not None:
        return Grade(prediction, "correct" if agrees else "wrong")
    return Grade(prediction, "unparsable") if screen(prediction) or screen(reference) else None
