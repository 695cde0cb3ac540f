"""Records out: in the input's order, nothing lost, nothing doubled, to a journalled file or a
stream.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from rlkd_cli.errors import RecordError, UsageError
from rlkd_cli.option import IO, option
from rlkd_cli.records.forms import dumps as dumps
from rlkd_cli.records.forms import objects as objects
from rlkd_cli.records.read import Item
from rlkd_cli.records.schema import Raw

OnRecord = Callable[[Raw], None]
Result = Raw | RecordError
# What a record cost, by model; what the numbers mean is the models' affair
Usage = Mapping[str, list[int]]


@dataclass(frozen=True, kw_only=True)
class Out:
    """Where records go."""

    output: Annotated[
        str | None,
        option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to write: .jsonl, .jsonl.gz, .json, .parquet (default: standard output).",
            panel=IO,
            free=True,
            file="out",
        ),
    ] = None
    rejects: Annotated[
        str | None,
        option(
            "--rejects",
            metavar="FILE",
            help="Where records that could not be done go (default: beside the output).",
            panel=IO,
            free=True,
            file="out",
        ),
    ] = None
    overwrite: Annotated[
        bool,
        option(
            "--overwrite",
            help="Discard what an earlier run left and start over.",
            panel=IO,
            free=True,
        ),
    ] = False

    def rejects_of(self, command: str) -> str:
        """What rejects go to: a file, or a stream."""
        if self.rejects:
            return self.rejects
        is_stream = self.output in (None, "-") or str(self.output).startswith("/dev/")
        return f"{command if is_stream else self.output}.rejects.jsonl"


@dataclass(frozen=True, kw_only=True)
class Continued(Out):
    """Where records go whose making costs something, so that what failed may be asked again."""

    retry_rejects: Annotated[
        str | None,
        option(
            "--retry-rejects",
            metavar="all|CODE,…",
            help="Ask again for records that an earlier run of the same command rejected: all, or "
            "those with these error codes (http_500,timeout).",
            panel=IO,
            free=True,
        ),
    ] = None

    @property
    def again(self) -> tuple[str, ...]:
        """The error codes whose records are asked again; UsageError where no file holds them."""
        if self.retry_rejects is None:
            return ()
        if self.output in (None, "-"):
            raise UsageError("--retry-rejects continues a file: name it with -o")
        codes = tuple(code.strip() for code in self.retry_rejects.split(",") if code.strip())
        if not codes:
            raise UsageError("--retry-rejects: write all, or error codes with commas between them")
        return codes


class Output(Protocol):
    """Where a run's results go.

    `add` takes them in any order; `index` counts the input's items from 0.
    """

    complete: bool  # an earlier run of the same command has finished it

    @property
    def is_done(self) -> bool:
        """Whether every record is done, so that it only has to be finished."""
        ...

    @property
    def usage(self) -> dict[str, list[int]]:
        """What earlier runs of an unfinished one spent, by model."""
        ...

    @property
    def seconds(self) -> float:
        """How long they ran."""
        ...

    @property
    def rejected(self) -> int: ...

    @property
    def codes(self) -> "Counter[str]":
        """What earlier runs rejected, by error."""
        ...

    def has(self, index: int, item: Item) -> bool:
        """Whether an earlier run finished the item; InputError if it is another record."""
        ...

    def add(self, index: int, item: Item, result: Result, usage: Usage) -> None:
        """A record is done: what came of it, and what it cost."""
        ...

    def is_full(self, index: int) -> bool:
        """Whether so many results wait in memory for an earlier one that a runner should pause."""
        ...

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Everything is in: the output is complete after this; `facts` go into its manifest."""
        ...

    def bind(self, contents: Mapping[str, Any]) -> None:
        """What became known of the models when they were opened, for the manifest."""
        ...

    def show(self) -> int:
        """Shows the records of a complete output to whoever looks on; how many there are."""
        ...

    def close(self) -> None: ...
