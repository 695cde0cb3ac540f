"""The total reward of a completion: the weighted sum of its parts (RLKD, section 3.2), or missing.

Missing and worthless are two things. A part that is weighted and could not be computed makes that
completion's total None, and TRL leaves it out of its group; the others keep all of their parts. A
part is 0 only where it was computed to be 0.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from rlkd_cli.core.thinking import CLOSE, OPEN, is_one_block
from rlkd_cli.option import REWARD, option
from rlkd_cli.records.schema import Raw


@dataclass(frozen=True, kw_only=True)
class Weighing:
    """What the parts of the total reward are multiplied by, as options."""

    structure_weight: Annotated[
        float, option("--structure-weight", min=0, help="Release: 15.", panel=REWARD)
    ] = 15.0
    outcome_weight: Annotated[
        float, option("--outcome-weight", min=0, help="Release: 15.", panel=REWARD)
    ] = 15.0
    format_weight: Annotated[
        float,
        option(
            "--format-weight",
            min=0,
            help="For <think>…</think> (release: 10; ours: 0).",
            panel=REWARD,
        ),
    ] = 0.0


@dataclass(frozen=True)
class Weights:
    """What each part of the total reward is multiplied by. The release: 15, 15, 10, 10."""

    structure: float
    outcome: float
    format: float = 0.0
    tags: float = 0.0

    def of(self, record: Raw) -> "Weights":
        """The weights for a record: without a reference answer no outcome is expected."""
        answer = record.get("answer")
        is_given = answer is not None and str(answer).strip()
        return self if is_given else replace(self, outcome=0.0)


@dataclass
class Parts:
    """One completion's rewards; None where a part could not be computed."""

    outcome: float | None = None
    structure: float | None = None
    format: float | None = None
    tags: float | None = None


def total_reward(parts: Parts, weights: Weights) -> float | None:
    """The weighted sum; None where a part that weighs something is missing, or nothing weighs."""
    all_parts = ("structure", "outcome", "format", "tags")
    names = [name for name in all_parts if getattr(weights, name)]
    values = [(getattr(weights, name), getattr(parts, name)) for name in names]
    if not values or any(value is None for _, value in values):
        return None
    return float(sum(weight * value for weight, value in values))


def format_reward(path: str) -> float:
    """1 for a block of thinking with something after it, as R1-style models write; else 0."""
    return float(is_one_block(path))


def tag_reward(path: str) -> float:
    """A quarter for each of the tags that the release's system prompt asks for and that stands
    there once.

    `<think>` and `</think>`, `<answer>` and `</answer>`, each on a line of its own, as in the
    release.
    """
    text = path if path.lstrip().startswith(OPEN) else f"{OPEN}\n{path}"
    tags = (f"{OPEN}\n", f"\n{CLOSE}\n", "\n<answer>\n", "\n</answer>")
    return sum(text.count(tag) == 1 for tag in tags) / len(tags)
