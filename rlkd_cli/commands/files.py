"""The files of a command: checked before it does anything, and results that are texts."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlkd_cli import console
from rlkd_cli.errors import UsageError
from rlkd_cli.models.spec import engine_of, model_of
from rlkd_cli.option import fields_of, files_of
from rlkd_cli.records.atomic import atomic_write
from rlkd_cli.records.manifest import check_places
from rlkd_cli.records.rejects import check_rejects
from rlkd_cli.records.schema import Raw

# What stands beside an output
BESIDE = {
    "the journal": ".journal",
    "the manifest": ".run.json",
    "the list of batches": ".batches.jsonl",
}
FIGURES = (".png", ".svg", ".pdf")


def check_files(options: Any, command: str) -> None:
    """UsageError where a file to be read is missing, one to be written is an input or another
    output, or would replace what is no reject; and where a figure or a recording has no place.
    """
    for flag, name in files_of(options, "in"):
        if name != "-" and "://" not in name and not Path(name).exists():
            raise UsageError(f"{flag} {name}: no such file")
    inputs = _inputs(options)
    outputs = dict(files_of(options, "out"))
    named = getattr(options, "rejects_of", None)
    if named:
        outputs |= {"--output": options.output or "-", "--rejects": named(command)}
        if options.output not in (None, "-"):
            for what, ending in BESIDE.items():
                outputs[what] = f"{options.output}{ending}"
    check_places(inputs, outputs)
    if named:
        output = None if options.output in (None, "-") else Path(options.output)
        check_rejects(Path(named(command)), output, options.overwrite)
    if outputs.get("--plot") and Path(outputs["--plot"]).suffix.lower() not in FIGURES:
        raise UsageError(f"--plot {outputs['--plot']}: name a file in {', '.join(FIGURES)}")
    template = getattr(options, "prompt_template", None)
    if template is not None and "{problem}" not in template:
        raise UsageError("--prompt-template: it has no {problem}, where the problem goes")
    recording = outputs.get("--record")
    if recording and not Path(recording).parent.is_dir():
        raise UsageError(f"--record {recording}: its folder does not exist")


def places(options: Any) -> Raw:
    """Where a command's inputs and its rejects are, for who works in another folder."""
    inputs = [os.path.abspath(name) for name in _inputs(options) if _is_file(name)]
    rejects = options.rejects
    return {
        "inputs": inputs,
        "rejects": os.path.abspath(rejects) if rejects and _is_file(rejects) else rejects,
    }


def _is_file(name: str) -> bool:
    return name != "-" and "://" not in name


def _inputs(options: Any) -> list[str]:
    names = [name for kind in ("in", "perhaps") for _, name in files_of(options, kind)]
    return names + [model_of(spec) for spec in _specs(options) if engine_of(spec) == "replay"]


def _specs(options: Any) -> list[str]:
    """Every option's text: the specs of models are among them."""
    values = [getattr(options, field.name) for field in fields_of(options)]
    return [value for value in values if isinstance(value, str)]


def write_text(text: str, file: str | None) -> None:
    """A text for a file or standard output."""
    if file in (None, "-"):
        sys.stdout.write(text)
        return
    with atomic_write(Path(str(file))) as out:
        out.write(text)
    console.message(f"written: {file}")


def write_json_lines(records: Sequence[Raw], file: str | None) -> None:
    """Records for a file or standard output."""
    write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), file)
