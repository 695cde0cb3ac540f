"""The training loop around a trainer: metrics on disk, interrupts, and going on from the last
checkpoint.
"""

import json
import random
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint

from rlkd_cli.errors import RlkdError
from rlkd_cli.training.checkpoints import AdapterSettings, Rotation
from rlkd_cli.training.options import Training

Show = Callable[[dict[str, Any]], None]


class MetricsCallback(TrainerCallback):  # type: ignore[misc]
    """Appends every log entry to metrics.jsonl and hands it on for the progress view."""

    def __init__(self, file: Path, show: Show) -> None:
        self.file, self.show = file, show
        self.last: dict[str, Any] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Drops entries that a killed run logged after its last checkpoint: they will come
        again.
        """
        if self.file.exists() and state.is_world_process_zero:
            lines = [
                line for line in self.file.read_text("utf-8").split("\n") if line.endswith("}")
            ]
            kept = [line for line in lines if json.loads(line)["step"] <= state.global_step]
            self.file.write_text("".join(line + "\n" for line in kept), "utf-8")

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if not logs or not state.is_world_process_zero:
            return
        entry = {"step": state.global_step, "of": state.max_steps, **logs}
        if "train_runtime" not in logs and not any(name.startswith("eval_") for name in logs):
            self.last = entry
        with self.file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(entry) + "\n")
        self.show(entry)


class TogetherCallback(TrainerCallback):  # type: ignore[misc]
    """Ends several processes after the same step, with a checkpoint, when one of them is
    interrupted.

    Each waits for the others in every step: one that stopped where it stood would leave them
    waiting.
    """

    def __init__(self) -> None:
        self.asked = False  # this process was interrupted
        self.agreed = False  # one of them was, and all know

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        signal.signal(signal.SIGINT, self._ask)

    def on_train_end(self, *args: Any, **kwargs: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def _ask(self, *args: Any) -> None:
        self.asked = True

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        anyone = torch.tensor(float(self.asked), device=args.device)
        torch.distributed.all_reduce(anyone, torch.distributed.ReduceOp.MAX)
        if anyone:
            self.agreed = control.should_save = control.should_training_stop = True


class BoundaryCallback(TrainerCallback):  # type: ignore[misc]
    """Remembers the random numbers' state at each step's end, so that a step cut short can be begun
    again.
    """

    def __init__(self) -> None:
        self.states: dict[str, Any] = {}
        self.updating = False  # from the optimiser's step to the end of ours nothing may be saved

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.updating = False
        self.states = {
            "python": random.getstate(),
            "numpy": np.random.get_state(),
            "torch": torch.get_rng_state(),
        }
        if torch.cuda.is_available():
            self.states["cuda"] = torch.cuda.get_rng_state_all()

    def on_pre_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        self.updating = True

    def restore(self) -> None:
        random.setstate(self.states["python"])
        np.random.set_state(self.states["numpy"])
        torch.set_rng_state(self.states["torch"])
        if "cuda" in self.states:
            torch.cuda.set_rng_state_all(self.states["cuda"])


class Check(TrainerCallback):  # type: ignore[misc]
    """A callback that may stop a training, with a checkpoint; `failure` is why."""

    failure: RlkdError | None = None


def fit(
    trainer: Trainer, options: Training, show: Show, checks: Sequence[Check] = ()
) -> dict[str, Any]:
    """Trains from the last checkpoint in the run's folder; returns the last logged metrics.

    A run that is interrupted leaves a checkpoint of the last whole step; one process stops at once,
    several together at their step's end. So does one process that an error of ours stops.
    """
    folder = options.output
    metrics = MetricsCallback(folder / "metrics.jsonl", show)
    boundary, together = BoundaryCallback(), TogetherCallback()
    last = trainer.args.save_total_limit or options.save_limit  # --trl may say it too
    trainer.args.save_total_limit = None
    rotation = Rotation(folder, last, options.keep_checkpoints)
    settings = AdapterSettings(folder)
    for printer in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(printer)
    trainer.add_callback(metrics)
    alone = trainer.accelerator.num_processes == 1
    for callback in (boundary if alone else together, settings, rotation, *checks):
        trainer.add_callback(callback)
    try:
        trainer.train(resume_from_checkpoint=latest_checkpoint(folder))
    except (KeyboardInterrupt, RlkdError):
        if boundary.states and not boundary.updating and trainer.state.global_step:
            boundary.restore()
            trainer._save_checkpoint(trainer.model_wrapped, None)
            settings.on_save(trainer.args, trainer.state, trainer.control, model=trainer.model)
        raise
    # a process that ends early would be the end of one that still saves
    trainer.accelerator.wait_for_everyone()
    if together.agreed:
        raise KeyboardInterrupt
    for check in checks:
        if check.failure:
            raise check.failure
    return metrics.last


def latest_checkpoint(folder: Path) -> str | None:
    """The last complete checkpoint in a run's folder, None where there is none."""
    return get_last_checkpoint(str(folder)) if folder.is_dir() else None
