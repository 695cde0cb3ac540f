r"""The shape of an answer: lists, intervals, relations and units, told apart as text.

All functions take undressed LaTeX (`core.dress.undress`) and pass over it once.
"""

import re
from typing import NamedTuple

_OPENING, _CLOSING = "([{", ")]}"
_UNIT_NAMES = {
    "km": "km kilometer kilometre kilometers kilometres",
    "m": "m meter metre meters metres",
    "cm": "cm centimeter centimetre centimeters centimetres",
    "mm": "mm millimeter millimetre millimeters millimetres",
    "in": "in inch inches",
    "ft": "ft foot feet",
    "yd": "yd yard yards",
    "mi": "mi mile miles",
    "kg": "kg kilogram kilograms",
    "g": "g gram grams",
    "mg": "mg milligram milligrams",
    "lb": "lb lbs pound pounds",
    "oz": "oz ounce ounces",
    "s": "s sec secs second seconds",
    "min": "min mins minute minutes",
    "h": "h hr hrs hour hours",
    "day": "day days",
    "week": "week weeks",
    "month": "month months",
    "year": "year years yr yrs",
    "L": "L l liter litre liters litres",
    "mL": "mL ml milliliter milliliters",
    "gal": "gal gallon gallons",
    "mph": "mph",
    "J": "J joule joules",
    "kJ": "kJ",
    "N": "N newton newtons",
    "W": "W watt watts",
    "V": "V volt volts",
    "Hz": "Hz hertz",
    "Pa": "Pa",
    "eV": "eV",
    "mol": "mol moles",
    "K": "K kelvin",
    "$": r"\$ $ dollar dollars usd",
    "€": "€ euro euros",
    "£": "£",
    "¥": "¥ yen",
    "₹": "₹ rupees rs",
    "cent": "cent cents ¢",
    "am": "am AM a.m. A.M. a.m A.M",
    "pm": "pm PM p.m. P.M. p.m P.M",
    "°": "°",
    "%": "%",
    "": "unit units integer integers",
}
UNITS = {name: unit for unit, names in _UNIT_NAMES.items() for name in names.split()}
_NOT_UNITS = """or and not is are if but so no wrong correct any all except when where for because
with than none to false true only"""
_BARE = "|".join(
    re.escape(name)
    for name in sorted(UNITS, key=len, reverse=True)
    if len(name) > 1 and name[0].isalpha()
)
_POWER = r"(?:\^ ?\{?(?P<NAME>[23])\}?)?"
_TRAILING = re.compile(
    r"(?P<value>.*?[\d}\])A-Za-z]) ?(?:"
    r"\\text\{(?P<text>[^{}]*)\}(?:/\\text\{(?P<under>[^{}]*)\})?"
    + _POWER.replace("NAME", "p1")
    + rf"|(?<![A-Za-z\\])(?P<bare>(?:sq(?:uare)? |cubic )?(?:{_BARE}))"
    + _POWER.replace("NAME", "p2")
    + r"|(?<=\d )(?P<single>[mgshLVWJNK])"
    + _POWER.replace("NAME", "p3")
    + r"|\^\\circ ?(?:\\text\{)?(?P<scale>[CF])?\}?|(?P<sign>[%€£¥₹¢]))",
    re.DOTALL,
)


class Measure(NamedTuple):
    """An answer's value, and its unit in one spelling ("" for none, or one that says nothing)."""

    value: str
    unit: str


def measure(text: str) -> Measure:
    r"""The value and the unit of an answer.

    >>> measure(r"15\text{ cm}^2"), measure("€32")
    (Measure(value='15', unit='cm^2'), Measure(value='32', unit='€'))
    """
    text = text.strip()
    if re.search(r"\\(?:sin|cos|tan|cot|sec|csc)(?![A-Za-z])", text):  # its degrees are no unit
        return Measure(text, "")
    if match := re.fullmatch(r"(-?) ?(?:\\?(\$)|([€£¥₹])) ?(.*)", text, re.DOTALL):
        return Measure(match[1] + match[4], match[2] or match[3])
    if match := re.fullmatch(r"\\text\{(-?[\d.,:/]+)( [^{}]+)\}", text):
        text = f"{match[1]}\\text{{{match[2]}}}"
    match = _TRAILING.fullmatch(text)
    if not match or not re.search(r"\d|[A-Za-z]", match["value"]):
        return Measure(text, "")
    if match["text"] is None and match["bare"] is None and match["single"] is None:
        return Measure(match["value"], match["sign"] or f"°{match['scale'] or ''}")
    words = match["text"] or match["bare"] or match["single"]
    if match["under"]:
        words += f"/{match['under']}"
    power = match["p1"] or match["p2"] or match["p3"]
    unit = _unit(words, power)
    return Measure(text, "") if unit is None else Measure(match["value"], unit)


