"""What `distill` is told, free of torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rlkd_cli import prompts
from rlkd_cli.core.question import Prompting
from rlkd_cli.option import MODEL, TRAINING, option
from rlkd_cli.reward.chosen import ChosenPaths
from rlkd_cli.reward.total import Weighing
from rlkd_cli.training.methods import METHODS
from rlkd_cli.training.methods.teaching import Teaching
from rlkd_cli.training.options import Training


@dataclass(frozen=True, kw_only=True)
class Distillation(Training, Prompting, Teaching, ChosenPaths, Weighing):
    """How a student is trained; defaults are the paper's (4.1) and, where it is silent, the
    release's.
    """

    student: Annotated[str, option("--student", help="The model to train (4.1).", panel=MODEL)] = (
        "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"
    )
    method: Annotated[
        str,
        option(
            "--method",
            help=f"How it is trained, as listed above: {', '.join(METHODS)}.",
            choices=tuple(METHODS),
            panel=TRAINING,
        ),
    ] = "rlkd"
    reward: Annotated[
        str,
        option(
            "--reward",
            help="rlkd: how near a path is to the teacher's. structured: Algorithm 1; embedding: "
            "the cosine of the two (RLSR, 2510.14200); sequence: how alike their lines are (SRL, "
            "2510.25992). The last two need no GSRM, to know whether it earns its price.",
            choices=("structured", "embedding", "sequence"),
            panel=TRAINING,
        ),
    ] = "structured"
    begin_from: Annotated[
        Path | None,
        option(
            "--from",
            metavar="RUN",
            help="Begin where this finished run ended, instead of --student (sft, then rlkd).",
            panel=MODEL,
        ),
    ] = None
    recipe: Annotated[
        str,
        option(
            "--recipe",
            help="release: KL term, token average, system prompt, template and tag reward of the "
            "authors' code; ours: what the paper says, and nothing else.",
            choices=("ours", "release"),
            panel=TRAINING,
        ),
    ] = "ours"
    eval: Annotated[
        str | None,
        option(
            "--eval",
            metavar="FILE",
            help="Evaluate on these during training, and keep the best checkpoint.",
            panel=TRAINING,
            file="in",
            free=True,
        ),
    ] = None
    eval_every: Annotated[
        int,
        option(
            "--eval-every",
            min=1,
            help="Steps between evaluations; a multiple of --save-steps.",
            panel=TRAINING,
        ),
    ] = 10
    aggregate: Annotated[
        str,
        option(
            "--aggregate",
            help="sum: the weighted sum of the parts (4.1); normalize: each part normalised in its "
            "group first, so that none drowns another (GDPO, 2601.05242).",
            choices=("sum", "normalize"),
            panel=TRAINING,
        ),
    ] = "sum"
    max_reward_failures: Annotated[
        float,
        option(
            "--max-reward-failures",
            min=0,
            max=1,
            help="Stop where more of a step's structured rewards are missing.",
            panel=TRAINING,
            free=True,
        ),
    ] = 0.5
    reward_timeout: Annotated[
        float,
        option(
            "--reward-timeout",
            min=0,
            max=1500,
            help="Seconds to wait for an unavailable GSRM's or judge's server.",
            panel=TRAINING,
            free=True,
        ),
    ] = 600.0
    steps: Annotated[
        int, option("--steps", min=1, help="Optimiser steps (4.3 shows 100).", panel=TRAINING)
    ] = 100
    batch_size: Annotated[
        int,
        option(
            "--batch-size", min=1, help="Completions a device and batch (4.1: 2).", panel=TRAINING
        ),
    ] = 2
    accumulation: Annotated[
        int, option("--accumulation", min=1, help="Batches a step (4.1: 4).", panel=TRAINING)
    ] = 4
    group: Annotated[
        int, option("--group", min=2, help="Completions of a problem (4.1: 4).", panel=TRAINING)
    ] = 4
    iterations: Annotated[
        int,
        option("--iterations", min=1, help="Updates on each batch of completions.", panel=TRAINING),
    ] = 1
    temperature: Annotated[
        float, option("--temperature", min=0.01, help="4.1: 0.7.", panel=TRAINING)
    ] = 0.7
    max_tokens: Annotated[
        int,
        option(
            "--max-tokens", min=1, help="Tokens of a completion (release: 4,096).", panel=TRAINING
        ),
    ] = 4096
    max_prompt_length: Annotated[
        int,
        option(
            "--max-prompt-length",
            min=1,
            help="Tokens of a prompt (release: 1,024).",
            panel=TRAINING,
        ),
    ] = 1024
    max_grad_norm: Annotated[
        float, option("--max-grad-norm", min=0, help="Release: 0.2.", panel=TRAINING)
    ] = 0.2
    vllm: Annotated[
        str | None,
        option(
            "--vllm",
            help="Generate with vLLM: colocate or server.",
            choices=("colocate", "server"),
            panel=TRAINING,
        ),
    ] = None
    sample_every: Annotated[
        int,
        option(
            "--sample-every",
            min=1,
            help="Steps between the completions kept in completions.jsonl.",
            panel=TRAINING,
            free=True,
        ),
    ] = 10
    save_steps: Annotated[
        int, option("--save-steps", min=1, help="Release: 10.", panel=TRAINING)
    ] = 10

    @property
    def unused(self) -> set[str]:
        """Options without effect beside the method."""
        method = METHODS[self.method]
        own = set() if method.rewards else {"aggregate", "structure_weight", "outcome_weight"}
        return own | (set() if method.structure else {"reward", "structure_weight"})

    @property
    def is_structured(self) -> bool:
        """Whether the structured reward is computed: the GSRM and the judge are asked."""
        return METHODS[self.method].structure and self.reward == "structured"

    @property
    def reads_path(self) -> bool:
        """Whether the text of the teacher's path is used, beside its steps."""
        method = METHODS[self.method]
        if method.rewards:
            return method.structure and not self.is_structured
        return not method.writes or self.method == "self" or self.teacher_share > 0

    @property
    def teacher_asked(self) -> str | None:
        """The teacher's weights, where the method asks them."""
        return self.teacher_model if METHODS[self.method].teacher else None

    @property
    def prompts_used(self) -> dict[str, str]:
        """The texts that the student is asked with, by name."""
        own = prompts.named("informed") if self.method == "self" else {}
        return super().prompts_used | own
