"""What both trainings share: metrics on disk, checkpoints, model cards, silence."""

import json
import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from rlkd_cli.errors import UsageError


class MetricsCallback(TrainerCallback):  # type: ignore[misc]
    """Appends every log entry to metrics.jsonl and hands it on for the progress view."""

    def __init__(self, file: Path, show: Callable[[dict[str, Any]], None]) -> None:
        self.file, self.show = file, show
        self.last: dict[str, Any] = {}

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Drops entries that a killed run logged after its last checkpoint: they will come again."""
        if self.file.exists() and state.is_world_process_zero:
            lines = [line for line in self.file.read_text("utf-8").split("\n") if line.endswith("}")]
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
        if "train_runtime" not in logs:
            self.last = entry
        with self.file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(entry) + "\n")
        self.show(entry)


def latest_checkpoint(folder: Path) -> str | None:
    """The last complete checkpoint in a run's folder, None where there is none."""
    return get_last_checkpoint(str(folder)) if folder.is_dir() else None


def check_settings(folder: Path, settings: Mapping[str, Any], overwrite: bool) -> bool:
    """Makes the run's folder and keeps its settings in run.json. Whether an earlier run has finished there.

    UsageError where the folder was begun with other settings.
    """
    import shutil

    file = folder / "run.json"
    now = json.loads(json.dumps(dict(settings), default=str))
    if overwrite and file.exists():
        shutil.rmtree(folder)
    if file.exists():
        saved = json.loads(file.read_text("utf-8"))
        differ = [name for name in now if saved["settings"].get(name) != now[name]]
        if differ:
            name = differ[0]
            raise UsageError(
                f"{folder} was begun with {name} = {saved['settings'].get(name)!r}, now it is {now[name]!r}; "
                "--overwrite starts afresh"
            )
        return bool(saved["finished"])
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty and was not made by this command; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"settings": now, "finished": False}, indent=2) + "\n", "utf-8")
    return False


def mark_finished(folder: Path) -> None:
    file = folder / "run.json"
    run = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**run, "finished": True}, indent=2) + "\n", "utf-8")


def write_card(folder: Path, title: str, text: str, facts: Mapping[str, Any]) -> None:
    """A short model card, README.md in the model folder."""
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    (folder / "README.md").write_text(f"# {title}\n\n{text} Made by rlkd.\n\n| | |\n| --- | --- |\n{rows}\n", "utf-8")


def quiet_libraries() -> None:
    """Training libraries talk on standard output and error; what matters is shown by our own progress."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    warnings.filterwarnings("ignore", module=r"(torch|transformers|trl|accelerate)\b")
    logging.getLogger("trl").setLevel(logging.ERROR)
    logging.getLogger("accelerate").setLevel(logging.ERROR)
