"""A training's folder: what it was created with, whether it has ended, its model card, its
upload.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlkd_cli import __version__
from rlkd_cli.errors import ModelError, UsageError
from rlkd_cli.records.atomic import atomic_write, write_json
from rlkd_cli.records.manifest import (
    Settings,
    check_same,
    fingerprint_text,
    folder_fingerprint,
    load_manifest,
)
from rlkd_cli.records.write import objects


class RunFolder:
    """The folder of a run and its manifest, `run.json`."""

    def __init__(self, path: Path) -> None:
        self.path, self._file = path, path / "run.json"

    def check(self, settings: Settings, overwrite: bool) -> bool:
        """Whether an earlier run has finished here. UsageError where the folder is another run's,
        or no run's.
        """
        if not self.path.exists() or not self._has_begun():
            return False
        if not self._file.exists():
            raise UsageError(
                f"{self.path} is not empty and was not made by this command; name another folder"
            )
        if overwrite:
            return False
        manifest = load_manifest(self._file)
        check_same(self.path, manifest["settings"], json.loads(json.dumps(dict(settings))))
        if manifest["finished"] and manifest["output"] != self._contents():
            raise UsageError(
                f"{self.path}: the model was changed after it was finished; --overwrite starts over"
            )
        return bool(manifest["finished"])

    def _has_begun(self) -> bool:
        """Whether there is anything that binds a later run: a run that took no step does not."""
        if not self._file.exists():
            return any(file.name != "rejects.jsonl" for file in self.path.iterdir())
        started = (self.path / "metrics.jsonl").exists() or any(self.path.glob("checkpoint-*"))
        return started or bool(load_manifest(self._file)["finished"])

    def begin(self, settings: Settings, overwrite: bool, stages: Sequence[Settings] = ()) -> None:
        """Makes the folder and notes what it is made from; with `overwrite` what an earlier run
        left goes.

        So does what a run of other settings left that took no step. `stages` are the settings of
        the trainings that came before this one.
        """
        if self._file.exists() and (overwrite or self.is_of_others(settings)):
            shutil.rmtree(self.path)
        if not self._file.exists():
            manifest = {"rlkd": __version__, "settings": dict(settings), "finished": False}
            write_json(self._file, manifest | ({"stages": list(stages)} if stages else {}))

    def is_of_others(self, settings: Settings) -> bool:
        """Whether a run of other settings, which took no step, left what is there."""
        if not self._file.exists() or self._has_begun():
            return False
        own = json.loads(json.dumps(dict(settings)))
        return bool(load_manifest(self._file)["settings"] != own)

    def finish(self, rejected: int) -> None:
        """Notes that the training has ended, and how many records it could not use."""
        ended = {"finished": True, "rejected": rejected, "output": self._contents()}
        write_json(self._file, {**load_manifest(self._file), **ended})

    @property
    def rejected(self) -> int:
        """How many records a finished training could not use."""
        return int(load_manifest(self._file).get("rejected", 0)) if self._file.exists() else 0

    def _contents(self) -> str:
        return fingerprint_text(folder_fingerprint(self.path))


def averages(metrics: Path, count: int = 10) -> dict[str, float]:
    """The means of the last `count` steps of a metrics.jsonl, by name; evaluations are no steps."""
    entries = [row for row in objects(metrics) if "loss" in row] if metrics.exists() else []
    last = entries[-count:]
    names = dict.fromkeys(name for entry in last for name in entry)
    values = {
        name: [e[name] for e in last if isinstance(e.get(name), int | float)] for name in names
    }
    return {name: sum(found) / len(found) for name, found in values.items() if found}


def write_card(folder: Path, title: str, text: str, facts: Mapping[str, Any]) -> None:
    """A short model card, README.md in the model folder."""
    known = {name: value for name, value in facts.items() if value is not None}
    rows = "\n".join(f"| {name} | {value} |" for name, value in known.items())
    with atomic_write(folder / "README.md") as out:
        out.write(f"# {title}\n\n{text} Made by rlkd.\n\n| | |\n| --- | --- |\n{rows}\n")


def push(folder: Path, repository: str) -> str:
    """Uploads a model folder to a private repository, without its checkpoints, and returns its
    address.

    ModelError where the hub refuses.
    """
    from huggingface_hub import HfApi

    try:
        api = HfApi()
        api.create_repo(repository, exist_ok=True, private=True)
        return str(
            api.upload_folder(
                folder_path=folder, repo_id=repository, ignore_patterns=["checkpoint-*"]
            )
        )
    except Exception as error:  # no network, no token, no right to it: a dozen kinds
        reason = f"{repository} cannot be written: {str(error).splitlines()[0]}"
        raise ModelError(f"{folder} is finished, but {reason}") from error
