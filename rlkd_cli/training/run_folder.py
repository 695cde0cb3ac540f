"""A training's folder: what it was begun with, whether it has ended, its model card, its upload."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlkd_cli.errors import ModelError, UsageError
from rlkd_cli.training.launcher import is_main_process


def check_settings(folder: Path, settings: Mapping[str, Any], overwrite: bool) -> bool:
    """Makes the run's folder and keeps its settings in run.json. Whether an earlier run has finished there.

    UsageError where the folder was begun with other settings. Of several processes the first one does this.
    """
    if not is_main_process():
        return False
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
        raise UsageError(
            f"{folder} is not empty and was not made by this command; name another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"settings": now, "finished": False}, indent=2) + "\n", "utf-8")
    return False


def mark_finished(folder: Path, rejected: int) -> None:
    """Keeps in run.json that the training has ended, and how many records it could not use."""
    file = folder / "run.json"
    run = json.loads(file.read_text("utf-8"))
    file.write_text(
        json.dumps({**run, "finished": True, "rejected": rejected}, indent=2) + "\n", "utf-8"
    )


def rejected(folder: Path) -> int:
    """How many records a finished training could not use."""
    return int(json.loads((folder / "run.json").read_text("utf-8")).get("rejected", 0))


def write_card(folder: Path, title: str, text: str, facts: Mapping[str, Any]) -> None:
    """A short model card, README.md in the model folder."""
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    (folder / "README.md").write_text(
        f"# {title}\n\n{text} Made by rlkd.\n\n| | |\n| --- | --- |\n{rows}\n", "utf-8"
    )


def push(folder: Path, repository: str) -> str:
    """Uploads a model folder to a private repository, without its checkpoints, and returns its address. ModelError where the hub refuses."""
    from huggingface_hub import HfApi

    try:
        api = HfApi()
        api.create_repo(repository, exist_ok=True, private=True)
        return str(
            api.upload_folder(
                folder_path=folder, repo_id=repository, ignore_patterns=["checkpoint-*"]
            )
        )
    except (
        Exception
    ) as error:  # no network, no token, no right to it: the hub's client raises a dozen kinds
        raise ModelError(
            f"{folder} is finished, but {repository} cannot be written: {str(error).splitlines()[0]}"
        ) from error
