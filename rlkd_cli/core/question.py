r"""How a problem becomes a question, by the conventions of the tool whose numbers are compared.

Published numbers differ by prompt, sampling and extraction. A `Protocol` has all three as its tool
has them, and says where they stand.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from rlkd_cli.core.grading.letters import choices_of, letter_of
from rlkd_cli.option import MODEL, option

Extraction = Literal["ours", "boxed"]

# The instruction that DeepSeek-R1's authors recommend for mathematics; the paper prints none.
BOXED = "{problem}\n\nPlease reason step by step, and put your final answer within \\boxed{}."
LETTER = '{problem}\n\nPlease reason step by step, and end with a line "Answer: LETTER".'

_LIGHTEVAL_MATH = (
    "Solve the following math problem efficiently and clearly.  The last line of your response "
    "should be of the following format: 'Therefore, the final answer is: $\\boxed{ANSWER}$. I hope "
    "it is correct' (without quotes) where ANSWER is just the final number or expression that "
    "solves the problem. Think step by step before answering.\n\n{problem}"
)
_LIGHTEVAL_LETTER = (
    "Answer the following multiple choice question. The last line of your response should be of "
    "the following format: 'Answer: $LETTER' (without quotes) where LETTER is one of {letters}. "
    "Think step by step before answering.\n\n{problem}"
)
_NEMO_MATH = (
    "Solve the following math problem. Make sure to put the answer (and only answer) inside "
    "\\boxed{}.\n\n{problem}"
)
_NEMO_LETTER = (
    "Answer the following multiple choice question. The last line of your response should be in "
    "the following format: 'Answer: \\boxed{{slashes}}' (e.g. 'Answer: \\boxed{A}').\n\n{problem}"
)
_ARENA_MATH = "Put your final answer within \\boxed{}.\n\n{problem}"
_ARENA_INTEGER = (
    "Put your final answer within \\boxed{}.\nThe answer is an integer between 0 and 999 "
    "inclusive.\n\n{problem}"
)


@dataclass(frozen=True)
class Protocol:
    r"""Prompts, sampling and extraction of one tool, and their sources.

    `integer` is the prompt for AIME where it differs. A sampling value of None is one that the tool
    leaves to its user. `extraction`: `boxed` takes the last `\boxed{}` of the whole reply and
    nothing else, `ours` what `core.answers` does. `source` says what was read, and what was not.
    """

    math: str
    letter: str
    source: str
    integer: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    extraction: Extraction = "ours"


PAPERS = "deepseek"  # RLKD, 4.1
PROTOCOLS: dict[str, Protocol] = {
    PAPERS: Protocol(
        BOXED,
        LETTER,
        "DeepSeek-R1's model card (usage recommendations) and RLKD, 4.1; extraction is ours",
        temperature=0.6,
        top_p=0.95,
        max_tokens=32_768,
    ),
    "lighteval": Protocol(
        _LIGHTEVAL_MATH,
        _LIGHTEVAL_LETTER,
        "lighteval's MATH_QUERY_TEMPLATE and the simple-evals template that it takes for GPQA; "
        "temperature and top-p are its user's; extraction is ours, which also reads its formats",
        max_tokens=32_768,
    ),
    "nemo-skills": Protocol(
        _NEMO_MATH,
        _NEMO_LETTER,
        "NeMo-Skills: prompt/config/generic/math.yaml and mcq_tenchoices_boxed.yaml, temperature "
        "0.7 "
        "and top-p 0.95 of its runs by seed, the last box as the answer; its judge is left out",
        temperature=0.7,
        top_p=0.95,
        extraction="boxed",
    ),
    "matharena": Protocol(
        _ARENA_MATH,
        LETTER,
        "matharena: configs/competitions (instruction) and configs/models/deepseek (0.6, 0.95, "
        "32,000 tokens); strict_parsing is false there, so extraction is ours; it has no letters",
        integer=_ARENA_INTEGER,
        temperature=0.6,
        top_p=0.95,
        max_tokens=32_000,
    ),
}


def question(
    record: Mapping[str, Any],
    template: str | None = None,
    protocol: str = PAPERS,
    kind: str | None = None,
) -> str:
    """The problem in a template: the one given, else the protocol's for the kind of answer
    expected.

    `kind` (`letter`, `integer`, `math`, `exact`) is the benchmark's; by default the reference says.
    KeyError for a protocol that is not in `PROTOCOLS`.
    """
    if template is None:
        template = _template(PROTOCOLS[protocol], record, kind)
    return template.replace("{problem}", record["problem"])


def _template(protocol: Protocol, record: Mapping[str, Any], kind: str | None) -> str:
    answer, choices = record.get("answer"), choices_of(record)
    is_letter = kind == "letter" or (
        kind is None and isinstance(answer, str) and bool(letter_of(answer, choices))
    )
    if not is_letter:
        return protocol.integer if kind == "integer" and protocol.integer else protocol.math
    letters = "ABCDEFGHIJ"[: len(choices) or 4]
    filled = protocol.letter.replace("{letters}", letters)
    return filled.replace("{slashes}", "/".join(letters))


@dataclass(frozen=True, kw_only=True)
class Prompting:
    """How a problem becomes a prompt."""

    prompt_template: Annotated[
        str | None,
        option(
            "--prompt-template",
            "--prompt",
            metavar="TEXT",
            help="What the model is asked, with {problem} in it (default: the problem, then "
            "DeepSeek's request for a boxed answer).",
            panel=MODEL,
        ),
    ] = None
    system: Annotated[str | None, option("--system", help="A system prompt.", panel=MODEL)] = None

    @property
    def prompts_used(self) -> dict[str, str]:
        """The texts that problems are put into, by name: the one given, or the defaults."""
        given = self.prompt_template
        own = {"BOXED": BOXED, "LETTER": LETTER} if given is None else {"--prompt-template": given}
        return {**getattr(super(), "prompts_used", {}), **own}
