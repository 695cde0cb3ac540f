"""Results that are made whole, in one go: `diversity`, `select`, `capability`."""

import json
from collections.abc import Mapping, Sequence
from itertools import starmap
from pathlib import Path
from typing import Any

from rlkd_cli import __version__, console
from rlkd_cli.commands.common import made_from, say_numbered, status_of
from rlkd_cli.errors import RecordError, UsageError
from rlkd_cli.records.atomic import write_json
from rlkd_cli.records.forms import (
    check_form,
    close,
    is_stream,
    objects,
    put,
    standard_output,
    stream_of,
    written,
)
from rlkd_cli.records.manifest import describe, finished, manifest_of
from rlkd_cli.records.read import Input
from rlkd_cli.records.rejects import reject, write_rejects
from rlkd_cli.records.schema import Raw


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
        models: Sequence[str] = (),
        more: Sequence[Input] = (),
    ) -> None:
        """`more` are inputs that are read as well, though the result does not depend on them."""
        for one in (*inputs.values(), *more):
            one.on_numbered = say_numbered
            one.hold()
        name = options.output or "-"
        self._rejects = options.rejects_of(command)
        for file in (name, self._rejects):
            check_form(file)
            if not is_stream(file):
                Path(file).parent.mkdir(parents=True, exist_ok=True)
        self._stream = standard_output() if name == "-" else stream_of(name)
        self._file = None if self._stream else Path(name)
        own = made_from(command, options, models, {}) | dict(settings or {})
        self._settings = json.loads(json.dumps(own))
        self._inputs = {key: read_through(one) for key, one in inputs.items()}
        for one in more:
            one.scan()
        is_new = options.overwrite or not (self._file and self._file.exists())
        self.finished: list[Raw] | None = None if is_new else self._earlier(inputs)

    def _earlier(self, inputs: Mapping[str, Input]) -> list[Raw] | None:
        """What an earlier run made of the same; None where an input has only grown since."""
        assert self._file is not None
        manifest = finished(self._file, self._settings)
        for key, before in manifest["inputs"].items():
            count = before["records"]
            if (
                count > len(inputs[key].digests)
                or inputs[key].fingerprint(count) != before["digest"]
            ):
                raise UsageError(
                    f"{key} {inputs[key].source} changed since {self._file} was created; "
                    "--overwrite starts over"
                )
        return list(objects(self._file)) if manifest["inputs"] == self._inputs else None

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
            facts = {"settings": self._settings, "inputs": self._inputs}
            facts["output"] = describe(self._file)
            write_json(manifest_of(self._file), {"rlkd": __version__, **facts})

    def end(self, lost: list[tuple[Raw, RecordError]]) -> int:
        """Writes the records that were left out, if any; the command's exit status."""
        write_rejects(starmap(reject, lost), self._rejects)
        if lost:
            console.message(f"{len(lost)} records rejected: {self._rejects}")
        return status_of(len(lost))


def read_through(source: Input) -> dict[str, Any]:
    """How many records an input holds, and a digest of them."""
    source.scan()
    return {"records": len(source.digests), "digest": source.fingerprint()}
