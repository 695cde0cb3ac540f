"""Where records come from: every way to name an input, as rows with their places.

`IN` is a path (`.jsonl`, `.jsonl.gz`, `.json` with a list, `.parquet`), `-` for standard input, or
`hf://OWNER/DATASET[/CONFIG][@REVISION]:SPLIT`. Only a newline ends a line: other separators occur in
reasoning paths.
"""

import gzip
import json
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jsonlines

from rlkd_cli.errors import InputError, UsageError
from rlkd_cli.records.schema import Raw

Row = tuple[str, Raw | InputError]  # (file:line, what stands there)


def rows(source: str) -> Iterator[Row]:
    """The JSON objects of a source with their places; a broken one comes as the InputError that says why."""
    if source.startswith("hf://"):
        return _plain_rows(source, _hub(source))
    if source == "-":
        return _json_lines("-", sys.stdin.buffer)
    path = Path(source)
    if path.is_dir():
        raise UsageError(f"{source}: a folder; name a file in it")
    if not path.exists():
        raise UsageError(f"{source}: no such file")
    if path.suffix.lower() == ".parquet":
        return _plain_rows(source, _parquet(path))
    if path.suffix.lower() == ".json":
        return _plain_rows(source, _json_list(path))
    return _file_lines(path)


def is_stream(source: str) -> bool:
    """Whether a source can be read once only: standard input, a pipe, a device."""
    return source == "-" or (
        "://" not in source and Path(source).exists() and not Path(source).is_file()
    )


def loads(text: str | bytes) -> Any:
    """JSON as its standard has it: no NaN and no Infinity."""
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _file_lines(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        lines: Any = gzip.open(file) if path.suffix.lower() == ".gz" else file
        try:
            yield from _json_lines(str(path), lines)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InputError(str(path), "", f"broken gzip file: {error}") from None


def _json_lines(name: str, file: Iterable[bytes]) -> Iterator[Row]:
    number, cut = 0, None

    def lines() -> Iterator[bytes]:
        # EOFError ends a jsonlines reader without a word: a gzip file that is cut must not pass for whole
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
        yield (
            where,
            value if isinstance(value, dict) else InputError(where, "", "not a JSON object"),
        )


def _json_list(path: Path) -> list[Any]:
    try:
        values = loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(str(path), "", f"invalid JSON: {error}") from None
    if not isinstance(values, list):
        raise InputError(str(path), "", "not a JSON list")
    return values


def _parquet(path: Path) -> Iterator[Raw]:
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        for batch in file.iter_batches(batch_size=256):
            yield from batch.to_pylist()
    except (OSError, ValueError) as error:
        raise InputError(str(path), "", f"not a Parquet file: {error}") from None


def _hub(source: str) -> Iterable[Any]:
    """The rows of `hf://OWNER/DATASET[/CONFIG][@REVISION]:SPLIT`; UsageError where it cannot be loaded."""
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
            f"{source}: cannot be loaded ({type(error).__name__}: {reason}); a local file does as well"
        ) from error
