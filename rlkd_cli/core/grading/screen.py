"""Answers that must not reach computer algebra, because it could hang there."""

import re

from rlkd_cli.core.grading.dress import undress

MAX_LENGTH = 400  # characters; a final answer is short, and the time of computer algebra is not
MAX_DEPTH = 12  # nested braces
MAX_DIGITS = 40  # digits in one number
MAX_EXPONENT = 4  # digits in an exponent
MAX_TOWER = 2  # exponents upon exponents: e^{x^{2}} has 2


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
    return "a large factorial" if _large_factorial(text) else None


def _large_factorial(text: str) -> bool:
    """Whether a factorial is of a long number, a power or a factorial, or is an exponent."""
    if re.search(r"\d{5,} ?!|! ?! ?!|\^ ?\{? ?(?:\d{2,}|[6-9]) ?!", text):
        return True
    opened: list[int] = []
    for at, character in enumerate(text):
        if character in "({[":
            opened.append(at)
        elif character in ")}]":
            start = opened.pop() if opened else 0
            operand = text[start:at]
            if re.match(r" ?!", text[at + 1 : at + 3]) and re.search(
                r"!|\d{5,}|[\d)}] ?\^ ?\{? ?\d", operand
            ):
                return True
    return False


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
