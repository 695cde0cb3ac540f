"""Which checkpoints stay: the last ones, to go on from; some over the whole training, for its
curve; the best.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from rlkd_cli.records.atomic import write_json
from rlkd_cli.training.saving import save_settings


def milestones(steps: int, every: int, count: int) -> set[int]:
    """The steps of `count` checkpoints spread evenly over a training that saves every so many
    steps.

    >>> sorted(milestones(100, 10, 4))
    [30, 50, 80, 100]
    """
    saved = [*range(every, steps, every), steps]
    return {min(saved, key=lambda s: (abs(s - steps * i / count), -s)) for i in range(1, count + 1)}


class Rotation(TrainerCallback):  # type: ignore[misc]
    """Deletes the checkpoints that are not to stay, after each saving; the last one is made
    complete.
    """

    def __init__(self, folder: Path, last: int, spread: int) -> None:
        self._folder, self._last, self._spread = folder, last, spread

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if not state.is_world_process_zero:
            return
        _with_cache(self._folder / f"checkpoint-{state.global_step}" / "config.json")
        found = {int(f.name.split("-")[1]): f for f in self._folder.glob("checkpoint-[0-9]*")}
        kept = set(sorted(found)[-self._last :])
        if self._spread:
            kept |= milestones(state.max_steps, int(args.save_steps), self._spread)
        best = Path(state.best_model_checkpoint or "-").name
        for step, folder in found.items():
            if step not in kept and folder.name != best:
                shutil.rmtree(folder)


class AdapterSettings(TrainerCallback):  # type: ignore[misc]
    """Puts beside the adapter of a checkpoint what it is loaded with."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        model = kwargs["model"]
        if state.is_world_process_zero and hasattr(model, "get_base_model"):
            save_settings(model, self._folder / f"checkpoint-{state.global_step}")


def _with_cache(file: Path) -> None:
    """A trainer turns the cache off; a model that writes needs it."""
    config = json.loads(file.read_text("utf-8")) if file.exists() else {}
    if config.get("use_cache") is False:
        write_json(file, {**config, "use_cache": True})
