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
