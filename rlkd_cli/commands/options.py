"""Options that several commands share, each named and explained once, in groups that a command takes as one parameter.

@grouped
def segment(source: In, *, rows: Rows, out: Out, models: Models, run: Run) -> None: ...
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from rlkd_cli import console
from rlkd_cli.errors import UsageError
from rlkd_cli.models import BatchOptions, HttpOptions, TextModel, open_model
from rlkd_cli.models.providers import PRICES_OF, hosted
from rlkd_cli.models.usage import price_of
from rlkd_cli.pipeline.ledger import Ledger
from rlkd_cli.records.read import Input
from rlkd_cli.records.schema import Record

IO, MODEL, HTTP, RUN, TRAIN = "Input and output", "Model", "Server", "Run", "Training"


def option(*names: str, help: str, panel: str = RUN, **kwargs: object) -> object:
    """A Typer option in a help panel."""
    return typer.Option(*names, help=help, rich_help_panel=panel, **kwargs)  # type: ignore[arg-type]


def argument(metavar: str, help: str) -> object:
    """A positional argument."""
    return typer.Argument(metavar=metavar, help=help)


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command with each parameter whose type is a dataclass replaced by that dataclass's fields, as options."""
    given = inspect.signature(command).parameters.values()
    groups: dict[str, Any] = {
        p.name: p.annotation for p in given if dataclasses.is_dataclass(p.annotation)
    }
    parameters: list[inspect.Parameter] = []
    for parameter in given:
        if parameter.name not in groups:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        hints = get_type_hints(parameter.annotation, include_extras=True)
        for field in dataclasses.fields(parameter.annotation):
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(
                inspect.Parameter(
                    field.name, kind, default=field.default, annotation=hints[field.name]
                )
            )

    @functools.wraps(command)
    def call(**values: object) -> None:
        for name, group in groups.items():
            values[name] = group(
                **{field.name: values.pop(field.name) for field in dataclasses.fields(group)}
            )
        command(**values)

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return call


In = Annotated[
    str,
    argument(
        "IN",
        "A .jsonl, .jsonl.gz, .json or .parquet file, `-`, or hf://OWNER/DATASET\\[/CONFIG]\\[@REVISION]:SPLIT.",
    ),
]


@dataclass(frozen=True)
class Rows:
    """Which records of an input are read, and how."""

    map: Annotated[
        list[str] | None,
        option(
            "--map",
            metavar="FIELD=COLUMN",
            help="Read a field from a column of another name; repeat for several.",
            panel=IO,
        ),
    ] = None
    skip_invalid: Annotated[
        bool,
        option(
            "--skip-invalid", help="Reject invalid input records instead of stopping.", panel=IO
        ),
    ] = False
    limit: Annotated[
        int | None, option("--limit", min=0, help="Only the first N records.", panel=IO)
    ] = None
    shard: Annotated[
        str | None,
        option(
            "--shard",
            metavar="I/N",
            help="Only the I-th of N slices (every N-th record), for job arrays.",
            panel=IO,
        ),
    ] = None

    def input(self, source: str, model: type[Record], copies: int | None = None) -> Input:
        """The records of `source`; UsageError where an option cannot be read."""
        slices = parse_shard(self.shard)
        return Input(
            source, model, parse_map(self.map), self.skip_invalid, self.limit, slices, copies
        )

    def whole(self, source: str, model: type[Record]) -> Input:
        """All records of a second input: `--limit` and `--shard` are the first one's."""
        return Input(source, model, parse_map(self.map), self.skip_invalid)


@dataclass(frozen=True)
class Out:
    """Where records go."""

    output: Annotated[
        str | None,
        option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to write; standard output if left out.",
            panel=IO,
        ),
    ] = None
    rejects: Annotated[
        str | None,
        option(
            "--rejects",
            metavar="FILE",
            help="Where records that could not be done go (default: beside the output).",
            panel=IO,
        ),
    ] = None
    overwrite: Annotated[
        bool, option("--overwrite", help="Start afresh, whatever an earlier run left.", panel=IO)
    ] = False

    def rejects_of(self, command: str) -> str:
        """The file that rejects go to."""
        return (
            self.rejects
            or f"{command if self.output in (None, '-') else self.output}.rejects.jsonl"
        )


@dataclass(frozen=True)
class Run:
    """How a command behaves towards whoever runs it."""

    dry_run: Annotated[
        bool,
        option(
            "--dry-run",
            help="Check the input and say what would be done: records, calls, tokens, cost.",
        ),
    ] = False
    quiet: Annotated[bool, option("--quiet", "-q", help="No progress and no closing remarks.")] = (
        False
    )


