"""What a training is told: the options of `train-gsrm` and `distill`, free of torch.

A trainer's configuration is read from these; no default stands anywhere else.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rlkd_cli.core.question import Prompting
from rlkd_cli.option import IO, MODEL, RUN, TRAINING, option
from rlkd_cli.training.methods import METHODS

PHASES = ("meta", "solving", "mixed", "plain")


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a model is trained, whatever it learns."""

    output: Annotated[
        Path,
        option("--output", "-o", metavar="DIR", help="The model's folder.", panel=IO, free=True),
    ]
    learning_rate: Annotated[
        float, option("--learning-rate", min=0, help="Release: 5e-5.", panel=TRAINING)
    ] = 5e-5
    warmup: Annotated[
        float,
        option(
            "--warmup",
            min=0,
            help="Share of the steps, or (1 and more) steps. Release: 0.1.",
            panel=TRAINING,
        ),
    ] = 0.1
    bf16: Annotated[
        bool,
        option(
            "--bf16/--fp32",
            help="Compute in bf16, over fp32 weights (release: bf16); without an accelerator: fp32.",
            panel=TRAINING,
            free=True,
        ),
    ] = True
    gradient_checkpointing: Annotated[
        bool,
        option(
            "--gradient-checkpointing/--no-gradient-checkpointing",
            help="Trade time for memory (release: on).",
            panel=TRAINING,
            free=True,
        ),
    ] = True
    lora: Annotated[
        int | None,
        option(
            "--lora",
            metavar="RANK",
            min=1,
            help="Train LoRA adapters of this rank, merged at the end.",
            panel=TRAINING,
        ),
    ] = None
    seed: Annotated[int, option("--seed", help="Seed of all random numbers.", panel=RUN)] = 42
    launch: Annotated[
        str | None,
        option(
            "--launch",
            metavar="CONFIG",
            help="Several devices: ddp, zero2, zero3, fsdp2, or an accelerate file.",
            panel=TRAINING,
            free=True,
        ),
    ] = None
    num_processes: Annotated[
        int | None,
        option(
            "--num-processes",
            min=1,
            help="Processes to launch; on CPU too.",
            panel=TRAINING,
            free=True,
        ),
    ] = None
    report_to: Annotated[
        list[str] | None,
        option(
            "--report-to",
            metavar="TRACKER",
            help="wandb, tensorboard, mlflow, …; repeat for several.",
            panel=TRAINING,
            free=True,
        ),
    ] = None
    push_to_hub: Annotated[
        str | None,
        option(
            "--push-to-hub",
            metavar="OWNER/NAME",
            help="Upload the finished folder there.",
            panel=IO,
            free=True,
        ),
    ] = None
    rejects: Annotated[
        str | None,
        option(
            "--rejects",
            metavar="FILE",
            help="Where records that cannot be used go (default: in the folder).",
            panel=IO,
            free=True,
        ),
    ] = None
    overwrite: Annotated[
        bool,
        option(
            "--overwrite", help="Start afresh, whatever an earlier run left.", panel=IO, free=True
        ),
    ] = False
    plot: Annotated[
        Path | None,
        option(
            "--plot",
            metavar="FILE",
            help="Draw the training (.png, .svg, .pdf).",
            panel=IO,
            free=True,
        ),
    ] = None

    @property
    def rejects_file(self) -> Path:
        """Where records that cannot be used go."""
        return Path(self.rejects) if self.rejects else self.output / "rejects.jsonl"


@dataclass(frozen=True, kw_only=True)
class GsrmTraining(Training):
    """Structured Fine-grained Training (RLKD, section 3.1)."""

    model: Annotated[str, option("--model", help="Base model (3.1).", panel=MODEL)] = (
        "Qwen/Qwen2.5-7B-Instruct"
    )
    phases: Annotated[
        str,
        option("--phases", help="One epoch each of: meta, solving, mixed (3.1).", panel=TRAINING),
    ] = "meta,solving,mixed"
    plain: Annotated[
        bool,
        option(
            "--plain", help="Ablation: one loss over all tokens, as many epochs.", panel=TRAINING
        ),
    ] = False
    alpha: Annotated[
        int,
        option(
            "--alpha", min=1, help="Steps between updates of a and b (3.1: 100).", panel=TRAINING
        ),
    ] = 100
    weight_decay: Annotated[
        float, option("--weight-decay", min=0, help="Release: 1e-4.", panel=TRAINING)
    ] = 1e-4
    batch_size: Annotated[
        int, option("--batch-size", min=1, help="A device's batch (release: 1).", panel=TRAINING)
    ] = 1
    accumulation: Annotated[
        int, option("--accumulation", min=1, help="Batches a step (release: 2).", panel=TRAINING)
    ] = 2
    max_length: Annotated[
        int,
        option(
            "--max-length",
            min=8,
            help="Longer pairs are rejected (release: 25,000).",
            panel=TRAINING,
        ),
    ] = 25_000
    truncate: Annotated[
        bool,
        option(
            "--truncate",
            help="Cut the path of a longer pair instead, never its steps.",
            panel=TRAINING,
        ),
    ] = False
    packing: Annotated[
        bool,
        option("--packing", help="A batch's pairs in one row, without padding.", panel=TRAINING),
    ] = False
    rope_theta: Annotated[
        float | None,
        option(
            "--rope-theta",
            help="Override the base model's, and let it reach --max-length (release: 300,000).",
            panel=TRAINING,
        ),
    ] = None
    eval_fraction: Annotated[
        float,
        option(
            "--eval-fraction",
            min=0,
            max=0.5,
            help="Keep this share of the pairs to check the model on, before and after.",
        ),
    ] = 0.0
    save_steps: Annotated[
        int,
        option("--save-steps", min=1, help="Steps between checkpoints.", panel=TRAINING, free=True),
    ] = 500

    @property
    def epochs(self) -> tuple[str, ...]:
        """The phase of each epoch."""
        return ("plain",) * 3 if self.plain else tuple(self.phases.split(","))


@dataclass(frozen=True, kw_only=True)
class Distillation(Training, Prompting):
    """How a student is trained; defaults are the paper's (4.1) and, where it is silent, the release's."""

    student: Annotated[str, option("--student", help="The model to train (4.1).", panel=MODEL)] = (
        "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"
    )
    method: Annotated[
        str,
        option(
            "--method",
            help="; ".join(f"{name}: {row.summary}" for name, row in METHODS.items()) + ".",
            choices=tuple(METHODS),
            panel=TRAINING,
        ),
    ] = "rlkd"
    structure_weight: Annotated[
        float, option("--structure-weight", min=0, help="Release: 15.", panel=TRAINING)
    ] = 15.0
    outcome_weight: Annotated[
        float, option("--outcome-weight", min=0, help="Release: 15.", panel=TRAINING)
    ] = 15.0
    format_weight: Annotated[
        float,
        option(
            "--format-weight",
            min=0,
            help="For <think>…</think> (release: 10; ours: 0).",
            panel=TRAINING,
        ),
    ] = 0.0
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
    teacher_model: Annotated[
        str | None,
        option(
            "--teacher",
            metavar="MODEL",
            help="rlad: whose log-probabilities anchor the ratio.",
            panel=MODEL,
        ),
    ] = None
    trrd_alpha: Annotated[
        float,
        option("--trrd-alpha", min=0, max=1, help="rlad: 1 is GRPO (RLAD: 0.5).", panel=TRAINING),
    ] = 0.5
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
