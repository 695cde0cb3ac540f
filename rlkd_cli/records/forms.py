"""How a file of records is written, by its name: JSON lines, a JSON list, either of them gzipped,
Parquet.

What is no file (standard output, a pipe, a device) gets lines, as they come.
"""

import gzip
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from rlkd_cli.errors import OutputError, UsageError
from rlkd_cli.records.atomic import atomic_bytes
from rlkd_cli.records.schema import Raw
from rlkd_cli.records.sources import rows

Write = Callable[[Raw], Any]
ELSEWHERE = (".csv", ".tsv", ".xlsx", ".zip", ".zst", ".bz2", ".xz", ".arrow", ".feather")


def dumps(record: Raw) -> str:
    """One line of JSONL; text stays readable; a lone surrogate, which UTF-8 has not, is escaped."""
    line = json.dumps(record, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        line = json.dumps(record, ensure_ascii=True)
    return line


def check_form(name: str) -> None:
    """UsageError for a name whose ending promises what is not written here."""
    inner = name.lower().removesuffix(".gz")
    ending = Path(inner).suffix
    if ending in ELSEWHERE or (ending == ".parquet" and inner != name.lower()):
        known = ".jsonl, .jsonl.gz, .json or .parquet"
        raise UsageError(f"{name}: records are written as {known}; choose one of these endings")


def is_lines(name: str) -> bool:
    """Whether a file of this name holds one plain JSON object a line."""
    return not name.lower().endswith((".gz", ".json", ".parquet"))


@contextmanager
def written(path: Path) -> Iterator[Write]:
    """What writes a record into a file that appears whole or not at all, in its name's form."""
    name = path.name.lower()
    with atomic_bytes(path) as file:
        if name.endswith(".gz"):  # no name and no date inside: the same records, the same bytes
            with (
                gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
                _text(name, packed) as write,
            ):
                yield write
        elif name.endswith(".parquet"):
            records: list[Raw] = []
            yield records.append
            _write_parquet(path, records, file)
        else:
            with _text(name, file) as write:
                yield write


@contextmanager
def _text(name: str, file: Any) -> Iterator[Write]:
    """Lines, or a list of a record a line."""
    is_list, is_first = name.removesuffix(".gz").endswith(".json"), True

    def write(record: Raw) -> None:
        nonlocal is_first
        before = ("" if is_first else ",\n") if is_list else ""
        file.write(f"{before}{dumps(record)}{'' if is_list else chr(10)}".encode())
        is_first = False

    if is_list:
        file.write(b"[\n")
    yield write
    if is_list:
        file.write(b"]\n" if is_first else b"\n]\n")


def _write_parquet(path: Path, records: list[Raw], file: Any) -> None:
    import pyarrow
    import pyarrow.parquet

    names = dict.fromkeys(name for record in records for name in record)
    try:
        columns = {name: [record.get(name) for record in records] for name in names}
        pyarrow.parquet.write_table(pyarrow.table(columns), file)
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as error:
        reason = str(error).strip().split("\n")[0]
        lines = path.with_suffix(".jsonl")
        raise OutputError(
            f"{path}: these records have no Parquet form ({reason}); nothing is lost: rename "
            f"{path}.journal to {lines}.journal and run the same command with -o {lines}"
        ) from None


def objects(file: Path) -> Iterator[Raw]:
    """The records of a file of ours. InputError where it is broken."""
    if is_lines(file.name):
        with file.open("rb") as lines:
            yield from map(json.loads, lines)
        return
    for _, row in rows(str(file)):
        if isinstance(row, Exception):
            raise row
        yield row


_OUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
_ERR = ("/dev/stderr", "/dev/fd/2", "/proc/self/fd/2")


def is_stream(name: str) -> bool:
    """Whether it is written to as it comes: standard output, a pipe, a device. UsageError for a
    folder.
    """
    path = Path(name)
    if path.is_dir():
        raise UsageError(f"{name}: a folder; name a file")
    is_open = name.startswith(("/dev/", "/proc/self/"))
    return name in _OUT + _ERR or (path.exists() and (is_open or not path.is_file()))


def stream_of(name: str) -> IO[str] | None:
    """A stream, opened; None for the name of a file. UsageError for a folder."""
    if not is_stream(name):
        return None
    if name in _OUT:
        return standard_output()
    if name in _ERR:
        return sys.stderr
    path = Path(name)  # a file behind /dev/fd must not be emptied
    return path.open("a" if path.is_file() else "w", encoding="utf-8")


def standard_output() -> IO[str]:
    """Standard output in UTF-8, whatever the locale; OutputError where it is closed."""
    if not sys.stdout.writable():
        raise OutputError("standard output is closed; -o FILE names a file")
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure:
        reconfigure(encoding="utf-8")
    return sys.stdout


def put(stream: IO[str], record: Raw) -> None:
    """A record, at once. OutputError where the stream takes no more, or nobody reads it."""
    try:
        stream.write(dumps(record) + "\n")
        stream.flush()
    except OSError as error:
        name = "standard output" if stream is sys.stdout else getattr(stream, "name", "the output")
        is_gone = isinstance(error, BrokenPipeError)
        reason = "closed by its reader" if is_gone else error.strerror
        raise OutputError(f"{name}: {reason}") from None


def close(stream: IO[str] | None) -> None:
    """Closes what was opened here."""
    if stream not in (None, sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.close()  # type: ignore[union-attr]