@dataclass(frozen=True)
class Models:
    """How models are asked, whichever they are."""

    record: Annotated[
        Path | None,
        option(
            "--record",
            metavar="FILE",
            help="Append the models' replies to a file for `replay/FILE`.",
            panel=MODEL,
        ),
    ] = None
    concurrency: Annotated[
        int,
        option(
            "--concurrency",
            min=1,
            help="Records in flight, or an in-process batch's size.",
            panel=HTTP,
        ),
    ] = 64
    max_retries: Annotated[
        int,
        option(
            "--max-retries", min=0, help="Retries of a failed request, with back-off.", panel=HTTP
        ),
    ] = 5
    timeout: Annotated[
        float, option("--timeout", min=0.1, help="Seconds to wait for one reply.", panel=HTTP)
    ] = 600.0
    rpm: Annotated[
        int | None, option("--rpm", min=1, help="At most this many requests a minute.", panel=HTTP)
    ] = None
    tpm: Annotated[
        int | None,
        option("--tpm", min=1, help="At most this many tokens a minute (estimated).", panel=HTTP),
    ] = None

    def open(self, spec: str, batch: BatchOptions | None = None) -> TextModel:
        """The model that `spec` names; says so where that is another one by now."""
        if hosted(spec).successor:
            successor = hosted(spec).successor
            console.message(
                f"{spec} was retired by its provider: asking {successor} instead", "yellow"
            )
        return open_model(spec, self.http, self.record, batch)

    def in_flight(self, model: TextModel | None) -> int:
        """How many records are worked on at a time: what the engine wants, else `--concurrency`."""
        return int(getattr(model, "in_flight", self.concurrency))

    @property
    def http(self) -> HttpOptions:
        return HttpOptions(self.concurrency, self.max_retries, self.timeout, self.rpm, self.tpm)


@dataclass(frozen=True)
class Budget:
    """What a run may cost."""

    price_in: Annotated[
        float | None,
        option(
            "--price-in",
            min=0,
            help=f"Dollars a million tokens read (default: known prices of {PRICES_OF}).",
            panel=HTTP,
        ),
    ] = None
    price_out: Annotated[
        float | None,
        option("--price-out", min=0, help="Dollars a million tokens written.", panel=HTTP),
    ] = None
    max_cost: Annotated[
        float | None,
        option(
            "--max-cost",
            min=0,
            help="Stop, in good order, before a run costs more dollars.",
            panel=HTTP,
        ),
    ] = None

    @property
    def prices(self) -> tuple[float, float] | None:
        """Dollars per million tokens (in, out); UsageError where only one is given."""
        if (self.price_in is None) != (self.price_out is None):
            raise UsageError("--price-in and --price-out go together")
        return (
            None
            if self.price_in is None or self.price_out is None
            else (self.price_in, self.price_out)
        )

    def ledger(self, models: list[str]) -> Ledger:
        """An empty ledger of a run that asks `models`; UsageError for a limit where a price is not known."""
        unknown = [model for model in models if price_of(model, self.prices) is None]
        if self.max_cost is not None and unknown:
            raise UsageError(
                f"--max-cost: the price of {unknown[0]} is not known; give --price-in and --price-out"
            )
        return Ledger(self.prices, self.max_cost)


@dataclass(frozen=True)
class Batch:
    """The Batch API of OpenAI and of servers that have it."""

    batch: Annotated[
        bool,
        option(
            "--batch",
            help="Ask through the Batch API: half the price, within a day. Needs -o.",
            panel=HTTP,
        ),
    ] = False
    batch_poll: Annotated[
        float, option("--batch-poll", min=0.1, help="Seconds between looks at a batch.", panel=HTTP)
    ] = 30.0

    def options(self, output: str | None) -> BatchOptions | None:
        """Where batches are kept; UsageError where there is no output file to keep them beside."""
        if not self.batch:
            return None
        if output in (None, "-"):
            raise UsageError(
                "--batch needs -o FILE: what was submitted is kept beside it, for a later run to collect"
            )
        return BatchOptions(
            Path(f"{output}.batches.jsonl"), self.batch_poll, min(1.0, self.batch_poll)
        )


@dataclass(frozen=True)
class Ask:
    """How a problem becomes a prompt."""

    prompt_template: Annotated[
        str | None,
        option(
            "--prompt-template",
            metavar="TEXT",
            help="What the model is asked, with {problem} in it (default: the problem, then DeepSeek's request for a boxed answer).",
            panel=MODEL,
        ),
    ] = None
    system: Annotated[str | None, option("--system", help="A system prompt.", panel=MODEL)] = None


Seed = Annotated[int, option("--seed", help="Seed of all random numbers.")]
Plot = Annotated[
    Path | None,
    option("--plot", metavar="FILE", help="Draw a figure (.png, .svg, .pdf).", panel=IO),
]


def parse_map(pairs: list[str] | None) -> dict[str, str]:
    """`["problem=question"]` as a dictionary; UsageError for anything else."""
    mapping = {}
    for pair in pairs or []:
        field, equals, column = pair.partition("=")
        if not (field and equals and column):
            raise UsageError(f"--map {pair}: write FIELD=COLUMN")
        mapping[field] = column
    return mapping


def parse_shard(text: str | None) -> tuple[int, int]:
    """`2/8` as (2, 8); UsageError for anything else."""
    if text is None:
        return 1, 1
    first, _, second = text.partition("/")
    if not (first.isdigit() and second.isdigit() and 1 <= int(first) <= int(second)):
        raise UsageError(f"--shard {text}: write I/N with 1 <= I <= N")
    return int(first), int(second)


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """The value, checked; UsageError that lists what is allowed."""
    if value not in allowed:
        raise UsageError(f"{name} {value}: one of {', '.join(allowed)}")
    return value
