"""Where a command's records go, by what the user names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlkd_cli.errors import UsageError
from rlkd_cli.records.forms import check_form, is_stream, standard_output, stream_of
from rlkd_cli.records.manifest import Settings
from rlkd_cli.records.output import FileOutput
from rlkd_cli.records.part import PartOutput
from rlkd_cli.records.read import Input, parse_shard
from rlkd_cli.records.shards import Shard
from rlkd_cli.records.stream import StreamOutput
from rlkd_cli.records.write import Continued, OnRecord, Output


def open_output(
    command: str,
    out: Continued,
    settings: Settings,
    source: Input,
    on_record: OnRecord = lambda record: None,
    grows: str | None = None,
    discard: bool = False,
    by_parts: bool = False,
    about: Mapping[str, Any] | None = None,
) -> Output:
    """Where a command's records go: a journalled file, or a stream where `-o` names none or a
    device.

    With `discard` the records are seen by `on_record` alone; a slice of the input goes to a journal
    of its own, whose first line says more `about` it. UsageError and OutputError: see FileOutput.
    """
    rejects, again = out.rejects_of(command), out.again
    name = "-" if out.output is None else str(out.output)
    if discard:
        return StreamOutput(None, rejects, on_record)
    check_form(name)
    stream = standard_output() if name == "-" else stream_of(name)
    if stream is not None:
        if again:
            raise UsageError("--retry-rejects continues a file: name it with -o")
        return StreamOutput(stream, rejects, on_record)
    path = Path(name)
    if is_part(out):
        return PartOutput(path, settings, source, grows, again, about)
    how = (out.overwrite, grows, again, by_parts)
    return FileOutput(path, rejects, settings, source, on_record, *how)


def is_part(out: Any) -> bool:
    """Whether the options ask for one slice's part of a file."""
    name = "-" if out.output is None else str(out.output)
    return getattr(out, "shard", None) is not None and not is_stream(name)


def kept_at(out: Any) -> str | None:
    """What files that are kept beside the output begin with: of a slice, it is its part."""
    if not is_part(out):
        return out.output  # type: ignore[no-any-return]
    return str(Shard(Path(out.output), *parse_shard(out.shard)).beside(""))
