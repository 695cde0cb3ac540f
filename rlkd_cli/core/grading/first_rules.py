r"""The rules that go first: signs around a whole answer, sizes, number words, plain-text forms."""

import re
from collections.abc import Callable
from typing import NamedTuple


class Rule(NamedTuple):
    """A pattern and what stands in its place; `before` becomes `after` by `undress`."""

    pattern: str
    replacement: str | Callable[[re.Match[str]], str]
    before: str
    after: str


_SIZES = (
    r"\\(?:tiny|scriptsize|footnotesize|small|normalsize|large|Large|LARGE|huge|Huge)(?![A-Za-z]) ?"
)
_POWERS = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_POWER = "|".join(_POWERS)
_SPACE = r"(?:\\?[ ,~;]|~){0,3}"
_NO_NOUN = r"(?!(?:pi|theta|alpha|beta|infinity|infty|sqrt|sin|cos|tan|log|mod|and|percent)\b)"


def _many(match: re.Match[str]) -> str:
    rest = f"\\text{{ {match[2]}}}" if match[2] else ""
    return f"\\cdot 10^{{{_POWERS[match[1] or match[3]]}}}{rest}"


def _formula(match: re.Match[str]) -> str:
    """A chemical formula of mhchem with its numbers lowered and its charges raised."""
    text = re.sub(r"(?<=[A-Za-z)\]])(\d{1,9})", lambda m: _script("_", m[1]), match[1])
    text = re.sub(r"\^(\d{0,9}[+-])", lambda m: _script("^", m[1]), text)
    return f"\\mathrm{{{text}}}"


def _script(sign: str, text: str) -> str:
    return sign + (text if len(text) == 1 else f"{{{text}}}")


_ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
fifteen sixteen seventeen eighteen nineteen"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {word: number for number, word in enumerate(_ONES.split())}
_WORDS |= {ten: 10 * number for number, ten in enumerate(_TENS.split(), 2)}
_WORDS |= {
    f"{ten}-{one}": _WORDS[ten] + _WORDS[one]
    for ten in _TENS.split()
    for one in _ONES.split()[1:10]
}
_COUNTS = "|".join(sorted(_WORDS, key=len, reverse=True))


def _count(match: re.Match[str]) -> str:
    return str(_WORDS[match[1].lower()])


FIRST: tuple[Rule, ...] = (
    Rule(r'\A[“"]([^"“”]+)["”]\Z', r"\1", '"12"', "12"),
    Rule(r"\A\*([^*]+)\*\Z", r"\1", "*12*", "12"),
    Rule(_SIZES, "", r"\large 12", "12"),
    Rule(
        r"\\colorbox ?\{[^{}]*\}|\\fcolorbox ?\{[^{}]*\} ?\{[^{}]*\}",
        "",
        r"\colorbox{yellow}{12}",
        "12",
    ),
    Rule(
        rf"(?<=\d){_SPACE}(?:\\(?:text|mathrm)\{{ ?({_POWER})(?: ([A-Za-z]+))? ?\}}|"
        rf"({_POWER})(?![A-Za-z]))",
        _many,
        r"2\text{ million}",
        r"2\cdot 10^6",
    ),
    Rule(r"∛ ?(\d+|[A-Za-z])", r"\\sqrt[3]{\1}", "∛5", r"\sqrt[3]{5}"),
    Rule(r"(?<=\d) ?[xX] ?(?=10 ?\^)", r"\\cdot ", "4.5 x 10^33", r"4.5\cdot 10^{33}"),
    Rule(r"\A\]([^\[\],]+,[^\[\],]+)\[\Z", r"(\1)", "]-2,7[", "(-2,7)"),
    Rule(r"\A\[([^\[\],]+,[^\[\],]+)\[\Z", r"[\1)", "[-2,7[", "[-2,7)"),
    Rule(r"\A\]([^\[\],]+,[^\[\],]+)\]\Z", r"(\1]", "]-2,7]", "(-2,7]"),
    Rule(
        r"\\mathbb ?(?:\{R\}|R) ?(?:-|\\backslash|\\setminus) ?(?=\\\{)",
        r"\\mathbb{R}\\setminus ",
        r"\mathbb{R}-\{0\}",
        r"\mathbb{R}\setminus \{0\}",
    ),
    Rule(r"\\ce ?\{([^{}]{1,200})\}", _formula, r"\ce{H2O}", "H_2O"),
    Rule(
        r"\^ ?(?:\{ ?((?:\\prime ?){1,3})\}|(\\prime)(?![A-Za-z]))",
        lambda m: "'" * m[0].count("prime"),
        r"x^{\prime}",
        "x'",
    ),
    Rule(
        rf"\A\\(?:text|mathrm|textbf) ?\{{ ?((?i:{_COUNTS})) ?\}}\Z",  # bare, it is a product
        _count,
        r"\text{twelve}",
        "12",
    ),
    Rule(r"_ ?\{ ?\((\d+)\) ?\}", r"_{\1}", "312_{(8)}", "312_8"),
    Rule(
        r"\\text\{ ?(?:[Tt]here (?:are|is) )?[Nn]o (?:real )?"
        r"(?:solutions?|roots?)(?: exists?)?\.? ?\}",
        r"\\emptyset ",
        r"\text{No real solutions}",
        r"\emptyset",
    ),
    Rule(
        rf"\A(-?\d[\d.,]{{0,20}}) {_NO_NOUN}([A-Za-z]{{4,}}(?: [a-z]+)?)\Z",
        r"\1\\text{ \2}",
        "12 people",
        r"12\text{ people}",
    ),
)
