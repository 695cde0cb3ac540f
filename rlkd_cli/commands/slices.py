"""One output from several processes: slices of the input, each with a part of its own.

A job array starts them itself (`--shard I/N`); `--launch ray` starts them here.
"""

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from rlkd_cli import console
from rlkd_cli.commands.merge import put_together
from rlkd_cli.errors import REJECTED, UsageError
from rlkd_cli.option import IO, RUN, option
from rlkd_cli.pipeline.run import Outcome
from rlkd_cli.records.journal import Busy
from rlkd_cli.records.merge import Missing, rejected_before
from rlkd_cli.records.open import is_part
from rlkd_cli.records.read import Input
from rlkd_cli.records.shards import PATIENCE

RAY = "ray"


@dataclass(frozen=True, kw_only=True)
class Slicing:
    """In how many processes a command works, and who puts their parts together."""

    merge: Annotated[
        bool,
        option(
            "--merge",
            help="With --shard: if all other shards are finished, do what `rlkd merge` does.",
            panel=IO,
            free=True,
        ),
    ] = False
    launch: Annotated[
        str | None,
        option(
            "--launch",
            metavar="ray[:ADDRESS]",
            help="Several processes: tasks on Ray, here or on the cluster at ADDRESS. Needs -o on "
            "storage that all machines see.",
            panel=RUN,
            free=True,
        ),
    ] = None
    num_processes: Annotated[
        int | None,
        option(
            "--num-processes",
            metavar="N",
            min=1,
            help="With --launch: tasks; --concurrency is each one's own.",
            panel=RUN,
            free=True,
        ),
    ] = None
    gpus_per_process: Annotated[
        float,
        option(
            "--gpus-per-process",
            metavar="G",
            min=0,
            help="With --launch: accelerators that each task gets, for models in its process.",
            panel=RUN,
            free=True,
        ),
    ] = 0


def check(options: Any, source: Input) -> None:
    """UsageError for options that do not go together, and for what cannot be launched here."""
    if options.merge and not is_part(options):
        raise UsageError("--merge puts shards together: it needs --shard I/N and -o FILE")
    if options.overwrite and is_part(options):
        raise UsageError(
            "--overwrite with --shard: no shard knows which parts of the others are old; "
            f"`rlkd merge {options.output} --discard` starts over, then run all shards without it"
        )
    if options.launch is None:
        if options.num_processes or options.gpus_per_process:
            raise UsageError("--num-processes and --gpus-per-process need --launch ray")
        return
    if options.launch.partition(":")[0] != RAY:
        raise UsageError(f"--launch {options.launch}: write ray, or ray:ADDRESS")
    if not options.num_processes:
        raise UsageError("--launch ray: how many tasks? --num-processes N")
    if options.output is None or is_part(options) or options.shard:
        raise UsageError("--launch ray needs -o FILE, and makes the shards itself (no --shard)")
    if source.is_stream:
        raise UsageError("--launch ray: every task reads the input; name a file")
    if find_spec(RAY) is None:
        raise UsageError("--launch ray needs Ray: pip install 'rlkd[ray]'")
    unshared = {"--record": "record", "--batch": "batch", "--verdict-cache": "verdict_cache"}
    for flag, name in unshared.items():
        if getattr(options, name, None):
            raise UsageError(f"{flag}: several processes cannot share it; leave out --launch")


def end(options: Any, outcome: Outcome) -> Outcome:
    """Says what a shard has come to, and puts all together where it is the last one and is to."""
    whole = Path(options.output)
    before = rejected_before(whole)
    if before is not None:
        if not options.quiet:
            console.message(f"{whole}: finished by an earlier run")
        return replace(outcome, rejected=before)
    if not options.quiet:
        done, lost = outcome.records, outcome.rejected
        said = f"shard {options.shard}: {done} records done, {lost} of them rejected"
        console.message(f"{said}; `rlkd merge {whole}` puts the shards together")
    return _merged(options, whole, outcome) if options.merge else outcome


def _merged(options: Any, whole: Path, outcome: Outcome) -> Outcome:
    """How it ends where the other shards are finished, and all are put together."""
    how = (options.rejects, options.quiet, PATIENCE, options.again)
    try:
        status = put_together(whole, *how)
    except (Missing, Busy) as unfinished:
        console.message(str(unfinished))
        return outcome
    return replace(outcome, rejected=max(outcome.rejected, int(status == REJECTED)))
