"""Records in, checked one by one: bad input stops a command with file, line and field, or is
skipped.
"""

import hashlib
import itertools
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated

from rlkd_cli.errors import InputError, RecordError, UsageError
from rlkd_cli.option import IO, argument, option
from rlkd_cli.records import published
from rlkd_cli.records.digests import combined, digest
from rlkd_cli.records.schema import Key, Raw, Record, check, key_of, settled
from rlkd_cli.records.sources import Row, is_stream, rows

In = Annotated[
    str,
    argument(
        "IN",
        "A .jsonl, .jsonl.gz, .json or .parquet file, `-`, or "
        "hf://OWNER/DATASET\\[/CONFIG]\\[@REVISION]:SPLIT.",
        file="in",
        free=True,
    ),
]


@dataclass(frozen=True)
class Item:
    """One input record at its place; `fault` is set where it is invalid and invalid records are
    skipped.

    `digest` (64 bits) changes when the record changes.
    """

    where: str
    raw: Raw
    fault: InputError | None = None
    digest: int = 0

    @property
    def rejected(self) -> tuple[Raw, RecordError]:
        """A faulty record and what is wrong with it."""
        return self.raw, RecordError("invalid_input", str(self.fault))


@dataclass
class Input:
    """An input of records of one `model`: iterate it for its items, `scan` it to check a file as a
    whole.

    Raises InputError at the first fault, unless `skip_invalid`, which yields faulty items instead.
    `limit` counts records of the whole input. With `copies`, each record comes that many times,
    numbered by `sample`. The I-th of N slices (`shard`) of all these items is every N-th from the
    I-th on, so that it works on streams too; the rest is read and checked all the same.
    `on_numbered` is called once, where rows have no id and get their numbers.
    """

    source: str
    model: type[Record]
    mapping: dict[str, str] = field(default_factory=dict)
    skip_invalid: bool = False
    limit: int | None = None
    shard: tuple[int, int] = (1, 1)
    copies: int | None = None
    on_numbered: Callable[[str], None] = lambda source: None
    digests: "array[int]" = field(default_factory=lambda: array("Q"), init=False)
    _held: list[Row] | None = field(default=None, init=False)
    _is_numbered: bool | None = field(default=None, init=False)  # by rows; known from the first
    _said: bool = field(default=False, init=False)

    @property
    def is_stream(self) -> bool:
        return self._held is None and is_stream(self.source)

    @property
    def _of_problem(self) -> bool:
        """Whether a model is to be asked: a row is then its problem, without paths of it."""
        return self.copies is not None

    def scan(self) -> int | None:
        """Reads a file through and checks it; how many items it has.

        None for a stream, checked as it comes.
        """
        return None if self.is_stream else sum(1 for _ in self)

    def hold(self) -> None:
        """Reads a stream to its end and keeps it, so that it can be read again like a file."""
        if self.is_stream:
            self._held = list(rows(self.source))
            self.scan()

    def fingerprint(self, first: int | None = None) -> str:
        """A digest of the records read by the last pass (of the first so many), before they are
        copied.
        """
        return combined(self.digests[:first])

    def __iter__(self) -> Iterator[Item]:
        index, slices = self.shard
        chosen = itertools.islice(self._items(), self.limit)
        every = itertools.chain.from_iterable(map(self._copy, chosen))
        return itertools.islice(every, index - 1, None, slices)

    def place(self, number: int) -> int:
        """Where the slice's item of this number (from 0) stands among all items."""
        index, slices = self.shard
        return index - 1 + number * slices

    def is_mine(self, place: int) -> bool:
        """Whether the item at this place among all is one of the slice."""
        return place % self.shard[1] == self.shard[0] - 1

    @property
    def items(self) -> int:
        """How many items the last pass has read, those of all slices."""
        return len(self.digests) * (self.copies or 1)

    def unsliced(self) -> "Input":
        """The same input with the items of all slices."""
        whole = replace(self, shard=(1, 1))
        whole._held = self._held
        return whole

    def _copy(self, item: Item) -> Iterator[Item]:
        item = replace(item, digest=digest(item.raw))
        self.digests.append(item.digest)
        if self.copies is None:
            yield item
            return
        for sample in range(self.copies):
            yield replace(item, raw={**item.raw, "sample": sample})

    def _items(self) -> Iterator[Item]:
        self.digests = array("Q")
        self._is_numbered = None if self.model.numbered else False
        seen: set[int] = set()
        for number, (where, row) in enumerate(self._rows(), start=1):
            if isinstance(row, InputError):
                yield self._faulty(Item(where, _unread(row), row))
                continue
            try:
                found = list(published.expand(row, self.mapping, where, self._of_problem))
                for raw in found:
                    item = self._checked(self._named(raw, number), where, seen)
                    yield _as_it_came(item, row) if item.fault and len(found) == 1 else item
            except InputError as fault:
                yield self._faulty(Item(where, settled(row), fault))

    def _rows(self) -> Iterable[Row]:
        return rows(self.source) if self._held is None else self._held

    def _named(self, raw: Raw, number: int) -> Raw:
        """The record, with its row's number for an id where the input has none."""
        raw = settled(raw, self._of_problem)
        if self._is_numbered is None:
            self._is_numbered = "id" not in raw
            if self._is_numbered and not self._said:
                self._said = True
                self.on_numbered(self.source)
        return {"id": number, **raw} if self._is_numbered and "id" not in raw else raw

    def _checked(self, raw: Raw, where: str, seen: set[int]) -> Item:
        try:
            check(self.model, raw, where)
            _note(key_of(raw), where, seen)
        except InputError as fault:
            return self._faulty(Item(where, raw, fault))
        return Item(where, raw)

    def _faulty(self, item: Item) -> Item:
        if self.skip_invalid or item.fault is None:
            return item
        raise item.fault


