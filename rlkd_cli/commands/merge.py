"""`rlkd merge`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from rlkd_cli import console
from rlkd_cli.commands.common import status_of
from rlkd_cli.errors import UsageError
from rlkd_cli.option import IO, argument, option
from rlkd_cli.pipeline.ledger import Ledger
from rlkd_cli.records import merge
from rlkd_cli.records.done import Done
from rlkd_cli.records.whole import discard


@dataclass(frozen=True, kw_only=True)
class Options:
    whole: Annotated[
        Path, argument("OUT", "The file that was named with -o; its parts are in OUT.shards/.")
    ]
    rejects: Annotated[
        str | None,
        option(
            "--rejects",
            metavar="FILE",
            help="Where records that could not be done go (default: where the shards' --rejects "
            "says, else beside the output).",
            panel=IO,
            file="out",
        ),
    ] = None
    discard: Annotated[
        bool,
        option(
            "--discard",
            help="Start over: remove the parts, and OUT with its rejects and its manifest.",
            panel=IO,
        ),
    ] = False
    quiet: Annotated[bool, option("--quiet", "-q", help="No account of the run.", free=True)] = (
        False
    )


def run(options: Options) -> int | None:
    """Puts together what the shards of a job array have made, in the order of their input.

    OUT, its rejects and its manifest are those of one process. A shard that is missing is named.
    """
    if not options.whole.name:
        raise UsageError(f"rlkd merge {options.whole}: name a file")
    if options.discard:
        discard(options.whole)
        return None
    return put_together(options.whole, options.rejects, options.quiet)


def put_together(
    whole: Path,
    rejects: str | None,
    quiet: bool,
    patience: float = 0.0,
    again: Sequence[str] = (),
) -> int:
    """Makes the file from its parts; the exit status. `again`: see records.merge."""
    merged = merge.merge(whole, rejects, facts, patience, again)
    if merged is None:
        if not quiet:
            console.message(f"{whole}: finished by an earlier run")
        return status_of(merge.rejected_before(whole) or 0)
    done, rejects = merged
    count, lost = len(done.offsets), len(done.lost)
    if lost:
        console.message(f"{lost} of {count} records rejected: {rejects}")
    if not quiet:
        console.message(f"{whole}: {count - lost} records from {count_of(done)} parts")
        console.table("seconds by machine", [(n, f"{s:.1f}") for n, s in done.nodes.items()])
    return status_of(lost)


def count_of(done: Done) -> int:
    """How many parts there were: journals beside that of the whole."""
    return len({journal.path for journal in done.journals}) - 1


def facts(done: Done, header: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest says of all parts: their bills added up, and how long the longest took."""
    prices = header.get("prices")
    ledger = Ledger((prices[0], prices[1]) if prices else None)
    ledger.carry_over(done.usage, Counter(done.lost.values()))
    return ledger.facts() | {"seconds": round(done.seconds, 3)}
