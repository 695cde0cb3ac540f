"""What a text says of its answer in words: states it, corrects it, takes it back.

Patterns bound every repeat, and what stands before a match is looked at for a fixed length only.
"""

import re

_REACH = 200  # characters that an answer outside of a box may take
_BEFORE = 120  # characters of a sentence that are looked at before a statement

_ANSWER = (
    r"(?<!wrong )(?<!other )(?<!incorrect )(?<!false )(?<!earlier "
    r")(?<!\w)answers?(?:[\s*_]{0,4}(?:is|are|becomes)(?: then| therefore| thus)?\b)?[\s*_]{0,4}"
)
_STATEMENT = re.compile(
    rf"(?:{_ANSWER}(?:[:：=][\s*_]{{0,8}}|(?<=is )|(?<=are ))|(?:最终)?答案(?:[是为]|"
    rf"应[是为])?[:：]?\s{{0,4}})"
    rf"(?=(?P<claim>[^\n]{{1,{_REACH}}}))",
    re.IGNORECASE,
)
_CLAIMED = re.compile(
    r"\s*[*_]{0,3}(?:(?:actually|instead|in fact|really|simply|thus|now)\s)?[*_]{0,3}"
    r"(?:\$+(?P<dollars>[^$]+)\$+|\\\((?P<parens>.+?)\\\)|\\\[(?P<brackets>.+?)\\\]|"
    r"(?P<plain>[-+−–]?[€£$]?[\d.,]*\d(?:/\d+)?%?))[*_]{0,3}"
    r"(?=\s*(?:[.,;!)](?:\s|$)|$|(?:because|since|as|not|instead|and not|rather)\b))"
)
# `Sorry, I meant`, `Actually, it's`, `Correction:`
CORRECTION = re.compile(
    r"(?<!\w)(?:(?:sorry|oops|apologies|actually|correction|no|wait|rather)[\s,.:;!*—–-]{1,6}){1,3}"
    r"(?:I (?:meant|mean)(?: to (?:write|say|box))?|it(?:['’]s| is| should be| must be)|"
    r"(?:that|this|it) should (?:be|have been)|make (?:that|it)|"
    r"the (?:correct |right |final |true )?(?:answer|option|choice)(?: is| should be|:))\s{1,4}"
    r"(?=(?P<claim>[^\n]{1,200}))|"
    r"(?<!\w)I meant(?: to (?:write|say|box))?\s{1,4}(?=(?P<meant>[^\n]{1,200}))|"
    r"(?<!\w)correction[:*\s]{1,6}(?=(?P<short>[^\n]{1,200}))",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"\bscratch that\b|\bdisregard (?:that|the above)\b|"
    r"\b(?:that|this|it|the above|answer above|"
    r"(?:the|my) (?:boxed|above|previous|earlier|last) (?:answer|result|value|box))"
    r"(?: is|['’]s| was)(?: clearly| actually| obviously)? "
    r"(?:wrong|incorrect|not (?:right|correct)|a mistake|mistaken|false)(?=\s*(?:[.,;:!\n]|$))|"
    r"\bI (?:have )?made an? (?:[a-z]+ )?(?:mistake|error)\b(?! (?:earlier|before))",
    re.IGNORECASE,
)
_SUPPOSED = re.compile(
    r"\b(?:if|had|suppose|otherwise|someone|might|would|could|unless)\b", re.IGNORECASE
)
# Others' answers, special cases, and the same answer in other figures
_ASIDE = re.compile(
    r"\b(?:many|some|students?|people|others|you|they|mistakes?|errors?|wrongly|tempt\w*|"
    r"checks?|checking|verif\w+|examples?|instance|special case|numerically|decimals?|"
    r"approximat\w+|roughly|about)\b|"
    r"\b(?:for|with|when|at|where|let|take)\s+\$?(?:\\\()?[A-Za-z]\s*=",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"[\s$.*\\)\]]{0,6}(?:is|was|are)(?: clearly| actually| obviously)? "
    r"(?:wrong|incorrect|not (?:right|correct|the answer)|a mistake|mistaken|false)\b",
    re.IGNORECASE,
)
_NOT = re.compile(r"(?:\bnot|n['’]t|\brather than|\binstead of)[\s$*(\\\[]{1,6}\Z", re.IGNORECASE)


def _sentence(text: str, end: int) -> str:
    """What stands before a place in its sentence."""
    return re.split(r"[.!?]\s|\n", text[max(0, end - _BEFORE) : end])[-1]


def is_aside(text: str, start: int) -> bool:
    """Whether a statement is supposed, an example, or somebody else's."""
    before = _sentence(text, start)
    return bool(_SUPPOSED.search(before) or _ASIDE.search(before))


def claimed(claim: str) -> str | None:
    """The mathematics at the start of a claim; None where it is words."""
    match = _CLAIMED.match(claim)
    return next(group for group in match.groups() if group) if match else None


def statement(text: str) -> str | None:
    """The last answer that a text states in words (`the answer is 3`), where it is mathematics."""
    last: tuple[int, str] | None = None
    for match in _STATEMENT.finditer(text):
        value = claimed(match["claim"])
        if value and not is_aside(text, match.start()):
            last = match.start(), value
    for match in CORRECTION.finditer(text):
        value = claimed(match["claim"] or match["meant"] or match["short"])
        if (
            value
            and (last is None or match.start() > last[0])
            and not is_aside(text, match.start())
        ):
            last = match.start(), value
    return last[1] if last else None


def taken_back(text: str) -> bool:
    """Whether a text that follows an answer takes it back."""
    return any(not is_aside(text, match.start()) for match in _TAKEN_BACK.finditer(text))


def refused(text: str, start: int, end: int) -> bool:
    """Whether the text around a box says that it is not the answer: `not \\boxed{6}`."""
    return bool(
        _REFUSED.match(text[end : end + 60]) or _NOT.search(text[max(0, start - 24) : start])
    )
