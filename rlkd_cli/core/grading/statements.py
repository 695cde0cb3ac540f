"""What a text says of its answer in words: states it, or corrects it.

Patterns bound every repeat, and what stands before a match is looked at for a fixed length only.
"""

import re
from collections.abc import Iterator
from itertools import chain

_REACH = 200  # characters that an answer outside of a box may take
_BEFORE = 120  # characters of a sentence that are looked at before a statement

_ANSWER = (
    r"(?<!wrong )(?<!other )(?<!incorrect )(?<!false )(?<!earlier )(?<!\w)answers?"
    r"(?: \([A-Za-z ]{1,20}\))?(?:[\s*_]{0,4}"
    r"(?:is|are|becomes|should be|should have been|must be)(?: then| therefore| thus)?\b)?"
    r"[\s*_]{0,4}"
)
_VALUE = r"the (?:true|correct|right|corrected) (?:value|result) (?:is|should be) "
_STATEMENT = re.compile(
    rf"(?:{_ANSWER}(?:[:：=][\s*_]{{0,8}}|(?<=is )|(?<=are )|(?<=be )|(?<=been ))|(?<!\w){_VALUE}|"
    rf"(?:最终)?答案(?:[是为]|应[是为])?[:：]?\s{{0,4}})"
    rf"(?=(?P<claim>[^\n]{{1,{_REACH}}}))",
    re.IGNORECASE,
)
_CLAIMED = re.compile(
    r"\s*[*_]{0,3}(?:(?:actually|instead|in fact|really|simply|thus|now)\s)?"
    r"(?:not [^\s,]{1,30},? but (?:rather )?)?[*_]{0,3}"
    r"(?:\$+(?P<dollars>[^$]+)\$+|\\\((?P<parens>.+?)\\\)|\\\[(?P<brackets>.+?)\\\]|"
    r"(?P<plain>[-+−–]?[€£$]?[\d.,]*\d(?:/\d+)?%?))[*_]{0,3}"
    r"(?=\s*(?:[.,;!)](?:\s|$)|$|(?:because|since|as|not|instead|and not|rather)\b))"
)
SENTENCE = r"(?:\A[,;—–]?|[.!?\n])[\s$*_)\]]{0,4}"  # where one begins
_SORRY = r"(?:sorry|oops|apologies|actually|correction|no|wait|rather)"
_LONE = r"(?:[$(\\*]{0,4}(?:[-+−–]?[\d.]{1,40}|(?-i:[A-J])\b)[^\s\w]{0,5}|\$[^$\n]{1,60}\$\.?)"
# `Sorry, I meant 7`; `I meant 7`; `Edit: 7`; `Wait, no: 7.`; `It should be 7, not 5`
_CORRECTION = re.compile(
    rf"(?<!\w)(?:{_SORRY}[\s,.:;!*—–-]{{1,6}}){{1,3}}"
    r"(?:I (?:meant|mean)(?: to (?:write|say|box))?|it(?:['’]s| is| should be| must be)|"
    r"(?:that|this|it) should (?:be|have been)|make (?:that|it)|"
    r"the (?:correct |right |final |true )?(?:answer|option|choice)(?: is| should be|:))\s{1,4}"
    rf"(?=([^\n]{{1,{_REACH}}}))|"
    rf"(?<!\w)I meant(?: to (?:write|say|box))?\s{{1,4}}(?=([^\n]{{1,{_REACH}}}))|"
    rf"(?<!\w)(?:correction[:*\s]|edit[*]{{0,2}}:)[:*\s]{{0,6}}(?=([^\n]{{1,{_REACH}}}))|"
    rf"{SENTENCE}(?:{_SORRY}[\s,.:;!—–-]{{1,4}}){{1,3}}"
    rf"(?=({_LONE})(?:\s*\Z|\s*\n|\s(?:(?-i:[A-Z])|not\b|instead\b)))|"
    rf"{SENTENCE}(?:(?:so|but|thus),? )?(?:it|this|that) should (?:have been|read) "
    rf"(?=([^\n]{{1,{_REACH}}}))|"
    rf"{SENTENCE}(?:(?:so|but|thus),? )?(?:it|this|that) should be "
    rf"(?=([^\n]{{1,{_REACH}}}))(?=[^\n.]{{1,60}}\b(?:not|instead|rather)\b)",
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
# A slip of the solution's own, after which it states its answer
_OWN = re.compile(
    r"\b(?:I|we)(?:['’]ve| have)? (?:just |also |now )?(?:made|found|find|spotted|saw|see|noticed?|"
    r"caught|discovered|realized|realised) [^.]{0,30}?\b(?:errors?|mistakes?)\b|"
    r"\bthere(?: was| is|['’]s) (?:an?|one) (?:[a-z]+ )?(?:error|mistake)\b|"
    r"\bcorrect(?:ing)? (?:an?|my|the|this|that) (?:[a-z]+ )?(?:error|mistake)\b|"
    r"\b(?:re|double)-?check(?:ing|ed)?\b|\bcheck(?:ing|ed) again\b|"
    r"\b(?:on|upon|after) (?:checking|verif\w+)\b",
    re.IGNORECASE,
)


def _sentence(text: str, end: int) -> str:
    """What stands before a place in its sentence."""
    return re.split(r"[.!?]\s|\n", text[max(0, end - _BEFORE) : end])[-1]


def is_aside(text: str, start: int) -> bool:
    """Whether a statement is supposed, an example, or somebody else's."""
    before = _OWN.sub("", _sentence(text, start))
    return bool(_SUPPOSED.search(before) or _ASIDE.search(before))


def claimed(claim: str) -> str | None:
    """The mathematics at the start of a claim; None where it is words."""
    match = _CLAIMED.match(claim)
    return next(group for group in match.groups() if group) if match else None


def corrections(text: str) -> Iterator[tuple[int, str]]:
    """(where it stands, what is said) of each correction."""
    for match in _CORRECTION.finditer(text):
        said = next(group for group in range(1, _CORRECTION.groups + 1) if match[group])
        yield match.start(said), match[said]


def statement(text: str) -> str | None:
    """The last answer that a text states in words (`the answer is 3`), where it is mathematics."""
    stated = ((match.start(), match["claim"]) for match in _STATEMENT.finditer(text))
    last: tuple[int, str] | None = None
    for at, claim in chain(stated, corrections(text)):
        value = claimed(claim) if last is None or at > last[0] else None
        if value and not is_aside(text, at):
            last = at, value
    return last[1] if last else None
