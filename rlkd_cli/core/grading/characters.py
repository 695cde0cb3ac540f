r"""Characters for which LaTeX has a word, as LaTeX: `≤`, `√`, `π`, `10²`, digits of all scripts."""

import re
import unicodedata

_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ", "0123456789+-()n", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙ", "0123456789+-()n", strict=True))
_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho "
    "sigma tau upsilon phi chi psi omega"
)
_CAPITALS = "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
_SIGNS = {
    **dict.fromkeys("−–—‐‑‒﹣－", "-"),
    **dict.fromkeys("×⋅∙·", r"\cdot "),
    "÷": "/",
    "⁄": "/",
    "∕": "/",
    "≤": r"\le ",
    "⩽": r"\le ",
    "≥": r"\ge ",
    "⩾": r"\ge ",
    "≠": r"\ne ",
    "≈": r"\approx ",
    "≡": r"\equiv ",
    "∞": r"\infty ",
    "°": r"^\circ ",
    "º": r"^\circ ",
    "∪": r"\cup ",
    "∩": r"\cap ",
    "∈": r"\in ",
    "∅": r"\emptyset ",
    "±": r"\pm ",
    "∓": r"\mp ",
    "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}",
    "ℕ": r"\mathbb{N}",
    "→": r"\to ",
    "…": r"\ldots ",
    "⟨": r"\langle ",
    "⟩": r"\rangle ",
    "٫": ".",
    "٬": ",",
    "、": ",",
    "。": ".",
    "\u200b": "",
    "\ufeff": "",
    "ϕ": r"\phi ",
    "ϵ": r"\epsilon ",
    "ε": r"\epsilon ",
}
for _name in _GREEK.split():
    _letter = unicodedata.lookup(f"GREEK SMALL LETTER {_name.replace('lambda', 'lamda').upper()}")
    _SIGNS.setdefault(_letter, f"\\{_name} ")
for _name in _CAPITALS.split():
    _letter = unicodedata.lookup(f"GREEK CAPITAL LETTER {_name.replace('Lambda', 'Lamda').upper()}")
    _SIGNS.setdefault(_letter, f"\\{_name} ")
_TRANSLATION = str.maketrans(_SIGNS)


def _scripts(text: str) -> str:
    """Raised and lowered characters and fractions of one as LaTeX: `10²` is not `102`."""
    for table, sign in ((_SUPERSCRIPTS, "^"), (_SUBSCRIPTS, "_")):
        text = re.sub(
            f"[{re.escape(''.join(table))}]+",
            lambda m, t=table, s=sign: f"{s}{{{''.join(t[c] for c in m[0])}}}",  # type: ignore
            text,
        )
    return re.sub(
        r"[¼½¾⅐-⅞]",
        lambda m: r"\frac{{{}}}{{{}}}".format(*unicodedata.normalize("NFKC", m[0]).split("⁄")),
        text,
    )


def as_latex(answer: str) -> str:
    r"""An answer in ASCII where LaTeX has a word for it, width variants folded (NFKC).

    >>> as_latex("10²"), as_latex("٣٫١٤"), as_latex("x ≤ 2")
    ('10^{2}', '3.14', 'x \\le  2')
    """
    text = unicodedata.normalize("NFKC", _scripts(answer).translate(_TRANSLATION))
    text = text.translate(_TRANSLATION)
    return re.sub(r"[^\W\D]", lambda digit: str(unicodedata.digit(digit[0])), text)
