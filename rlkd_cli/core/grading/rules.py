r"""The rules by which an answer's dress is taken off, each with an example that tests run."""

import re

from rlkd_cli.core.grading.first_rules import FIRST, Rule

_WORD = r"(?![A-Za-z])"
_ATOM = r"[0-9A-Za-z]|\\[A-Za-z]+"
_GROUP = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}"  # three levels of braces
_FUNCTIONS = "arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|ln|log|exp|sqrt"
_TEXT_FONTS = "text|textrm|textbf|textit|texttt|textsf|textnormal|textup|emph|mbox|hbox"
_MATH_FONTS = "mathrm|mathbf|mathit|mathsf|mathtt|mathnormal|boldsymbol|bm|pmb|operatorname"
_BASES = [
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]
_NOTHING = r"no (?:real )?solutions?|no real roots?|(?:the )?empty set|none(?: exist)?"


def _font(match: re.Match[str]) -> str:
    """Text of no letter or one is mathematics; a function's name is that function."""
    font, content = match[1], match[2].strip()
    if re.fullmatch(_FUNCTIONS, content):
        return f"\\{content} "
    words = r"[^\W\d_]{2}|[^\W\d_]\.|[^\W\d_]/"
    if re.fullmatch(_TEXT_FONTS, font):
        words += r"|[^\W\d_].*[^\W\d_]"
    if re.search(words, content) and not re.search(r"\\[A-Za-z]", content):
        return f"\\text{{{match[2]}}}"
    return match[2] if content.isalnum() or len(content) <= 2 else f"{{{match[2]}}}"


def _repeating(match: re.Match[str]) -> str:
    whole, lead, period = match[1], match[2], match[3] or match[4]
    ones = int("9" * len(period) + "0" * len(lead))
    top = int(whole + lead + period) - int(whole + lead)
    return f"\\frac{{{top}}}{{{ones}}}"


def _unwrapped(match: re.Match[str]) -> str:
    """The content of braces around a whole answer; `{1}{2}` stays."""
    content = match[0].strip()
    while content[:1] == "{" and _closes(content) == len(content) - 1:
        content = content[1:-1].strip()
    return content


