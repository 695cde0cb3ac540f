"""What a text says against its answer in words: takes it back, or says that a box is not it.

Patterns bound every repeat.
"""

import re

from rlkd_cli.core.grading.statements import SENTENCE, is_aside

_RESULT = r"(?:answer|result|value|box|solution|choice)"
_ABOVE = r"(?:boxed|above|previous|earlier|last)"
_MY = rf"(?:(?:that|this|my) (?:answer|box)|(?:the|my) (?:{_ABOVE} {_RESULT}|{_RESULT} above))"
_IS = r"(?: is| was|['’]s)(?: clearly| actually| obviously| therefore| thus)? "
_WRONG = r"(?:wrong|incorrect|not (?:right|correct)|a mistake|mistaken|false)"
_ENDS = r"(?=\s*(?:[.;!—–\n]|\Z))"
_HM = r"(?:(?:hmm*|wait|no|oh|ah|but|hold on|actually|however|sorry|please)[,.!…\s—–-]{1,4}){0,3}"
_SLIP = r"(?:[a-z]+ )?(?:mistake|error)"
_TAKEN_BACK = re.compile(
    r"\bscratch that\b|\bdisregard (?:that|the above)\b|"
    rf"\b(?:that|this|it|the above|answer above|{_MY}){_IS}{_WRONG}(?=\s*(?:[.,;:!\n]|\Z))|"
    rf"\b{_MY}{_IS}(?:invalid|not valid){_ENDS}|"
    rf"\b(?:ignore|disregard|forget) {_MY}{_ENDS}|"
    rf"{SENTENCE}{_HM}(?:ignore|forget) (?:that|this|the above){_ENDS}|"
    rf"{SENTENCE}{_HM}never ?mind(?: that| this| the above)?{_ENDS}|"
    rf"{SENTENCE}{_HM}(?:that|this|it|{_MY}) (?:can['’]?t|cannot|can not) be "
    rf"(?:right|correct|true){_ENDS}|"
    rf"{SENTENCE}{_HM}I (?:was|am) wrong(?: above| here)?{_ENDS}|"
    rf"\bI (?:take|took) (?:that|this|it|my answer) back\b|"
    rf"\bI (?:must )?(?:retract|withdraw) (?:that|this|it|my answer|{_MY})\b|"
    rf"\bI (?:have )?made an? {_SLIP}\b(?! (?:earlier|before))|"
    rf"\bthere(?: was| is|['’]s) an? {_SLIP} (?:above|in (?:my|the above))\b",
    re.IGNORECASE,
)
_KEPT = re.compile(
    r"(?:\b(?:it|that|this|answer|result|above)|\d\$?)(?: is|['’]s| was)"
    r"(?: indeed| in fact| still| actually)? (?:right|correct|fine|valid)\b",
    re.IGNORECASE,
)
_BEGINS = re.compile(SENTENCE)
_REFUSED = re.compile(
    r"[\s$.*\\)\]]{0,6}(?:is|was|are)(?: clearly| actually| obviously)? "
    r"(?:wrong|incorrect|not (?:right|correct|the answer)|a mistake|mistaken|false)\b",
    re.IGNORECASE,
)
_NOT = re.compile(r"(?:\bnot|n['’]t|\brather than|\binstead of)[\s$*(\\\[]{1,6}\Z", re.IGNORECASE)


def taken_back(text: str) -> bool:
    """Whether a text that follows an answer takes it back, and does not find it right after all."""
    found = None
    for match in _TAKEN_BACK.finditer(text):
        begins = _BEGINS.match(match[0])
        if not is_aside(text, match.start() + (begins.end() if begins else 0)):
            found = match
    return found is not None and not _KEPT.search(text, found.end())


def refused(text: str, start: int, end: int) -> bool:
    """Whether the text around a box says that it is not the answer: `not \\boxed{6}`."""
    return bool(
        _REFUSED.match(text[end : end + 60]) or _NOT.search(text[max(0, start - 24) : start])
    )
