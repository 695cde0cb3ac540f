"""What every training is told, `train-gsrm` and `distill` alike, free of torch.

A trainer's configuration is read from these; no default stands anywhere else.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rlkd_cli.option import IO, RUN, TRAINING, option


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
            help="Compute in bf16, over fp32 weights (release: bf16); on CPU: fp32.",
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
    keep_adapter: Annotated[
        bool,
        option(
            "--keep-adapter",
            help="With --lora: the folder holds the adapter alone, for PEFT, not merged.",
            panel=TRAINING,
        ),
    ] = False
    rope_theta: Annotated[
        float | None,
        option(
            "--rope-theta",
            help="Override the rope base, and let it reach what is trained (release: 300,000).",
            panel=TRAINING,
        ),
    ] = None
    yarn: Annotated[
        float | None,
        option(
            "--yarn",
            metavar="FACTOR",
            min=1,
            help="Extend the model's context so many times, by YaRN.",
            panel=TRAINING,
        ),
    ] = None
    trl: Annotated[
        list[str] | None,
        option(
            "--trl",
            metavar="NAME=VALUE",
            help="Any other argument of the trainer's configuration; repeat for several.",
            panel=TRAINING,
        ),
    ] = None
    save_limit: Annotated[
        int,
        option(
            "--save-limit",
            min=1,
            help="How many of the last checkpoints are kept.",
            panel=TRAINING,
            free=True,
        ),
    ] = 2
    keep_checkpoints: Annotated[
        int,
        option(
            "--keep-checkpoints",
            metavar="N",
            min=0,
            help="Keep N more, spread evenly over the training (Figure 4).",
            panel=TRAINING,
            free=True,
        ),
    ] = 0
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
            help="Processes to launch, on all machines together; on CPU too.",
            panel=TRAINING,
            free=True,
        ),
    ] = None
    num_machines: Annotated[
        int | None,
        option(
            "--num-machines",
            min=1,
            help="Machines that train together, each running this command on the same folders "
            "(default: Slurm's step, else 1).",
            panel=TRAINING,
            free=True,
        ),
    ] = None
    machine_rank: Annotated[
        int | None,
        option(
            "--machine-rank",
            min=0,
            help="Which of the machines this is, from 0 (default: Slurm's).",
            panel=TRAINING,
            free=True,
        ),
    ] = None
    main_process_ip: Annotated[
        str | None,
        option(
            "--main-process-ip",
            metavar="ADDRESS",
            help="Where machine 0 is reached (default: the first of Slurm's step).",
            panel=TRAINING,
            free=True,
        ),
    ] = None
    main_process_port: Annotated[
        int | None,
        option(
            "--main-process-port",
            min=1,
            help="And at which port (default: by Slurm's job, else 29500).",
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
            file="out",
        ),
    ] = None
    overwrite: Annotated[
        bool,
        option(
            "--overwrite",
            help="Discard what an earlier run left and start over.",
            panel=IO,
            free=True,
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
            file="out",
        ),
    ] = None

    @property
    def rejects_file(self) -> Path:
        """Where records that cannot be used go."""
        return Path(self.rejects) if self.rejects else self.output / "rejects.jsonl"
