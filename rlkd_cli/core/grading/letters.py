r"""Answers to multiple-choice questions: one letter, however a model writes it.

An explicit line ("Answer: C") or a boxed letter goes before what is said in passing ("I choose C"),
and the last before those above it. A letter stands alone: the article in "the answer is a strong
acid" is none, and "A or B" is no answer.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rlkd_cli.core.grading.answers import beside, boxes, final_part
from rlkd_cli.core.grading.dress import normalize, undress

LETTERS = "ABCDEFGHIJ"
LAST = 100  # claims that are looked at, from the end
HEDGE = "?"  # more than one letter, or one taken back

_KEYWORD = (
    r"(?:(?:correct|final|right|best|my) )?"
    r"(?:answer|option|choice|respuesta|réponse|antwort|ответ|答案|选项|答え|정답)"
)
_EXPLICIT = re.compile(
    rf"(?:(?<![^\W_]){_KEYWORD}(?:[\s*_]{{0,4}}(?:is|est|es))?[\s*_]{{0,4}}[:：=]|"
    r"^[#*\s]{1,6}(?:final |correct )?answer[*\s]{0,4}\n|(?:故|应|本题|因此|所以|"
    r"^)选(?:择)?[:：]?(?=\s?[(（]?[A-J])|"
    r"(?:答案|选项)(?:是|为|选|应选)[:：]?)[\s*_]{0,8}(?=(?P<claim>[^\n]{1,300}))",
    re.IGNORECASE | re.MULTILINE,
)
_ONE = (
    r"[\s*_`$(\[{]{0,6}(?:\\[(\[]\s?)?(?:\\(?:text|mathrm|mathbf|textbf|boxed)\s?\{)?[\s(\[*]{0,3}"
)
_ENDS = r"(?![A-Za-z0-9'’=+^_-])(?!\s*[=+/&^<>]|\s*(?:or|and|nor|vs)\b|\s?,\s?[A-J]\b)"
_PASSING = re.compile(
    rf"(?<![^\W_])(?:(?:{_KEYWORD})\s(?:is|must be|would be|should be)(?: therefore| thus| "
    rf"clearly)?|"
    r"(?:I|we)(?: would|['’]d|['’]ll| will)? (?:choose|pick|select|go with|answer)|"
    r"(?:is|be|namely|i\.e\.,?|so|thus|hence|therefore)(?: the)?(?= (?:option|choice|answer)))"
    rf":?\s(?:the\s)?(?:option\s|choice\s|"
    rf"answer\s)?{_ONE}(?P<letter>[A-Ja-j]){_ENDS}(?P<rest>.{{0,20}})",
    re.IGNORECASE,
)
_IS_RIGHT = re.compile(
    rf"(?:(?i:option|choice|answer)|\()\s?(?P<letter>[A-J])\)?{_ENDS}\s(?:is|must be)(?: the)? "
    r"(?:correct|right|best|true|answer)\b"
)
_ALONE = re.compile(r"[(\[]?\s?([A-Ja-j])\s?[)\]]?[.:]?")
_NAMED = re.compile(
    r"(?:(?:the )?(?:correct )?(?:option|choice|answer)(?: is)?:? ?)"
    r"[(\[]?\s?([A-Ja-j])\s?[)\]]?\.?",
    re.IGNORECASE,
)
_LEADING = re.compile(
    r"[(\[]\s?([A-Ja-j])\s?[)\]](?P<rest>.*)|([A-J])(?:[.):](?=\s|[^\W\d_]{2}|\d|\Z)|,? "
    r"(?=because|since|as |is (?:the )?(?:correct|right|best))|"
    r" ?[-—–] | (?=\((?:not |[A-Za-z]{3,})))(?P<more>.*)",
    re.DOTALL,
)
_MENTION = re.compile(r"(?:\b(?:option|choice)\s?[(\[]?|\()([A-J])(?:\)|\b)(?!\w)")
_SEVERAL = re.compile(
    r"(?<![A-Za-z])[A-J][)\]]?\s?(?:,|/|&|\bor\b|\band\b)\s?(?:option\s?)?[(\[]?[A-J](?![A-Za-z])"
)
_HEDGING = re.compile(r"\s*\(?(?:or\b|and\b|/|&|,\s?[(\[]?[A-J]\b|nor\b)|\s*[(\[]?[A-J][)\]]?\s*\Z")
_WRONG = re.compile(r"\b(?:is|are) (?:wrong|incorrect|not)\b|\bnot\b|n['’]t\b")


def letter_of(reference: str, choices: Sequence[str] = ()) -> str | None:
    r"""The letter that a reference answer is: `C`, `(C)`, `\text{C}`, or an option's own text.

    >>> letter_of(r"\text{(C)}"), letter_of("Paris", ["Rome", "Paris"]), letter_of("12")
    ('C', 'B', None)
    """
    text = normalize(reference)
    last = LETTERS[-1] if len(choices) <= len(LETTERS) else chr(64 + len(choices))
    match = re.fullmatch(rf"([A-{last}])|[(\[]([A-{last}a-{last.lower()}])[)\]]\.?", text)
    if match:
        return (match[1] or match[2]).upper()
    texts = [normalize(choice) for choice in choices]
    return chr(65 + texts.index(text)) if texts.count(text) == 1 else None


def choices_of(record: Mapping[str, Any]) -> list[str]:
    """The texts of a record's choices: `choices` or `options`, as a list or as `{"text": […]}`."""
    found = record.get("choices") or record.get("options") or []
    if isinstance(found, Mapping):
        found = found.get("text", list(found.values()))
    return [str(one) for one in found] if isinstance(found, list | tuple) else []


