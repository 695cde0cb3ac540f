r"""What only dresses an answer, taken off, by the table of `core.rules`.

`undress` gives LaTeX that computer algebra can read, `normalize` a text for comparing as text. Both
take time linear in the answer, and leave answers longer than `LONG` characters as they are: no rule
has anything to say about those.
"""

import re
from functools import lru_cache

from rlkd_cli.core.grading.characters import as_latex
from rlkd_cli.core.grading.rules import RULES

LONG = 2000  # characters


_COMPILED = [(re.compile(rule.pattern, re.DOTALL), rule.replacement) for rule in RULES]
_THOUSANDS = re.compile(
    r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])|(?<![\d.,] )(?<![\d.,])"
    r"[1-9]\d{0,2}(?: \d{3})+(?!,?\d| \d)"
)


@lru_cache(maxsize=65536)
def undress(answer: str) -> str:
    r"""An answer as LaTeX without what only dresses it (the rules above, in order).

    >>> undress(r"$\dfrac12$")
    '\\frac{1}{2}'
    """
    if len(answer) > LONG or re.fullmatch(r"[+-]?[0-9]+", answer):
        return answer.strip()
    text = re.sub(r"\s+", " ", as_latex(answer)).strip()
    for pattern, replacement in _COMPILED:
        text = pattern.sub(replacement, text)
    text = text.strip()
    if text[:1] not in ("(", "[") and not text.startswith("\\{"):  # there, commas part coordinates
        text = _THOUSANDS.sub(lambda m: re.sub("[, ]", "", m[0]), text)
    return text


# Before a noun: `an ellipse`, not `A and B` nor `A wins`
_ARTICLE = re.compile(
    r"\A(\\text\{)? ?(?:an?|An|[Tt]he|A(?= [a-z-]+\}?\Z)) "
    r"(?!(?:and|or|nor|wins?|loses?)\b)(?=[a-z]{3})"
)
_FOLDED = r"[A-Za-z]{3,}|\b(?:No|NO)\b"  # shorter words are units and symbols: mW is not MW


def _lower(match: re.Match[str]) -> str:
    """A word in lower case; one with capitals inside is a symbol: MeV is not meV."""
    word = match[0]
    return word.lower() if word.isupper() or word[1:].islower() else word


@lru_cache(maxsize=65536)
def normalize(answer: str) -> str:
    r"""An answer for comparing as text: undressed, without spacing, words in lower case.

    Symbols keep their case (`\phi` is not `\Phi`, `R` not `r`), and a space between digits stays
    (`10 11` is not `1011`).

    >>> normalize(r"\text{Evelyn}") == normalize("evelyn"), normalize("2R") == normalize("2r")
    (True, False)
    """
    text = undress(answer)
    if len(text) > LONG:
        return text
    text = _ARTICLE.sub(r"\1", text)
    text = re.sub(r"\\text\{([^{}]*)\}", lambda m: re.sub(_FOLDED, _lower, m[1]), text)
    text = re.sub(
        r"(?<![\\A-Za-z])[A-Za-z]{4,}|\b(?:Yes|No|YES|NO)\b", lambda m: m[0].lower(), text
    )
    if re.fullmatch(r"[A-Za-z' -]*[A-Za-z]{4}[A-Za-z' -]*", text):
        text = text.lower()
    text = re.sub(r"(?<!\d) +| +(?!\d)", "", text)
    return text.rstrip(".") if re.search(r"[^\d]\.\Z", text) else text
