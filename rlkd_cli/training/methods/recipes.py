"""`--recipe`: what the authors' released code does where the paper says nothing, under one name.

Facts of the release, in words of ours: the loss averages over the tokens of a batch and has a KL
term with the coefficient 0.04 (a default of the TRL that it ships, which no configuration of it
overrides); the chat template keeps thinking and opens none; a system prompt asks for think and
answer tags, each of which is rewarded, as their order is, with weight 10. What is not known: which
of this made the paper's numbers, whose text names none of it.
"""

from dataclasses import dataclass, field
from typing import Any

from rlkd_cli.core.thinking import OPEN


@dataclass(frozen=True)
class Recipe:
    """Arguments of TRL, the system prompt, the weights of format and tags, and whether a template
    may open thinking.
    """

    trl: dict[str, Any] = field(default_factory=dict)
    system: str | None = None
    format: float | None = None  # None: what --format-weight says
    tags: float = 0.0
    keeps_template: bool = True


RECIPES = {
    "ours": Recipe(),
    "release": Recipe(
        # The mean over all tokens of a step, however it is split; TRL's `bnpo` is that of each
        # micro-batch
        trl={"beta": 0.04, "loss_type": "dapo"},
        system=(
            "You reason about a problem before you answer it. Write your reasoning between <think> "
            "and </think>, then the answer between <answer> and </answer>, each tag on a line of "
            "its own:\n"
            "<think>\n...\n</think>\n<answer>\n...\n</answer>"
        ),
        format=10.0,
        tags=10.0,
        keeps_template=False,
    ),
}


def without_opening(template: str) -> str:
    """A chat template that does not open thinking behind its prompt; otherwise the same."""
    last = (
        "{{ all.removesuffix('\\n').removesuffix('%s') if all.endswith(('%s', '%s\\n')) else all }}"
    )
    return "{% set all %}" + template + "{% endset %}" + last % (OPEN, OPEN, OPEN)
