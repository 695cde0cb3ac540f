r"""Answers to multiple-choice questions: one letter, however a model writes it.

An explicit line ("Answer: C") or a boxed letter goes before what is said in passing ("I choose C"),
and the last before those above it. A letter stands alone: the article in "the answer is a strong
acid" is none, and "A or B" is no answer.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from rlkd_cli.core.grading.answers import LAST, beside, boxes, final_part
from rlkd_cli.core.grading.dress import normalize, undress
from rlkd_cli.core.grading.statements import corrections, is_aside
from rlkd_cli.core.grading.withdrawals import taken_back

LETTERS = "ABCDEFGHIJ"
_AFTER = 20_000  # characters after a letter in which it may be taken back
_WITHIN = 200_000  # characters at the end of an answer in which a sentence may state a letter
HEDGE = "?"  # more than one letter, or one taken back

_KEYWORD = (
    r"(?:(?:correct|final|right|best|my) )?"
    r"(?:answer|ans|option|choice|(?:respuesta|opción|réponse|resposta|risposta)"
    r"(?: (?:correcta|correcte|correta|corretta|final|finale))?|antwort|antwoord|jawaban|"
    r"odpowiedź|đáp án|ответ|答案|选项|答え|正解|정답)"
)
_EXPLICIT = re.compile(
    rf"(?:(?<![^\W_])(?<!wrong )(?<!incorrect ){_KEYWORD}(?: \([a-z ]{{1,20}}\))?"
    r"(?:[\s*_]{0,4}(?:is|est|es))?[\s*_\"']{0,4}(?:[:：=]|"
    r"(?<=\s)[-–—](?=\s(?-i:[(\[*]{0,4}[A-J]\b)))|"
    r"(?<![^\W_])ans\.|^####(?=\s{0,4}[(]?[A-J]\b)|(?:答え|正解|解答)は|정답은|"
    r"^[#*\s]{1,6}(?:final |correct )?answer[*\s]{0,4}\n|(?:故|应|本题|因此|所以|"
    r"^)选(?:择)?[:：]?(?=\s?[(（]?[A-J])|"
    r"(?:答案|选项)(?:是|为|选|应选)[:：]?)[\s*_]{0,8}(?=(?P<claim>[^\n]{1,300}))",
    re.IGNORECASE | re.MULTILINE,
)
# Names of species, which are written with an initial: `E. coli` is no option E
_SPECIES = (
    r"\.\s?(?:albicans|aeruginosa|anthracis|aureus|botulinum|cerevisiae|cereus|coli|difficile|"
    r"elegans|falciparum|faecalis|fumigatus|histolytica|influenzae|lamblia|melanogaster|musculus|"
    r"niger|pylori|rerio|sapiens|subtilis|tetani|thaliana)\b"
)
_ENDS = (
    r"(?![A-Za-z0-9'’=+^_-])(?!\s*[=+/&^<>]|\s*(?:or|and|nor|vs)\b|\s?,\s?[A-J]\b|"
    rf"{_SPECIES})"
)
# What may follow a letter that is stated in a sentence
_STOPS = (
    r"(?=\s*(?:[.,;:!?)\]}]|\Z|\n|[-—–]\s|\()|\s+(?:because|since|as|for|which|with|instead|here|"
    r"rather|not|based)\b|です|입니다|"
    r"(?<=[)\]])\s+(?!(?:is|are|or|and)\b)[\w\\$])"
)
_LETTER = (
    r"(?:\$\s?(?:\\(?:text|mathrm|mathbf|textbf)\s?\{)?[(\s]?(?P<dollars>[A-Ja-j])[)\s}]{0,3}\$|"
    r"\\\(\s?(?:\\(?:text|mathrm|mathbf|textbf)\s?\{)?[(\s]?(?P<parens>[A-Ja-j])[)\s}]{0,3}\\\)|"
    r"[(\[]{1,2}\s?(?P<brackets>[A-Ja-j])\s?[)\]]{1,2}|(?P<plain>[A-Ja-j])(?![A-Za-z0-9'’(_^]))"
)
_PLACE = rf"[*_`\"“]{{0,4}}{_LETTER}[*_`\"”]{{0,4}}{_STOPS}{_ENDS}"
_IS = r"(?:is|must be|would be|should be|should have been|es|est|ist|é|è|to|ini)"
_NOT_BUT = r"(?:not \(?[*$]{0,3}[A-J][*$]{0,3}\)?,? but (?:rather )?)?"
_PASSING = re.compile(
    rf"(?<![^\W_])(?:(?:{_KEYWORD})\s{_IS}(?: therefore| thus| clearly)?|"
    r"(?:I|we)(?: would|['’]d|['’]ll| will)? (?:choose|pick|select|go with|answer)|"
    r"(?:is|be|namely|i\.e\.,?|so|thus|hence|therefore|corresponds to|matches)(?: the)?"
    r"(?= (?:option|choice|answer)))"
    rf":?\s(?:(?:the|la)\s)?(?:option\s|choice\s|answer\s)?{_NOT_BUT}{_PLACE}",
    re.IGNORECASE,
)
_IS_RIGHT = re.compile(
    r"(?:(?i:option|choice|answer)\s?[(\[]?|(?<![^\s*])\(|^|[.!]\s|"
    r"(?i:so|thus|hence|therefore|that),?\s)"
    r"[*_(\[]{0,4}(?P<letter>[A-J])[*_)\]]{0,4}\s(?:is|must be)(?: the)? "
    r"(?:correct|right|best|true)(?: answer| option| choice| one)?"
    r"(?=[.,;!*]|\s*$| because| since| as\b)",
    re.MULTILINE,
)
_SAYS = re.compile(
    rf"(?<![^\W_]){_KEYWORD}\s{_IS}:?\s[*_\"]{{0,4}}(?=(?P<claim>[^\n]{{1,300}}))", re.IGNORECASE
)
_CLAUSE_END = re.compile(r"(?=[.,;:!*\"]{1,5}(?:\s|\Z))|\Z")
_ALSO = re.compile(
    r"(?<![A-Za-z])[(]?([A-J])[)]? (?:is|are|would be|could be) (?:also|equally) "
    r"(?:correct|right|true|possible|valid|acceptable)"
)
_ALONE = re.compile(r"[(\[]{0,2}\s?([A-Ja-j])\s?[)\]]{0,2}[.:]?")
_NAMED = re.compile(
    r"(?:(?:the )?(?:correct |final )?(?:option|choice|answer|choose|select|pick)(?: is)?:? ?)"
    r"[(\[]?\s?([A-Ja-j])\s?[)\]]?\.?",
    re.IGNORECASE,
)
_LEADING = re.compile(
    r"[(\[]\s?([A-Ja-j])\s?[)\]](?![A-Za-z^_+=*/-])(?P<rest>.*)|"
    rf"([A-J])(?!{_SPECIES})(?:[.):](?=\s|[^\W\d_]{2}|\d|\Z)|,? "
    r"(?=because|since|as |is (?:the )?(?:correct|right|best))|"
    r" ?[-—–] | (?=\((?:not |[A-Za-z]{3,}|\d)))(?P<more>.*)",
    re.DOTALL,
)
_MENTION = re.compile(
    r"(?:\b(?:option|choice)\s?[(\[]?|(?:\b(?:is|be|choose|pick|select|so|thus|above)|"
    r"[:.;,])\s\()([A-J])"
    r"(?:\)|\b)(?!\w)",
    re.IGNORECASE,
)
_SEVERAL = re.compile(
    r"(?<![A-Za-z])[A-J][)\]]?\s?(?:,|/|&|\bor\b|\band\b)\s?(?:option\s?)?[(\[]?[A-J](?![A-Za-z])"
)
_HEDGING = re.compile(
    r"\s*[B-J][.)](?:\s|\Z)|\s*\(?(?:or\b|and\b|/|&|,\s?[(\[]?[A-J]\b|nor\b)|"
    r"\s*[(\[]?[A-J][)\]]?\s*\Z"
)
_WRONG = re.compile(r"\b(?:is|are) (?:wrong|incorrect|not)\b|\bnot\b|n['’]t\b")


_GOLD = r"(?:(?i:option|choice|answer) )?(?:[(\[]([A-{0}a-{1}])[)\]]|([A-{0}])[.):]?)\.?"
# `(C) 12`, `C) Paris`, `C. 12`; of the last form, names such as `J. Smith` are none
_GOLD_TEXT = re.compile(
    rf"(?:[(\[]?[A-J][)\]]|[A-J](?!{_SPECIES})\.(?! [A-Z][.)])(?!(?: [A-Z][\w'-]*)+\Z))"
    r" +(?=[^\s)\]=+*/^_<>-])(.+)",
    re.DOTALL,
)


def gold_text(reference: str) -> str | None:
    r"""The text after the letter of a reference such as `\textbf{(C)}\ 12`."""
    match = _GOLD_TEXT.fullmatch(_unbraced(reference))
    return None if not match or re.match(r"\\(?:cup|cap|in|to)\b", match[1]) else match[1]


def _unbraced(reference: str) -> str:
    text = re.sub(r"\\text\{([^{}]*)\}", r"\1", undress(reference))
    return re.sub(r"\{([(\[][A-J][)\]])\}", r"\1", text).strip()


def letter_of(reference: str, choices: Sequence[str] = ()) -> str | None:
    r"""The letter that a reference answer is: `C`, `(C) 12`, `Option C`, or an option's own text.

    >>> letter_of(r"\text{(C)}"), letter_of("Paris", ["Rome", "Paris"]), letter_of("12")
    ('C', 'B', None)
    """
    text = _unbraced(reference)
    last = LETTERS[-1] if len(choices) <= len(LETTERS) else chr(64 + len(choices))
    match = re.fullmatch(_GOLD.format(last, last.lower()), text)
    if match:
        return (match[1] or match[2]).upper()
    if gold_text(reference):
        return text.lstrip("([")[0]
    return _option_of(reference, choices)


def without_letter(option: str) -> str:
    """An option's text: `A. 12 kJ` is `12 kJ`."""
    return re.sub(r"\A\s*[(\[]?[A-J][.):\]]\s+", "", option)


