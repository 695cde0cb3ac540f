"""The models that a training left, for `rlkd eval --checkpoints`."""

from collections.abc import Sequence
from pathlib import Path

from rlkd_cli import console
from rlkd_cli.errors import UsageError
from rlkd_cli.models.local.loading import is_adapter
from rlkd_cli.records.manifest import same_weights


def models_of(folder: Path) -> Sequence[tuple[str, Path]]:
    """The checkpoints of a training in order, and its result ("final"); UsageError where there is
    none.

    A result that is the last checkpoint, byte for byte, is evaluated once, by its step.
    """
    numbered = [(f.name.rpartition("-")[2], f) for f in folder.glob("checkpoint-*")]
    steps = sorted((int(number), f) for number, f in numbered if number.isdigit())
    names = [(str(number), f) for number, f in steps]
    if (folder / "config.json").exists() or is_adapter(str(folder)):
        if steps and same_weights(folder, steps[-1][1]):
            console.message(f"the result in {folder} is checkpoint {steps[-1][0]}: evaluated once")
        else:
            names.append(("final", folder))
    if not names:
        raise UsageError(f"--checkpoints {folder}: no checkpoint-N folder and no model in it")
    return names
