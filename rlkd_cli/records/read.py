"""Records in: every way to name an input, checked line by line.

`IN` is a path (`.jsonl`, `.jsonl.gz`, `.json` with a list, `.parquet`), `-` for standard input, or
`hf://OWNER/DATASET[/CONFIG][@REVISION]:SPLIT`. Only a newline ends a line: other separators occur in reasoning paths.
"""

import gzip
import hashlib
import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonlines

from rlkd_cli.errors import InputError, RecordError, UsageError
from rlkd_cli.records import published as datasets
from rlkd_cli.records.schema import Key, Raw, Record, check, key_of

Row = tuple[str, Raw | InputError]  # (file:line, what stands there)


@dataclass(frozen=True)
class Item:
    """One input record at its place; `fault` is set where it is invalid and invalid records are skipped."""

    where: str
    raw: Raw
    fault: InputError | None = None

    @property
    def rejected(self) -> tuple[Raw, RecordError]:
        """A faulty record and what is wrong with it."""
        return self.raw, RecordError("invalid_input", str(self.fault))

    @property
    def digest(self) -> int:
        """64 bits that change when the record changes, so that a resumed run notices another input."""
        text = json.dumps(self.raw, sort_keys=True, ensure_ascii=True)
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


@dataclass
class Input:
    """An input of records of one `model`: iterate it for its items, `count` it to check a file as a whole.

    Raises InputError at the first fault, unless `skip_invalid`, which yields faulty items instead. The
    I-th of N slices (`shard`) is every N-th record from the I-th on, so that it works on streams too. With
    `copies`, each record comes that many times, numbered by `sample`.
    """

    source: str
    model: type[Record]
    mapping: dict[str, str] = field(default_factory=dict)
    skip_invalid: bool = False
    limit: int | None = None
    shard: tuple[int, int] = (1, 1)
    copies: int | None = None

    @property
    def is_stream(self) -> bool:
        return self.source == "-"

    def count(self) -> int | None:
        """Reads a file through and checks it; None for a stream, which is checked as it comes."""
        return None if self.is_stream else sum(1 for _ in self)

    def __iter__(self) -> Iterator[Item]:
        index, slices = self.shard
        chosen = itertools.islice(
            itertools.islice(self._items(), index - 1, None, slices), self.limit
        )
        return (
            chosen
            if self.copies is None
            else itertools.chain.from_iterable(map(self._copy, chosen))
        )

    def _copy(self, item: Item) -> Iterator[Item]:
        for sample in range(self.copies or 1):
            yield Item(item.where, {**item.raw, "sample": sample}, item.fault)

    def _items(self) -> Iterator[Item]:
        seen: set[int] = set()
        for where, row in rows(self.source):
            if isinstance(row, InputError):
                yield self._faulty(Item(where, {"line": row.text}, row))
                continue
            for raw in datasets.expand(row, self.mapping, where):
                item = Item(where, raw)
                try:
                    check(self.model, raw, where)
                    self._note(key_of(raw), where, seen)
                except InputError as fault:
                    item = self._faulty(Item(where, raw, fault))
                yield item

    def _faulty(self, item: Item) -> Item:
        if self.skip_invalid or item.fault is None:
            return item
        raise item.fault

    def _note(self, key: Key, where: str, seen: set[int]) -> None:
        mark = hash((type(key[0]).__name__, *key))
        if mark in seen:
            raise InputError(where, "id", f"(id, sample) = ({key[0]!r}, {key[1]}) occurs twice")
        seen.add(mark)


def rows(source: str) -> Iterator[Row]:
    """The JSON objects of a source with their places; a broken one comes as the InputError that says why."""
    if source.startswith("hf://"):
        return _plain_rows(source, datasets.load_hub(source))
    if source == "-":
        return _json_lines("-", sys.stdin.buffer)
    path = Path(source)
    if not path.is_file():
        raise UsageError(f"{source}: no such file")
    if path.suffix == ".parquet":
        return _plain_rows(source, _parquet(path))
    if path.suffix == ".json":
        return _plain_rows(source, _json_list(path))
    return _file_lines(path)


def _file_lines(path: Path) -> Iterator[Row]:
    with ExitStack() as stack:
        file: Any = stack.enter_context(
            gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")
        )
        try:
            yield from _json_lines(str(path), file)
        except (gzip.BadGzipFile, EOFError) as error:
            raise InputError(str(path), "", f"broken gzip file: {error}") from None


def _json_lines(name: str, file: Iterable[bytes]) -> Iterator[Row]:
    number = 0

    def lines() -> Iterator[bytes]:
        nonlocal number
        for number, line in enumerate(file, start=1):
            yield line

    # jsonlines takes any iterable of lines, though its annotation asks for a file
    reader = jsonlines.Reader(lines(), loads=json.loads)  # type: ignore[arg-type]
    while True:
        try:
            line = reader.read(type=dict, skip_empty=True)
        except EOFError:
            return
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


def _plain_rows(name: str, values: Iterable[Any]) -> Iterator[Row]:
    for number, value in enumerate(values, start=1):
        where = f"{name}:{number}"
        yield (
            where,
            value if isinstance(value, dict) else InputError(where, "", "not a JSON object"),
        )


def _json_list(path: Path) -> list[Any]:
    try:
        values = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(str(path), "", f"invalid JSON: {error}") from None
    if not isinstance(values, list):
        raise InputError(str(path), "", "not a JSON list")
    return values


def _parquet(path: Path) -> Iterator[Raw]:
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (OSError, ValueError) as error:
        raise InputError(str(path), "", f"not a Parquet file: {error}") from None
    for batch in file.iter_batches(batch_size=256):
        yield from batch.to_pylist()


def dumps(record: Raw) -> str:
    """One line of JSONL; text stays readable, and a lone surrogate (which UTF-8 cannot hold) is escaped."""
    line = json.dumps(record, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        line = json.dumps(record, ensure_ascii=True)
    return line


def reject(raw: Raw, error: RecordError) -> Raw:
    """The input record plus why it could not be done."""
    return {**raw, "error": error.code, "detail": error.detail}
