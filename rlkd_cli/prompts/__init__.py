"""The prompts are text files in this folder, filled in one pass.

`str.format` would fail on the braces of LaTeX, and replacing one value after the other would also
replace what looks like a placeholder inside a value.
"""

import hashlib
import re
from functools import cache
from importlib.resources import files


@cache
def load(name: str) -> str:
    """The text of prompts/NAME.txt."""
    return files(__name__).joinpath(f"{name}.txt").read_text("utf-8")


def fill(template: str, **values: str) -> str:
    """The template with each `{name}` of `values` replaced; all other braces stay."""
    names = "|".join(map(re.escape, values))
    return (
        re.sub(rf"\{{({names})\}}", lambda match: values[match.group(1)], template)
        if values
        else template
    )


def named(prefix: str) -> dict[str, str]:
    """The texts of all prompts whose names start with `prefix`, by name."""
    names = sorted(file.name for file in files(__name__).iterdir() if file.name.endswith(".txt"))
    found = [name.removesuffix(".txt") for name in names if name.startswith(prefix)]
    return {name: load(name) for name in found}


def group(prefix: str) -> list[str]:
    """The texts of all prompts whose names start with `prefix`."""
    return list(named(prefix).values())


def version(*templates: str) -> str:
    """A short hash of the prompts, for manifests and cache keys."""
    return hashlib.sha256("\0".join(templates).encode()).hexdigest()[:12]
