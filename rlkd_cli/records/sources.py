"""Where records come from: every way to name an input, as rows with their places.

`IN` is a path (`.jsonl`, `.json` with a list, either of them gzipped, `.parquet`), `-` for standard
input, or `hf://OWNER/DATASET[/CONFIG][@REVISION]:SPLIT`. Only a newline ends a line: other
separators occur in reasoning paths.
"""

import gzip
import io
import json
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from math import isfinite
from pathlib import Path
from typing import Any

import jsonlines

from rlkd_cli.errors import InputError, UsageError
from rlkd_cli.records.schema import Raw
from rlkd_cli.records.values import plain_row

GZIP = b"\x1f\x8b"  # how a gzip stream begins
Row = tuple[str, Raw | InputError]  # (file:line, what stands there)


def rows(source: str) -> Iterator[Row]:
    """The JSON objects of a source with their places; a broken one comes as the InputError that
    says why.
    """
    if source.startswith("hf://"):
        return _plain_rows(source, _hub(source))
    if source == "-":
        return _stdin()
    path = Path(source)
    if path.is_dir():
        raise UsageError(f"{source}: a folder; name a file in it")
    if not path.exists():
        raise UsageError(f"{source}: no such file")
    if path.suffix.lower() == ".parquet":
        return _plain_rows(source, _parquet(path))
    return _file(source, path)


def is_stream(source: str) -> bool:
    """Whether a source can be read once only: standard input, a pipe, a device."""
    return source == "-" or (
        "://" not in source and Path(source).exists() and not Path(source).is_file()
    )


def loads(text: str | bytes) -> Any:
    """JSON as its standard has it: no NaN and no Infinity, and no number beyond all bounds."""
    return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)


def _finite(digits: str) -> float:
    value = float(digits)
    return value if isfinite(value) else _refuse_constant(digits)  # type: ignore[no-any-return]


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# Endings of what is no JSON, and how it becomes it
_OTHERS = {
    ".csv": "a CSV file; `datasets` writes it as JSON lines",
    ".tsv": "a TSV file; `datasets` writes it as JSON lines",
    ".arrow": "an Arrow file; `datasets` writes it as JSON lines",
    ".zst": "packed by Zstandard; unpack it with `zstd -d`, or pack it with gzip",
    ".xz": "packed by xz; unpack it with `xz -d`, or pack it with gzip",
    ".bz2": "packed by bzip2; unpack it with `bzip2 -d`, or pack it with gzip",
    ".zip": "a ZIP archive; unpack it with `unzip`, or pack it with gzip",
}


def _file(source: str, path: Path) -> Iterator[Row]:
    """The rows of a file, packed or not; `.json` is a list, or lines under another name."""
    if reason := _OTHERS.get(path.suffix.lower()):
        raise InputError(source, "", f"is {reason}")
    with path.open("rb") as file:
        lines = unpacked(file)
        is_list = path.name.lower().removesuffix(".gz").endswith(".json")
        try:
            yield from _json(source, lines.read()) if is_list else _json_lines(source, lines)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InputError(source, "", f"a broken gzip file, cut or damaged: {error}") from None


def unpacked(file: Any) -> Any:
    """A binary file to read from; what is gzipped, by its first two bytes, is unpacked as it is
    read.
    """
    buffered = file if hasattr(file, "peek") else io.BufferedReader(file)
    return gzip.open(buffered) if buffered.peek(2)[:2] == GZIP else buffered


def _stdin() -> Iterator[Row]:
    if sys.stdin is None:
        raise UsageError("-: standard input is closed")
    try:
        yield from _json_lines("-", unpacked(sys.stdin.buffer))
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError("-", "", f"broken gzip data: {error}") from None


def _json_lines(name: str, file: Iterable[bytes]) -> Iterator[Row]:
    number, cut = 0, None

    def lines() -> Iterator[bytes]:
        # EOFError ends a jsonlines reader without a word: a gzip file that is cut must not pass for
        # whole
        nonlocal number, cut
        try:
            for number, line in enumerate(file, start=1):
                yield line
        except EOFError as error:
            cut = error

    # jsonlines takes any iterable of lines, though its annotation asks for a file
    reader = jsonlines.Reader(lines(), loads=loads)  # type: ignore[arg-type]
    while True:
        where = ""
        try:
            line = reader.read(type=dict, skip_empty=True)
        except EOFError:
            break
        except jsonlines.InvalidLineError as error:
            where, reason = f"{name}:{number}", str(error).removesuffix(f" (line {number})")
            text = (
                error.line if isinstance(error.line, str) else error.line.decode("utf-8", "replace")
            )
            yield where, InputError(where, "", reason, text)
        except RecursionError:
            yield f"{name}:{number}", InputError(f"{name}:{number}", "", "nested too deeply")
        else:
            yield f"{name}:{number}", line
    if cut:
        raise InputError(f"{name}:{number + 1}", "", f"the file is cut: {cut}")


def _plain_rows(name: str, values: Iterable[Any]) -> Iterator[Row]:
    for number, value in enumerate(values, start=1):
        where = f"{name}:{number}"
        yield where, plain_row(value, where)


def _json(name: str, text: bytes) -> Iterator[Row]:
    """The rows of a JSON list, of a single object, or of lines of objects."""
    try:
        values = loads(text)
    except (ValueError, RecursionError) as error:
        lines = text.split(b"\n")
        if _is_object(next((line for line in lines if line.strip()), b"")):
            yield from _json_lines(name, lines)
            return
        raise InputError(name, "", f"invalid JSON: {error}") from None
    if not isinstance(values, list | dict):
        raise InputError(name, "", "not a JSON list of records")
    yield from _plain_rows(name, values if isinstance(values, list) else [values])


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _parquet(path: Path) -> Iterator[Raw]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        for batch in file.iter_batches(batch_size=256):
            yield from batch.to_pylist()
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(str(path), "", f"not a whole Parquet file: {reason}") from None


def _hub(source: str) -> Iterable[Any]:
    """The rows of `hf://OWNER/DATASET[/CONFIG][@REVISION]:SPLIT`; UsageError where it cannot be
    loaded.
    """
    match = re.fullmatch(r"hf://([^/:@]+/[^/:@]+)(?:/([^:@]+))?(?:@([^:]+))?:(.+)", source)
    if not match:
        raise UsageError(f"{source}: write hf://OWNER/DATASET[/CONFIG][@REVISION]:SPLIT")
    import datasets

    datasets.disable_progress_bars()
    name, config, revision, split = match.groups()
    try:
        found: Iterable[Any] = datasets.load_dataset(name, config, split=split, revision=revision)
        return found
    except Exception as error:  # the library raises a dozen kinds, and a hub adds its own
        reason = str(error).strip().split("\n")[0]
        if "gated" in str(error).lower():
            address = f"https://huggingface.co/datasets/{name}"
            reason += f"; ask for access at {address}, then `hf auth login`"
        raise UsageError(
            f"{source}: cannot be loaded ({type(error).__name__}: {reason}); "
            "a local file does as well"
        ) from error
