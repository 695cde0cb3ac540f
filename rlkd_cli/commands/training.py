"""What `train-gsrm` and `distill` share: their options, how they start several processes, and how they end."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from rlkd_cli import console
from rlkd_cli.commands import options as opt
from rlkd_cli.commands.common import write_rejects
from rlkd_cli.errors import REJECTED, InputError, RecordError
from rlkd_cli.records.journal import combined
from rlkd_cli.records.read import Item
from rlkd_cli.records.schema import Raw
from rlkd_cli.training.launcher import become, launcher
from rlkd_cli.training.run_folder import mark_finished, push, rejected

Folder = Annotated[
    Path, opt.option("--output", "-o", metavar="DIR", help="The model's folder.", panel=opt.IO)
]


@dataclass(frozen=True)
class Training:
    """How a model is trained, whatever it learns."""

    learning_rate: Annotated[
        float, opt.option("--learning-rate", min=0, help="Release: 5e-5.", panel=opt.TRAIN)
    ] = 5e-5
    warmup: Annotated[
        float,
        opt.option(
            "--warmup",
            min=0,
            help="Share of the steps, or (1 and more) steps. Release: 0.1.",
            panel=opt.TRAIN,
        ),
    ] = 0.1
    bf16: Annotated[
        bool,
        opt.option(
            "--bf16/--fp32",
            help="Compute in bf16, over fp32 weights (release: bf16); without an accelerator: fp32.",
            panel=opt.TRAIN,
        ),
    ] = True
    gradient_checkpointing: Annotated[
        bool,
        opt.option(
            "--gradient-checkpointing/--no-gradient-checkpointing",
            help="Trade time for memory (release: on).",
            panel=opt.TRAIN,
        ),
    ] = True
    lora: Annotated[
        int | None,
        opt.option(
            "--lora",
            metavar="RANK",
            min=1,
            help="Train LoRA adapters of this rank, merged at the end.",
            panel=opt.TRAIN,
        ),
    ] = None
    seed: Annotated[int, opt.option("--seed", help="Seed of all random numbers.")] = 42
    launch: Annotated[
        str | None,
        opt.option(
            "--launch",
            metavar="CONFIG",
            help="Several devices: ddp, zero2, zero3, fsdp2, or an accelerate file.",
            panel=opt.TRAIN,
        ),
    ] = None
    num_processes: Annotated[
        int | None,
        opt.option(
            "--num-processes", min=1, help="Processes to launch; on CPU too.", panel=opt.TRAIN
        ),
    ] = None
    report_to: Annotated[
        list[str] | None,
        opt.option(
            "--report-to",
            metavar="TRACKER",
            help="wandb, tensorboard, mlflow, …; repeat for several.",
            panel=opt.TRAIN,
        ),
    ] = None
    push_to_hub: Annotated[
        str | None,
        opt.option(
            "--push-to-hub",
            metavar="OWNER/NAME",
            help="Upload the finished folder there.",
            panel=opt.IO,
        ),
    ] = None
    rejects: Annotated[
        str | None,
        opt.option(
            "--rejects",
            metavar="FILE",
            help="Where records that cannot be used go (default: in the folder).",
            panel=opt.IO,
        ),
    ] = None
    overwrite: Annotated[
        bool,
        opt.option("--overwrite", help="Start afresh, whatever an earlier run left.", panel=opt.IO),
    ] = False
    plot: Annotated[
        Path | None,
        opt.option(
            "--plot", metavar="FILE", help="Draw the training (.png, .svg, .pdf).", panel=opt.IO
        ),
    ] = None

    @property
    def settings(self) -> dict[str, Any]:
        """What the trained weights depend on."""
        return {
            "learning_rate": self.learning_rate,
            "warmup": self.warmup,
            "seed": self.seed,
            "lora": self.lora,
        }

    @property
    def machine(self) -> dict[str, Any]:
        """What a machine may do differently."""
        return {
            "bf16": self.bf16 and has_accelerator(),
            "gradient_checkpointing": self.gradient_checkpointing,
            "report_to": tuple(self.report_to or ()),
        }

    def launch_if_asked(self, folder: Path) -> None:
        """Becomes the launcher of several processes, where several are asked for."""
        command = launcher(self.launch, self.num_processes, sys.argv[1:], has_accelerator())
        if command:
            become(command, folder)

    def finish(
        self,
        folder: Path,
        names: tuple[str, ...],
        smooth: int,
        lost: Sequence[tuple[Raw, RecordError]],
    ) -> None:
        """Writes rejects, marks the folder as finished, draws its metrics, uploads it; ends with the status for rejects."""
        if lost:
            write_rejects(lost, self.rejects or str(folder / "rejects.jsonl"))
        mark_finished(folder, len(lost))
        if self.plot:
            from rlkd_cli.plots import plot_training
            from rlkd_cli.records.read import rows

            entries = [
                row for _, row in rows(str(folder / "metrics.jsonl")) if isinstance(row, dict)
            ]
            plot_training({folder.name: entries}, names, self.plot, smooth)
        if self.push_to_hub:
            console.message(f"uploaded: {push(folder, self.push_to_hub)}")
        end(folder)


def finished_before(folder: Path) -> None:
    """Ends a command whose folder an earlier run has finished, with that run's status."""
    console.message(f"{folder}: finished by an earlier run")
    end(folder)


def end(folder: Path) -> None:
    """Ends with the status for rejects where there were some; of several processes, the launcher does so."""
    if rejected(folder) and "RANK" not in os.environ:
        raise typer.Exit(REJECTED)


def data_of(items: Sequence[Item]) -> str:
    """What tells one input from another: the number of records, and a digest of them."""
    return f"{len(items)} records, {combined(item.digest for item in items):016x}"


def need(records: list[Raw], source: str) -> None:
    """InputError where there is nothing to train on."""
    if not records:
        raise InputError(source, "", "holds no record to train on")


def has_accelerator() -> bool:
    import torch

    return torch.cuda.is_available()