def _plain(option: str) -> str:
    """An option without its letter and article."""
    text = without_letter(option)
    return normalize(re.sub(r"\A\s*(?:the|an?)\s+(?=\S)", "", text, flags=re.IGNORECASE))


def _option_of(answer: str, choices: Sequence[str]) -> str | None:
    """The letter of the one option that an answer is, as text."""
    texts = [_plain(choice) for choice in choices]
    return chr(65 + texts.index(_plain(answer))) if texts.count(_plain(answer)) == 1 else None


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
    quoted = re.match(r"\s*([\"'])([^\"'\n]{1,200})\1\s*[,}]", claim)
    claim = quoted[2] if quoted else re.sub(r"(?<=[A-J])(?:です|입니다|이다)[.。]?.*", "", claim)
    text = re.sub(
        r"\\text\{([^{}]*)\}", r"\1", undress(re.sub(r"[*`]", "", claim).strip(" \n_$\"'"))
    )
    text = re.sub(r" +", " ", re.sub(r"[{}*`$\"]", "", text)).strip()
    for pattern in (_ALONE, _NAMED):
        if match := pattern.fullmatch(text):
            return match[1].upper()
    if option := _option_of(claim, choices):
        return option
    if match := _LEADING.fullmatch(text):
        rest = match["rest"] if match["rest"] is not None else match["more"]
        return HEDGE if _HEDGING.match(rest) else (match[1] or match[3]).upper()
    if _SEVERAL.search(text) and not re.search(r"\\to|=|\+", text):
        return HEDGE
    mentions = {match[1].upper() for match in _MENTION.finditer(text)}
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
    if strong:
        strong.append(_revised(text, *max(strong)))
    else:
        strong = _in_passing(text) + _options_named(text, choices)
        strong = strong or _bare(text, is_tagged, choices)
    if strong:
        return max(strong, key=lambda one: one[0])[1]
    return max(weak)[1] if weak else (text.strip() or None if is_tagged else None)


