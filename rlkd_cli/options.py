"""Options that several commands share, each named and explained once."""

from pathlib import Path
from typing import Annotated

import typer

from rlkd_cli.errors import UsageError

IO, MODEL, HTTP, RUN, TRAIN = "Input and output", "Model", "Server", "Run", "Training"


def option(*names: str, help: str, panel: str = RUN, **kwargs: object) -> object:
    """A Typer option in a help panel."""
    return typer.Option(*names, help=help, rich_help_panel=panel, **kwargs)  # type: ignore[arg-type]


def argument(metavar: str, help: str) -> object:
    """A positional argument."""
    return typer.Argument(metavar=metavar, help=help)


In = Annotated[
    str,
    typer.Argument(
        metavar="IN", help="A .jsonl, .jsonl.gz, .json or .parquet file, `-`, or hf://OWNER/DATASET\\[/CONFIG]:SPLIT."
    ),
]
Output = Annotated[
    str | None, option("--output", "-o", metavar="FILE", help="Where to write; standard output if left out.", panel=IO)
]
Rejects = Annotated[
    str | None,
    option("--rejects", metavar="FILE", help="Where records that could not be done go (default: beside the output).", panel=IO),
]
Overwrite = Annotated[bool, option("--overwrite", help="Start afresh, whatever an earlier run left.", panel=IO)]
Map = Annotated[
    list[str] | None,
    option("--map", metavar="FIELD=COLUMN", help="Read a field from a column of another name; repeat for several.", panel=IO),
]
SkipInvalid = Annotated[bool, option("--skip-invalid", help="Reject invalid input records instead of stopping.", panel=IO)]
Limit = Annotated[int | None, option("--limit", min=0, help="Only the first N records.", panel=IO)]
Shard = Annotated[
    str | None, option("--shard", metavar="I/N", help="Only the I-th of N slices (every N-th record), for job arrays.", panel=IO)
]
Quiet = Annotated[bool, option("--quiet", "-q", help="No progress and no summary.")]
DryRun = Annotated[bool, option("--dry-run", help="Check the input and say what would be done.")]
Seed = Annotated[int, option("--seed", help="Seed of all random numbers.")]
Record = Annotated[
    Path | None, option("--record", metavar="FILE", help="Append the models' replies to a file for `replay/FILE`.", panel=MODEL)
]
Concurrency = Annotated[int, option("--concurrency", min=1, help="Records in flight, or an in-process batch's size.", panel=HTTP)]
MaxRetries = Annotated[int, option("--max-retries", min=0, help="Retries of a failed request, with back-off.", panel=HTTP)]
Timeout = Annotated[float, option("--timeout", min=0.1, help="Seconds to wait for one reply.", panel=HTTP)]
Rpm = Annotated[int | None, option("--rpm", min=1, help="At most this many requests a minute.", panel=HTTP)]
Tpm = Annotated[int | None, option("--tpm", min=1, help="At most this many tokens a minute (estimated).", panel=HTTP)]
GsrmTokens = Annotated[int, option("--gsrm-max-tokens", min=1, help="Tokens of a GSRM's reply.", panel=MODEL)]
Template = Annotated[
    str | None,
    option(
        "--prompt-template",
        metavar="TEXT",
        help="What the model is asked, with {problem} in it (default: the problem, then DeepSeek's request for a boxed answer).",
        panel=MODEL,
    ),
]
System = Annotated[str | None, option("--system", help="A system prompt.", panel=MODEL)]
Judge = Annotated[
    str,
    option(
        "--judge", help="Match judge: a model, `exact` (text), or `math` (answers as mathematics; the rest as text).", panel=MODEL
    ),
]
Normalize = Annotated[
    str,
    option("--normalize", help="Divide the reward by: none (the paper), teacher (its steps), shorter (the shorter's steps)."),
]
VerdictCacheFile = Annotated[
    Path | None, option("--verdict-cache", metavar="FILE", help="Keep verdicts on disk (SQLite), for later runs.", panel=MODEL)
]

# Defaults that the paper names (3.1, 4.1)
JUDGE = "Qwen/Qwen2.5-7B-Instruct"
CONCURRENCY, MAX_RETRIES, TIMEOUT, GSRM_TOKENS = 64, 5, 600.0, 4096


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