def _unit(words: str, power: str | None) -> str | None:
    """A unit in one spelling, a noun as it is, None for words that are no unit."""
    if re.search(r"\d", words):
        return None
    words = (
        re.sub(r"\\[,;: ]|[()]", " ", words).strip().rstrip(",.;")
        if "m." not in words
        else words.strip()
    )
    first, _, rest = words.partition(" ")
    if first.lower() in ("square", "sq", "cubic") and rest:
        words, power = rest, "3" if first.lower() == "cubic" else "2"
    parts = [p.strip() for p in re.sub(r"\bper\b", "/", words).split("/")]
    known = [UNITS.get(p, UNITS.get(p.lower())) for p in parts]
    if all(k is not None for k in known):
        name = "/".join(k for k in known if k is not None)
        return f"{name}^{power}" if power and name else name
    if not re.fullmatch(r"[A-Za-z .'/-]+", words) or set(words.lower().split()) & set(
        _NOT_UNITS.split()
    ):
        return None
    return "noun " + words.lower().rstrip("s") + (f"^{power}" if power else "")


def units_agree(one: str, other: str) -> bool:
    """No unit agrees with any; two agree where they are the same, or one noun holds the other."""
    if not one or not other or one == other:
        return True
    nouns = [set(u.removeprefix("noun ").split()) for u in (one, other) if u.startswith("noun ")]
    return len(nouns) == 2 and (nouns[0] <= nouns[1] or nouns[1] <= nouns[0])


def split_top(text: str, pattern: str) -> list[str]:
    r"""The text cut where `pattern` matches outside of all brackets.

    >>> split_top("(1,2),3", ",")
    ['(1,2)', '3']
    """
    parts, start, depth, compiled = [], 0, 0, re.compile(pattern)
    at = 0
    while at < len(text):
        if depth == 0 and (match := compiled.match(text, at)) and match.end() > at:
            parts.append(text[start:at].strip())
            start = at = match.end()
            continue
        if text.startswith((r"\begin", r"\langle"), at):
            depth += 1
        elif text.startswith((r"\end", r"\rangle"), at):
            depth -= 1
        if text[at] == "\\" and text[at + 1 : at + 2] not in ("{", "}"):
            at += 1
        elif text[at] in _OPENING:
            depth += 1
        elif text[at] in _CLOSING:
            depth -= 1
        at += 1
    parts.append(text[start:].strip())
    return parts


def bracket(text: str) -> tuple[str, str, str] | None:
    r"""(opening, content, closing) of brackets around the whole text; None where there are none.

    >>> bracket(r"\{1,2\}"), bracket("(1)+(2)")
    (('{', '1,2', '}'), None)
    """
    match = re.fullmatch(r"(\\\{|\\langle|\(|\[)(.*)(\\\}|\\rangle|\)|\])", text.strip(), re.DOTALL)
    if not match:
        return None
    depth = 0
    for at, character in enumerate(match[2]):
        depth += (character in _OPENING) - (character in _CLOSING)
        if depth < 0:
            return None
    sides = [
        side.replace("\\langle", "(").replace("\\rangle", ")").lstrip("\\")
        for side in match.groups()
    ]
    return (sides[0], match[2].strip(), sides[2]) if depth == 0 else None


_LIST = r"(?:, ?(?:and|or) |[,;] ?| and | or )"


def _has_two_signs(part: str) -> bool:
    """Whether one `\\pm` makes two values of a part; in the list of a set it makes two of an
    element.
    """
    inside = bracket(part)
    if r"\mp" in part or (inside and len(split_top(inside[1], ",")) > 1):
        return False
    return len(re.findall(r"\\pm(?![A-Za-z])", part)) == 1