def _closes(text: str) -> int:
    """Where the brace that opens a text is closed; -1 where it is not."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return at
    return -1


def _cases(match: re.Match[str]) -> str:
    rows = [row.strip(" &,") for row in match[1].split("\\\\")]
    return ", ".join(row for row in rows if row)


def _mixed(match: re.Match[str]) -> str:
    return f"\\frac{{{int(match[1]) * int(match[3]) + int(match[2])}}}{{{match[3]}}}"


# In this order. Of the patterns that hold a group's content, none crosses a brace.
RULES: tuple[Rule, ...] = (
    *FIRST,
    Rule(r"\A\*\*(.*)\*\*\Z|\A`(.*)`\Z", lambda m: m[1] or m[2] or "", "**12**", "12"),
    Rule(r"(?<!\\)\\[\[\]()]|(?<!\\)\$", "", r"\[5\]", "5"),
    Rule(r"(?<!\\)\\! ?|\{\}|(?<!\\)\\\Z", "", r"10,\!080", "10080"),
    Rule(r"(?<=\d)(?:\\,|\{,\}|\\ )(?=\d{3}(?!\d))", "", r"10{,}000", "10000"),
    Rule(
        r"\\(?:left|right)\.|\\(?:left|right|middle|[bB]igg?[lrm]?)" + _WORD,
        "",
        r"\left(1,2\right)",
        "(1,2)",
    ),
    Rule(
        r"(?<!\\)\\[,;: ]|~|\\(?:q?quad|thinspace|enspace|hfill|limits|displaystyle|textstyle)"
        + _WORD,
        " ",
        r"\;x+1\ ",
        "x+1",
    ),
    Rule(r"\\[hv]space\*? ?\{[^{}]*\}", " ", r"3\hspace{1cm}", "3"),
    Rule(
        r"\\(?:text)?color ?\{[^{}]*\}|\\color ?\[[^\]]*\]\{[^{}]*\}",
        "",
        r"\textcolor{blue}{12}",
        "12",
    ),
    Rule(
        r"\\(?:boxed|fbox|framebox|underline|ensuremath|mathord)(?= ?\{)",
        "",
        r"\underline{12}",
        "12",
    ),
    Rule(rf"\\({_TEXT_FONTS}|{_MATH_FONTS}) ?\{{([^{{}}]*)\}}", _font, r"\mathbf{12}", "12"),
    Rule(rf"\\(?:{_MATH_FONTS})(?= ?\{{)", "", r"\boldsymbol{x_{1}}", "x_1"),
    Rule(rf"\\(?:{_MATH_FONTS}) ([A-Za-z0-9])(?![A-Za-z])", r"\1", r"\mathrm e", "e"),
    Rule(r"\\overline ?\{([A-Z]{2})\}", r"\1", r"\overline{AB}", "AB"),
    Rule(
        r"\{ ?([^{}]*[^{} ]) ?\\over" + _WORD + r" ?([^{}]*)\}",
        r"\\frac{\1}{\2}",
        r"{1 \over 2}",
        r"\frac{1}{2}",
    ),
    Rule(
        r"\A([^{}=,;]{0,200}[^{}=,; ]) ?\\over" + _WORD + r" ?([^{}=,;]{1,200})\Z",
        r"\\frac{\1}{\2}",
        r"1 \over 2",
        r"\frac{1}{2}",
    ),
    Rule(
        r"\{ ?([^{}]*[^{} ]) ?\\choose" + _WORD + r" ?([^{}]*)\}",
        r"\\binom{\1}{\2}",
        r"{5 \choose 2}",
        r"\binom{5}{2}",
    ),
    Rule(
        r"\\begin ?\{cases\}(.*?)\\end ?\{cases\}",
        _cases,
        r"\begin{cases}x=1\\y=2\end{cases}",
        "x=1, y=2",
    ),
    Rule(r"\A ?\{.*\} ?\Z", _unwrapped, r"{{\frac{1}{2}}}", r"\frac{1}{2}"),
    Rule(r"\\(?:rm|bf|it|sf|tt)" + _WORD, "", r"{\rm C}", "C"),
    Rule(r"\\d?i?n?(?:nice|[dtcs])frac" + _WORD, r"\\frac", r"\dfrac{1}{2}", r"\frac{1}{2}"),
    Rule(r"\\(?:leq|leqslant)" + _WORD + "|<=", r"\\le ", r"x\leqslant 2", r"x\le 2"),
    Rule(r"\\(?:geq|geqslant)" + _WORD + "|>=", r"\\ge ", "x>=2", r"x\ge 2"),
    Rule(r"\\neq" + _WORD, r"\\ne ", r"x\neq 2", r"x\ne 2"),
    Rule(r"\\lt" + _WORD + " ?", "<", r"x\lt 2", "x<2"),
    Rule(r"\\gt" + _WORD + " ?", ">", r"x\gt 2", "x>2"),
    Rule(
        r"(?<!\\nabla)(?<!\\nabla )\\(?:times|ast|cdot|bullet)"
        + _WORD
        + r"(?! ?\\(?:vec|overrightarrow|hat))"
        + r"|(?<!\*)\*(?!\*)",
        r"\\cdot ",
        r"3\times 4",
        r"3\cdot 4",
    ),
    Rule(r"\*\*", "^", "x**2", "x^2"),
    Rule(r"\\div" + _WORD, "/", r"1\div 2", r"\frac{1}{2}"),
    Rule(
        r"\\(?:varnothing|emptyset)" + _WORD + rf"|\\text\{{ ?(?i:{_NOTHING}) ?\}}|"
        rf"\A(?i:{_NOTHING})\Z|\A\\\{{ ?\\\}}\Z",
        r"\\emptyset ",
        r"\text{no solution}",
        r"\emptyset",
    ),
    Rule(
        r"\\text\{ ?(?:all )?reals?(?: numbers)? ?\}|\A(?i:all reals?(?: numbers)?)\Z|\\(?:R|reals)"
        + _WORD,
        r"\\mathbb{R}",
        r"\text{all real numbers}",
        r"\mathbb{R}",
    ),
    Rule(r"\\var(phi|epsilon|theta|rho|sigma)" + _WORD, r"\\\1 ", r"\varphi", r"\phi"),
    Rule(
        r"\\(?:cdots|dots|dotsc|dotsb)" + _WORD + r"|\.\.\.",
        r"\\ldots ",
        r"1,2,\dots",
        r"1,2,\ldots",
    ),
    Rule(r"\\[lr]?vert" + _WORD + " ?", "|", r"\lvert x\rvert", "|x|"),
    Rule(r"\\(?:lor|vee)" + _WORD + r"|\\text\{ ?or ?\}", " or ", r"x<1 \lor x>2", "x<1 or x>2"),
    Rule(
        r"\\text\{ ?and ?\}|\\& ?",
        " and ",
        r"1\text{ and }2",
        "1 and 2",
    ),
    Rule(r"\\log_ ?\{? ?e ?\}?" + _WORD, r"\\ln ", r"\log_{e} 2", r"\ln 2"),
    Rule(
        r"\A\\text\{ ?(?:[Tt]he )?(?:[Ff]inal )?[Aa]nswer(?: is)?:? ?\} ?",
        "",
        r"\text{The answer is } 5",
        "5",
    ),
    Rule(r"([_^]) ?\{ ?\\(max|min) ?\}", r"\1{\2}", r"V_{\max}", "V_{max}"),
    Rule(r"\\[dt]?binom ?(\d) ?(\d)", r"\\binom{\1}{\2}", r"\binom52", r"\binom{5}{2}"),
    Rule(r"\\wedge" + _WORD, r"\\land ", r"p\wedge q", r"p\land q"),
    Rule(r"\\lg" + _WORD, r"\\log_{10} ", r"\lg 7", r"\log_{10} 7"),
    Rule(r"\\%|\\text\{ ?(?:percent|pct) ?\}|(?<=\d) ?percent\b", "%", r"50\%", "50%"),
    Rule(
        r"\\degrees?"
        + _WORD
        + r"|\^ ?\{ ?\\circ ?\}|\\text\{ ?(?:degrees?|deg) ?\}|(?<=\d) ?degrees?\b",
        r"^\\circ ",
        r"90^{\circ}",
        r"90^\circ",
    ),
    Rule(
        r"(\d) ?(?:\^ ?\{? ?(?:\\text\{ ?)?(?:st|nd|rd|th) ?\}?\}?(?!\w)|\\text\{ ?(?:st|nd|rd|"
        r"th) ?\}|(?:st|nd|rd|th)\b)",
        r"\1",
        "12^{th}",
        "12",
    ),
    Rule(rf"(?<![\\A-Za-z])({_FUNCTIONS}){_WORD}", r"\\\1", "sin(x)", r"\sin(x)"),
    Rule(r"(?<![\\A-Za-z])(pi|theta|alpha|beta)" + _WORD, r"\\\1 ", "pi/3", r"\pi /3"),
    Rule(r"(?<![\\A-Za-z])(?:infinity|infty|inf|oo)" + _WORD, r"\\infty ", "infinity", r"\infty"),
    Rule(
        r"(?<![\w.])(\d+(?:\.\d*)?|\.\d+)[eE]([+-]?)0*(\d+)(?![\w.])",
        lambda m: f"{m[1]}\\cdot 10^{{{m[2].replace('+', '')}{m[3]}}}",
        "4.5e33",
        r"4.5\cdot 10^{33}",
    ),
    Rule(
        r"(\d+)\.(\d{0,9}?)(\d{1,6}?)\3{2,} ?\\ldots()",
        _repeating,
        r"0.333\ldots",
        r"\frac{3}{9}",
    ),
    Rule(
        r"(\d+)\.(\d*)(?:\\(?:overline|bar|dot) ?\{?(\d+)\}?|\((\d+)\)(?![\w^(\\]))",
        _repeating,
        r"0.\overline{3}",
        r"\frac{3}{9}",
    ),
    Rule(r"\^ ?\(([^(){}]*)\)", r"^{\1}", "x^(n+1)", "x^{n+1}"),
    Rule(r"\^ ?(-?\d{2,}|-\d)", r"^{\1}", "2^10", "2^{10}"),
    Rule(r"\\sqrt ?\(([^()]*)\)", r"\\sqrt{\1}", "sqrt(3)", r"\sqrt{3}"),
    Rule(r"√ ?\(([^()]*)\)", r"\\sqrt{\1}", "√(x+1)", r"\sqrt{x+1}"),
    Rule(rf"√ ?(\d+(?:\.\d+)?|{_ATOM})", r"\\sqrt{\1}", "√12", r"\sqrt{12}"),
    Rule(rf"\\sqrt ?(\d+|{_ATOM})", r"\\sqrt{\1}", r"\sqrt3", r"\sqrt{3}"),
    Rule(rf"\\frac ?({_ATOM}) ?", r"\\frac{\1}", r"\frac12", r"\frac{1}{2}"),
    Rule(rf"(\\frac ?{_GROUP}) ?({_ATOM})", r"\1{\2}", r"\frac{3}7", r"\frac{3}{7}"),
    Rule(
        r"(\\frac ?\{) ?((?:[^{} ]| (?!\}))*) ?\} ?\{ ?((?:[^{} ]| (?!\}))*) ?\}",
        r"\1\2}{\3}",
        r"\frac{ 1 }{ 2 }",
        r"\frac{1}{2}",
    ),
    Rule(r"(?<![\d.,])\.(?=\d)", "0.", ".5", "0.5"),
    Rule(
        r"(?<![\d.^_/}\w] )(?<![\d.^_/}])(\d{1,9}) ?\\frac\{(\d{1,9})\}\{(\d{1,9})\}",
        _mixed,
        r"1\frac{1}{2}",
        r"\frac{3}{2}",
    ),
    Rule(
        r"\A(-?)(\d{1,9}) (\d{1,9})/(\d{1,9})\Z",
        lambda m: f"{m[1]}\\frac{{{int(m[2]) * int(m[4]) + int(m[3])}}}{{{m[4]}}}",
        "1 1/2",
        r"\frac{3}{2}",
    ),
    Rule(r"\A(-?) ?(\d{1,40}) ?/ ?(\d{1,40})\Z", r"\1\\frac{\2}{\3}", "1/2", r"\frac{1}{2}"),
    Rule(
        r"\((?:mod|\\bmod|\\mod) ?(\d+)\)|\\(?:pmod|mod|bmod) ?\{? ?(\d+) ?\}?|\bmod (\d+)",
        lambda m: f"\\pmod{{{m[1] or m[2] or m[3]}}}",
        r"1 (\mod 4)",
        r"1 \pmod{4}",
    ),
    Rule(
        r"_ ?\{ ?(?:\\text\{)?(" + "|".join(_BASES) + r")\}?\}",
        lambda m: f"_{{{_BASES.index(m[1]) + 2}}}",
        r"11_{\text{two}}",
        "11_2",
    ),
    Rule(r"([_^]) ?\{ ?([0-9A-Za-z]) ?\}", r"\1\2", "4210_{5}", "4210_5"),
    Rule(r"\A ?\{.*\} ?\Z", _unwrapped, "{12}", "12"),
    Rule(r" +", " ", "a  b", "a b"),
    Rule(r"(?<=\d)[.,;]\Z|(?<=[^\d.])[.;]\Z(?<!\\text)", "", "12.", "12"),
)
