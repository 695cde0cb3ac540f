"""How a problem becomes a question: the prompt that a model is given for it."""

from collections.abc import Mapping
from typing import Any

# The instruction that DeepSeek-R1's authors recommend for mathematics; the paper prints none.
BOXED = "{problem}\n\nPlease reason step by step, and put your final answer within \\boxed{}."
LETTER = '{problem}\n\nPlease reason step by step, and end with a line "Answer: LETTER".'


def question(record: Mapping[str, Any], template: str | None = None) -> str:
    """The template (by default one for the kind of answer that is expected) with the problem in it."""
    answer = record.get("answer")
    is_letter = isinstance(answer, str) and len(answer) == 1 and answer in "ABCDEFGHIJ"
    return (template or (LETTER if is_letter else BOXED)).replace("{problem}", record["problem"])