def read_letter(claim: str, choices: Sequence[str] = ()) -> str | None:
    r"""The letter that a claimed answer is; HEDGE for several, None for what is no letter.

    >>> [read_letter(text) for text in (r"\textbf{(c)}", "C. 12 kJ", "A or B", "F = ma")]
    ['C', 'C', '?', None]
    """
    if len(claim) > 2000:
        return None
    text = re.sub(
        r"\\text\{([^{}]*)\}", r"\1", undress(re.sub(r"[*`]", "", claim).strip(" \n_$\"'"))
    )
    text = re.sub(r" +", " ", re.sub(r"[{}*`$\"]", "", text)).strip()
    for pattern in (_ALONE, _NAMED):
        if match := pattern.fullmatch(text):
            return match[1].upper()
    exact = [normalize(choice) for choice in choices]
    if normalize(claim) in exact:
        return chr(65 + exact.index(normalize(claim)))
    if match := _LEADING.fullmatch(text):
        rest = match["rest"] if match["rest"] is not None else match["more"]
        return HEDGE if _HEDGING.match(rest) else (match[1] or match[3]).upper()
    if _SEVERAL.search(text) and not re.search(r"\\to|=|\+", text):
        return HEDGE
    mentions = {match[1] for match in _MENTION.finditer(text)}
    if len(mentions) == 1 and not _WRONG.search(text):
        return mentions.pop()
    return HEDGE if len(mentions) > 1 else None


def find_letter(path: str, choices: Sequence[str] = ()) -> str | None:
    """The letter that a path ends in, HEDGE, a text that is no letter, or None for no answer."""
    part = final_part(path)
    if part is None:
        return None
    text, is_tagged = part
    closed, _ = boxes(text)
    strong: list[tuple[int, str]] = []
    weak: list[tuple[int, str]] = []  # (where it ends, letter or hedge), (where it ends, a text)
    claims = [(box.end, box.content) for box in closed[-LAST:]]
    claims += [(match.end(), match["claim"]) for match in _last(_EXPLICIT, text)]
    if len({read_letter(box.content, choices) for box in beside(text, closed)} - {None}) > 1:
        claims = claims[: len(closed[-LAST:]) - 1] + claims[len(closed[-LAST:]) :]
        strong.append((closed[-1].end, HEDGE))
    for place, claim in claims:
        letter = read_letter(claim, choices)
        (strong if letter else weak).append((place, letter or claim.strip()))
    if not strong:
        strong = _in_passing(text) or _bare(text, is_tagged, choices)
    if strong:
        return max(strong)[1]
    return max(weak)[1] if weak else (text.strip() or None if is_tagged else None)


def _in_passing(text: str) -> list[tuple[int, str]]:
    """Letters stated in a sentence; a small one only at the sentence's end."""
    found = []
    for match in _last(_PASSING, text):
        letter, rest = match["letter"], match["rest"]
        ends = re.match(r"[\s)\]}*`$\\]{0,6}(?:[.,;:!)]|\Z|\n|because|since|as\b)", rest)
        bracketed = text[match.start("letter") - 1] in "([" and rest[:1] in (")", "]")
        capital = letter.isupper() and (ends or letter not in "AI")
        if bracketed or capital or (ends and letter not in "ai"):
            found.append((match.end("letter"), letter.upper()))
    return found + [(m.end(), m["letter"]) for m in _last(_IS_RIGHT, text)]


def _last(pattern: re.Pattern[str], text: str) -> Iterable[re.Match[str]]:
    """The last matches; a text that loops has no end of them."""
    return deque(pattern.finditer(text), LAST)


def _bare(text: str, is_tagged: bool, choices: Sequence[str]) -> list[tuple[int, str]]:
    """A tag that holds a letter, or a last line that is nothing but one."""
    if is_tagged and (letter := read_letter(text, choices)):
        return [(0, letter)]
    whole = text.strip(" *_`\n")
    if len(whole) < 300 and re.match(r"\(?[A-J][.)] ", whole) and "\n" not in whole:
        letter = read_letter(whole, choices)
        return [(0, letter)] if letter else []
    line = text.rstrip()[-200:].rpartition("\n")[2].strip(" *_`$\\()[].")
    return [(0, line)] if re.fullmatch(r"[A-J]", line) else []