def values(text: str) -> list[str]:
    r"""The values of a list, with `\pm` written out; one value for anything else.

    >>> values(r"1 \pm \sqrt{19}")
    ['1 + \\sqrt{19}', '1 - \\sqrt{19}']
    """
    found = []
    for part in split_top(text.strip(), _LIST):
        inner = re.fullmatch(r"\\text\{([^{}\d]*)\}", part)
        if inner and re.search(_LIST, inner[1]):
            found += [f"\\text{{{word.strip()}}}" for word in re.split(_LIST, inner[1])]
        elif _has_two_signs(part):
            found += [
                re.sub(r"\\pm ?", sign + " ", part).strip().removeprefix("+ ") for sign in "+-"
            ]
        else:
            found.append(part)
    return [part for part in found if part] or [text.strip()]


_RELATION = r"(?::?=|<|>|\\(?:approx|equiv|ne|le|ge|in|subseteq?|sim|to)(?![A-Za-z]))"


def relation(text: str) -> tuple[list[str], list[str]]:
    r"""The sides of a chain of relations, and the signs between them.

    >>> relation(r"-2 \le x<7")
    (['-2', 'x', '7'], ['\\le', '<'])
    """
    text = text.replace("\\{", "\x01{").replace("\\}", "\x01}")
    sides = split_top(text, _RELATION)
    signs, at = [], 0
    for side in sides[:-1]:
        at = text.index(side, at) + len(side)
        match = re.compile(r" ?(" + _RELATION + ")").match(text, at)
        signs.append(match[1] if match else "=")
        at = match.end() if match else at
    return [side.replace("\x01", "\\") for side in sides], signs


_LABEL = re.compile(
    r"[A-Za-z] ?\([^()=<>]{1,20}\)|"
    r"(?:[A-Za-z]|\\[A-Za-z]+)(?:_(?:[0-9A-Za-z]|\{[^{}]*\}))?'?(?:\^\{-1\})?(?: "
    r"?\([A-Za-z](?:, ?[A-Za-z])*\))?"
    r"|\([A-Za-z](?:, ?[A-Za-z])+\)|\\text\{[^{}]*\}(?: ?\\text\{[^{}]*\})*|[A-Z]{2}|\\angle "
    r"?[A-Z]{1,3}|[A-Z][a-z]+"
)


def is_label(side: str) -> bool:
    """Whether an equation's left side only names what the right side is: `x`, `f(x)`, `a_1`."""
    return bool(_LABEL.fullmatch(side.strip())) and side.strip() not in (r"\pi", "e", "i")


def has_words(text: str) -> bool:
    r"""Whether prose is left in an undressed answer, so that only its text can be compared."""
    text = re.sub(r"\\(?:begin|end) ?\{[^{}]*\}(?:\{[clr|]*\})?", "", text)
    text = re.sub(r"_ ?\{[^{}]*(?:\{[^{}]*\})?[^{}]*\}", "", text)
    text = re.sub(r"\\text\{ ?[A-Za-z]? ?\}", "", text)
    return bool(re.search(r"\A[A-Z]{3,}\Z|\\text|(?<![\\A-Za-z])[A-Za-z]{4,}", text)) or bool(
        re.search(r"(?<![\\A-Za-z])(?:the|yes|no|not|and|for|any)(?![A-Za-z])", text, re.IGNORECASE)
    )


def unwrapped(parts: list[str]) -> tuple[str, list[str]]:
    """The values inside of one pair of brackets, and which brackets."""
    if len(parts) == 1:
        text = parts[0].partition("=")[2] if is_label(parts[0].partition("=")[0]) else parts[0]
        text = re.sub(r"\A[A-Za-z] ?\\in ", "", text)
        inside = bracket(text)
        if inside and inside[0] in "({" and {"(": ")", "{": "}"}[inside[0]] == inside[2]:
            return inside[0], values(inside[1])
    if all(is_label(p.partition("=")[0]) and "=" in p for p in parts):
        names = {_bare(p.partition("=")[0]) for p in parts}
        if len(names) == 1:  # x = 1 or x = 2
            return "", [p.partition("=")[2].strip() for p in parts]
    elif (
        "=" in parts[0]
        and is_label(parts[0].partition("=")[0])
        and not any("=" in p for p in parts[1:])
    ):
        return "", [parts[0].partition("=")[2].strip(), *parts[1:]]  # x = 1, 2
    return "", parts


def _bare(name: str) -> str:
    return name.replace(" ", "")