def _as_it_came(item: Item, row: Raw) -> Item:
    """An invalid record as its data set publishes it, so that nothing of it is lost."""
    named = {"id": item.raw["id"]} if "id" in item.raw else {}
    return replace(item, raw={**named, **settled(row)})


def _unread(row: InputError) -> Raw:
    """What stands among the rejects for a row that is no record."""
    if isinstance(row.value, dict):
        return row.value
    return {"line": row.text} if row.value is None and row.text else {"value": row.value}


def _note(key: Key, where: str, seen: set[int]) -> None:
    """InputError where a key was seen before; a key is kept as 64 bits, which millions share
    seldom.
    """
    mark = int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=8).digest(), "big")
    if mark in seen:
        reason = f"(id, sample) = ({key[0]!r}, {key[1]}) occurs twice"
        raise InputError(where, "id", f"{reason}; --id-column names a column that tells them apart")
    seen.add(mark)


@dataclass(frozen=True, kw_only=True)
class Columns:
    """How the records of an input are read."""

    map: Annotated[
        list[str] | None,
        option(
            "--map",
            metavar="FIELD=COLUMN",
            help="Read a field from a column of another name; repeat for several.",
            panel=IO,
        ),
    ] = None
    id_column: Annotated[
        str | None,
        option(
            "--id-column",
            metavar="COLUMN",
            help="Read the id from this column (default: id, uuid and the like, else the row's "
            "number).",
            panel=IO,
        ),
    ] = None
    skip_invalid: Annotated[
        bool,
        option("--skip-invalid", help="Reject invalid records, do not stop.", panel=IO, free=True),
    ] = False

    def whole(self, source: str, model: type[Record]) -> Input:
        """All records of an input."""
        column = {"id": self.id_column} if self.id_column else {}
        return Input(source, model, parse_map(self.map) | column, self.skip_invalid)


@dataclass(frozen=True, kw_only=True)
class Rows(Columns):
    """Which records of an input are read, and how.

    How many does not matter to an output: inputs may grow.
    """

    limit: Annotated[
        int | None,
        option(
            "--limit",
            min=0,
            help="Only the first N records (of the whole, with --shard).",
            panel=IO,
            free=True,
        ),
    ] = None
    shard: Annotated[
        str | None,
        option(
            "--shard",
            metavar="I/N",
            help="Only the I-th of N slices (every N-th record or sample), for job arrays: with -o "
            "OUT, `rlkd merge OUT` puts the parts together.",
            panel=IO,
        ),
    ] = None

    def read(self, source: str, model: type[Record], copies: int | None = None) -> Input:
        """The records of `source`; UsageError where an option cannot be read.

        `--limit` and `--shard` are the first input's: of others, take the `whole`.
        """
        first = self.whole(source, model)
        first.limit, first.shard, first.copies = self.limit, parse_shard(self.shard), copies
        return first


def parse_map(pairs: list[str] | None) -> dict[str, str]:
    """`["problem=question"]` as a dictionary; UsageError for anything else."""
    mapping = {}
    for pair in pairs or []:
        name, equals, column = pair.partition("=")
        if not (name and equals and column):
            raise UsageError(f"--map {pair}: write FIELD=COLUMN")
        mapping[name] = column
    return mapping


def parse_shard(text: str | None) -> tuple[int, int]:
    """`2/8` as (2, 8); UsageError for anything else."""
    if text is None:
        return 1, 1
    first, _, second = text.partition("/")
    are_numbers = all(part.isascii() and part.isdigit() for part in (first, second))
    if not (are_numbers and 1 <= int(first) <= int(second) <= sys.maxsize):
        raise UsageError(f"--shard {text}: write I/N with 1 <= I <= N")
    return int(first), int(second)
