r"""The unit of an answer, in one spelling: by the table, and nouns as they are."""

import re
from typing import NamedTuple

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
    "kJ": "kJ kilojoule kilojoules",
    "cal": "cal calorie calories",
    "kcal": "kcal kilocalorie kilocalories",
    "N": "N newton newtons",
    "W": "W watt watts",
    "V": "V volt volts",
    "A": "A ampere amperes amp amps",
    "C": "C coulomb coulombs",
    "T": "T tesla teslas",
    "F": "F farad farads",
    "Ω": "Ω ohm ohms",
    "kΩ": "kΩ kohm kiloohm kiloohms kilohm kilohms",
    "MΩ": "MΩ megaohm megaohms megohm megohms",
    "μm": "μm um micrometer micrometers micrometre micrometres micron microns",
    "μg": "μg microgram micrograms",
    "μs": "μs microsecond microseconds",
    "μL": "μL microliter microliters microlitre microlitres",
    "nm": "nm nanometer nanometers nanometre nanometres",
    "Hz": "Hz hertz",
    "Pa": "Pa",
    "eV": "eV",
    "mol": "mol mole moles",
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
with than none to false true only half halves third thirds quarter quarters fourths fifths squared
cubed factorial dozen dozens hundred thousand million billion trillion hundreds thousands millions
billions times double twice"""
_BARE = "|".join(
    re.escape(name)
    for name in sorted(UNITS, key=len, reverse=True)
    if len(name) > 1 and name[0].isalpha() and name not in ("nm", "um")  # these may be products
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


_PIECE = (
    r"(?:\\text ?\{[A-Za-z/ ]{1,30}\}|[kM]? ?\\Omega(?![A-Za-z])|"
    r"\\mu ?[gmsL](?![A-Za-z])|[A-Za-z]{1,6})"
    r"(?: ?\^ ?(?:\{-?\d\}|\d))?"
)
# `5 {kJ mol^{-1}}`: a number, and units that stand side by side
_COMPOSED = re.compile(
    r"(?P<value>[-+]?(?:\d[\d.,]{0,40}(?: ?\\cdot 10\^(?:\{-?\d{1,3}\}|\d))?|"
    r"\\frac\{\d{1,20}\}\{\d{1,20}\}))(?: |(?=\\text|\{))\{? ?"
    rf"(?P<units>{_PIECE}(?:(?: ?(?:\\cdot|/) ?| )?{_PIECE}){{0,4}}) ?\}}?"
)


class Measure(NamedTuple):
    """An answer's value and its unit in one spelling ("" where there is none or it says "
    "nothing)."""

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
    match = _COMPOSED.fullmatch(text)
    if match and (unit := _composed(match["units"])):
        return Measure(match["value"], unit)
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


def _composed(units: str) -> str | None:
    r"""Several units as `kJ/mol`; None where one is unknown, or all may be names of variables.

    >>> _composed(r"kJ mol^{-1}"), _composed(r"\text{m/s}^2"), _composed("g h")
    ('kJ/mol', 'm/s^2', None)
    """
    flat = re.sub(r"\\text ?\{([^{}]*)\}", r" \1 ", units).replace(r"\cdot", " ")
    flat = re.sub(r" ?\^ ?\{?(-?\d)\}?", r"^\1", re.sub(r"\\mu ?", "μ", flat))
    flat = re.sub(r" ?\\Omega", "Ω", flat)
    above: list[str] = []
    below: list[str] = []
    is_under = False
    for slash, name, power in re.findall(r"(/?) ?([A-Za-zΩμ]+)(?:\^(-?\d))?", flat):
        is_under = is_under or bool(slash)
        unit, size = UNITS.get(name, UNITS.get(_folded(name))), abs(int(power or 1))
        if not unit:
            return None
        side = below if is_under or power.startswith("-") else above
        side.append(unit if size == 1 else f"{unit}^{size}")
    if not below and not re.search(r"[A-Za-z]{2}|[Ωμ]", flat):
        return None
    return "·".join(sorted(above)) + "".join("/" + one for one in sorted(below))


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
    known = [UNITS.get(p, UNITS.get(_folded(p))) for p in parts]
    if all(k is not None for k in known):
        name = "/".join(k for k in known if k is not None)
        return f"{name}^{power}" if power and name else name
    if not re.fullmatch(r"[A-Za-z .'/-]+", words) or set(words.lower().split()) & set(
        _NOT_UNITS.split()
    ):
        return None
    return (
        "noun " + " ".join(map(_folded, words.split())).rstrip("s") + (f"^{power}" if power else "")
    )


def _folded(word: str) -> str:
    """A word in lower case, a symbol as it is: mW is not MW, nor MeV meV."""
    if len(word) < 3 and word[:1] in ("M", "m") and not word.islower():
        return word
    return word.lower() if word.isupper() or word[1:].islower() else word


def units_agree(one: str, other: str) -> bool:
    """No unit agrees with any; two agree where they are the same, or one noun holds the other."""
    if not one or not other or one == other:
        return True
    nouns = [set(u.removeprefix("noun ").split()) for u in (one, other) if u.startswith("noun ")]
    return len(nouns) == 2 and (nouns[0] <= nouns[1] or nouns[1] <= nouns[0])
