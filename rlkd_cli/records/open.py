"""Where a command's records go, by what the user names."""

from pathlib import Path

from rlkd_cli.errors import UsageError
from rlkd_cli.records.forms import check_form, standard_output, stream_of
from rlkd_cli.records.manifest import Settings
from rlkd_cli.records.output import FileOutput
from rlkd_cli.records.read import Input
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
) -> Output:
    """Where a command's records go: a journalled file, or a stream where `-o` names none or a
    device.

    With `discard` the records are seen by `on_record` alone. UsageError and OutputError: see
    FileOutput.
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
    return FileOutput(Path(name), rejects, settings, source, on_record, out.overwrite, grows, again)