def _revised(text: str, place: int, letter: str) -> tuple[int, str]:
    """A stated letter, or what a later sentence makes of it: another one, or none."""
    after = text[place : place + _AFTER]
    found = [(at, one) for at, one in _in_passing(after) if not is_aside(after, at)]
    for at, claim in corrections(after):
        if one := re.match(_PLACE, claim):
            found.append((at, _picked(one)))
    if found:
        return place + max(found)[0], max(found)[1]
    others = {match[1] for match in _ALSO.finditer(after)} - {letter}
    if others or taken_back(after):
        return len(text), HEDGE
    return place, letter


def _picked(match: re.Match[str]) -> str:
    names = ("dollars", "parens", "brackets", "plain")
    return next(match[name] for name in names if match[name]).upper()


def _in_passing(text: str) -> list[tuple[int, str]]:
    """Letters stated in a sentence; a small one only in brackets or dollars, or at its end."""
    found = []
    for match in _last(_PASSING, text):
        plain, rest = match["plain"], text[match.end() : match.end() + 2]
        if (
            plain
            and plain.islower()
            and (plain in "ai" or not re.match(r"\s*(?:[.!]|\Z|\n)", rest))
        ):
            continue
        found.append((match.end(), _picked(match)))
    return found + [(m.end(), m["letter"]) for m in _last(_IS_RIGHT, text)]


def _options_named(text: str, choices: Sequence[str]) -> list[tuple[int, str]]:
    """Options stated in a sentence by their texts: `The answer is Paris, since …`."""
    found = []
    for match in list(_last(_SAYS, text))[-10:] if choices else []:
        ends = [one.start() for one in islice(_CLAUSE_END.finditer(match["claim"]), 10)]
        named = (_option_of(match["claim"][:end], choices) for end in reversed(ends))
        if (letter := next(filter(None, named), None)) and not is_aside(text, match.start()):
            found.append((match.end(), letter))
    return found


def _last(pattern: re.Pattern[str], text: str) -> Iterable[re.Match[str]]:
    """The last matches; a text that loops has no end of them."""
    end = len(text.rstrip())
    return deque(pattern.finditer(text, max(0, end - _WITHIN), end + 1), LAST)


def _bare(text: str, is_tagged: bool, choices: Sequence[str]) -> list[tuple[int, str]]:
    """A tag that holds a letter, or a last line that is nothing but one."""
    if is_tagged and (letter := read_letter(text, choices)):
        return [(0, letter)]
    whole = text.strip(" *_`\n")
    if len(whole) < 300 and re.match(r"\(?[A-J][.)] ", whole) and "\n" not in whole:
        letter = read_letter(whole, choices)
        return [(0, letter)] if letter else []
    line = text.rstrip()[-200:].rpartition("\n")[2].strip(" *_`$\\()[].#")
    line = named[1] if (named := _NAMED.fullmatch(line + ")" * line.count("("))) else line
    return [(0, line)] if re.fullmatch(r"[A-J]", line) else []
