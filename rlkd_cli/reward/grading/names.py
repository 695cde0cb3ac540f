r"""The names in an expression, written so that the parser keeps each of them: `I_0` is not `I`.

A name with a subscript, or one that the parser takes for a constant, is spelled as one neutral
symbol, the same on both sides. What is parsed must hold every name of the text.
"""

import re
from typing import Any

_FREE = """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron rho
sigma tau upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega hbar
ell"""
FREE = frozenset(_FREE.split())
_FUNCTIONS = """sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh
coth sech csch arsinh arcosh artanh arcsinh arccosh arctanh ln log exp sqrt frac binom dbinom tbinom
sum prod int iint lim to infty cdot max min gcd lcm lfloor rfloor lceil rceil begin end pi
overrightarrow"""
_ACCENTS = "vec hat bar tilde dot ddot overline widehat widetilde"
KNOWN = FREE | frozenset(_FUNCTIONS.split()) | frozenset(_ACCENTS.split())

_INDICES = r"(?: ?\\(?:mu|nu|alpha|beta|rho|sigma|lambda)){2,}|[a-d]{2,}"
_NAME = re.compile(
    r"(?P<font>\\math(?:cal|bb|frak|scr)) ?(?:\{ ?(?P<letter>[A-Za-z]) ?\}|(?P<bare> [A-Za-z]))"
    r"(?: ?_ ?(?P<below>\{[^{}]*\}|[0-9A-Za-z]))?|"
    rf"(?P<tensor>[A-Z]) ?\^ ?\{{(?P<indices>{_INDICES})\}}|"
    r"(?P<name>\\[A-Za-z]+|[A-Za-z])"
    r"(?: ?_ ?(?P<sub>\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|\\[A-Za-z]+|[0-9A-Za-z]))?"
)
_TOKEN = re.compile(r"\\([A-Za-z]+)|([A-Za-z](?:_\{[a-p]+\})?)")
_ENVIRONMENT = re.compile(r"\\(?:begin|end) ?\{[A-Za-z]*\*?\}(?:\{[clr|]*\})?")
_LETTERS = dict(zip("0123456789abcdef", "abcdefghijklmnop", strict=True))


def _spelled(*parts: str | None) -> str:
    """A name as one symbol that no text has by chance."""
    plain = re.sub(r"\\(?:text|mathrm|rm)(?![A-Za-z])|[{}\s]", "", "_".join(p or "" for p in parts))
    return "z_{" + "".join(_LETTERS[c] for c in plain.encode().hex()) + "}"


def neutral(text: str) -> str:
    r"""An expression with a neutral symbol for each name that the parser would lose.

    >>> neutral("I_0") == neutral("I_{0}"), neutral("I_0") == neutral("I_1"), neutral(r"\log_2 x")
    (True, False, '\\log_2 x')
    """

    def one(match: re.Match[str]) -> str:
        if match["font"]:
            return _spelled(match["font"], match["letter"] or match["bare"], match["below"])
        if match["tensor"]:
            return _spelled(match["tensor"], "^", match["indices"])
        name, sub = match["name"], match["sub"]
        after = text[match.end() : match.end() + 2].lstrip()[:1]
        if len(name) > 1 and name[1:] not in FREE:
            return match[0]
        if name == r"\Gamma" and not sub and after == "(":
            return match[0]
        if sub or name in (r"\gamma", r"\Gamma", "I"):
            return _spelled(name, sub)
        return match[0]

    pieces = re.split(f"({_ENVIRONMENT.pattern})", text)
    return "".join(p if at % 2 else _NAME.sub(one, p) for at, p in enumerate(pieces))


def unknown(text: str) -> bool:
    """Whether a text has a command of which the parser would make a factor."""
    return any(word and word not in KNOWN for word, _ in _TOKEN.findall(text))


def holds_all(parsed: Any, text: str) -> bool:
    """Whether every name of a neutral text is a symbol or function of what was parsed."""
    import sympy
    from sympy.core.function import AppliedUndef

    said = {str(symbol) for symbol in parsed.atoms(sympy.Symbol)}
    said |= {str(call.func) for call in parsed.atoms(AppliedUndef)}
    said |= {re.sub(r"\A[a-z]+\{(.*)\}\Z", r"\1", name) for name in said}
    said |= {"e", "i", "d", "pi"} | (KNOWN - FREE) | {"Gamma", "zeta"}
    names = (a or b for a, b in _TOKEN.findall(_ENVIRONMENT.sub("", text)))
    return all(name in said for name in names)
