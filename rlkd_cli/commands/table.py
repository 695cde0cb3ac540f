"""Results that are made whole, in one go: `diversity`, `select`, `capability`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from rlkd_cli import __version__, console
from rlkd_cli.commands.common import made_from, places, say_numbered
from rlkd_cli.errors import REJECTED, RecordError, UsageError
from rlkd_cli.records.atomic import write_json
from rlkd_cli.records.forms import check_form, objects, standard_output, stream_of, written
from rlkd_cli.records.manifest import check_same, load_manifest, manifest_of
from rlkd_cli.records.output import describe
from rlkd_cli.records.read import Input
from rlkd_cli.records.schema import Raw
from rlkd_cli.records.stream import close, put, write_rejects


class Table:
    """A result that is made whole, in one go, for a file or standard output, from inputs read as
    wholes.

    What an earlier run of the same command made of the same is taken as it is. UsageError for an
    output that is an input, or was made from anything else, before any work.
    """

    def __init__(
        self,
        command: str,
        options: Any,
        inputs: Mapping[str, Input],
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        places(options, command, *inputs.values())
        for one in inputs.values():
            one.on_numbered = say_numbered
        name = options.output or "-"
        check_form(name)
        self._stream = standard_output() if name == "-" else stream_of(name)
        self._file = None if self._stream else Path(name)
        self._rejects = options.rejects_of(command)
        own = made_from(command, options, (), inputs) | dict(settings or {})
        self._settings = json.loads(json.dumps(own))
        is_new = options.overwrite or not (self._file and self._file.exists())
        self.finished: list[Raw] | None = None if is_new else self._earlier()

    def _earlier(self) -> list[Raw]:
        assert self._file is not None
        manifest_file = manifest_of(self._file)
        if not manifest_file.exists():
            raise UsageError(
                f"{self._file} exists and was not made by this command; --overwrite replaces it"
            )
        manifest = load_manifest(manifest_file)
        check_same(self._file, manifest["settings"], self._settings)
        if manifest["output"] != describe(self._file):
            raise UsageError(
                f"{self._file} was changed after it was finished; --overwrite starts afresh"
            )
        return list(objects(self._file))

    def write(self, records: Sequence[Raw]) -> None:
        """Puts the result where it belongs; a finished one stays."""
        if self._stream:
            for record in records:
                put(self._stream, record)
            close(self._stream)
        elif self._file and self.finished is None:
            with written(self._file) as write:
                for record in records:
                    write(record)
            facts = {"settings": self._settings, "output": describe(self._file)}
            write_json(manifest_of(self._file), {"rlkd": __version__, **facts})

    def end(self, lost: list[tuple[Raw, RecordError]]) -> None:
        """Ends the command, with rejects and their status where records were left out."""
        if lost:
            write_rejects(lost, self._rejects)
            console.message(f"{len(lost)} records rejected: {self._rejects}")
            raise typer.Exit(REJECTED)
