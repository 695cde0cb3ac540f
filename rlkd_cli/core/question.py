"""How a problem becomes a question: the prompt that a model is given for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from rlkd_cli.option import MODEL, option

# The instruction that DeepSeek-R1's authors recommend for mathematics; the paper prints none.
BOXED = "{problem}\n\nPlease reason step by step, and put your final answer within \\boxed{}."
LETTER = '{problem}\n\nPlease reason step by step, and end with a line "Answer: LETTER".'


@dataclass(frozen=True, kw_only=True)
class Prompting:
    """How a problem becomes a prompt."""

    prompt_template: Annotated[
        str | None,
        option(
            "--prompt-template",
            metavar="TEXT",
            help="What the model is asked, with {problem} in it (default: the problem, then "
            "DeepSeek's request for a boxed answer).",
            panel=MODEL,
        ),
    ] = None
    system: Annotated[str | None, option("--system", help="A system prompt.", panel=MODEL)] = None


def question(record: Mapping[str, Any], template: str | None = None) -> str:
    """The template (by default one for the kind of answer that is expected) with the problem in it."""
    answer = record.get("answer")
    is_letter = isinstance(answer, str) and len(answer) == 1 and answer in "ABCDEFGHIJ"
    return (template or (LETTER if is_letter else BOXED)).replace("{problem}", record["problem"])
