"""How models are asked: the options of every command that asks one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rlkd_cli.errors import UsageError
from rlkd_cli.option import MODEL, SERVER, option


@dataclass(frozen=True, kw_only=True)
class HttpOptions:
    """How a server may be asked. None is no limit."""

    concurrency: Annotated[
        int,
        option(
            "--concurrency",
            min=1,
            help="Requests sent at a time; batch size for a model in this process (ours).",
            panel=SERVER,
            free=True,
        ),
    ] = 64
    max_retries: Annotated[
        int,
        option(
            "--max-retries",
            min=0,
            help="Retries of a failed request, with back-off (ours).",
            panel=SERVER,
            free=True,
        ),
    ] = 5
    timeout: Annotated[
        float,
        option(
            "--timeout",
            min=0.1,
            help="Seconds to wait for one reply (ours).",
            panel=SERVER,
            free=True,
        ),
    ] = 600.0
    server_timeout: Annotated[
        float,
        option(
            "--server-timeout",
            min=0,
            help="Seconds to wait for a server that refuses connections, or all requests for being "
            "too many, before the run ends unfinished (ours).",
            panel=SERVER,
            free=True,
        ),
    ] = 600.0
    rpm: Annotated[
        int | None,
        option(
            "--rpm", min=1, help="At most this many requests a minute.", panel=SERVER, free=True
        ),
    ] = None
    tpm: Annotated[
        int | None,
        option(
            "--tpm",
            min=1,
            help="At most this many tokens a minute (estimated).",
            panel=SERVER,
            free=True,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Asking(HttpOptions):
    """How models are asked, whichever they are."""

    record: Annotated[
        Path | None,
        option(
            "--record",
            metavar="FILE",
            help="Append the models' replies to a file for `replay/FILE`.",
            panel=MODEL,
            free=True,
            file="out",
        ),
    ] = None


@dataclass(frozen=True)
class BatchOptions:
    """`file` keeps what was submitted.

    `poll` is in seconds, `gather` how long no request must come before a batch leaves.
    """

    file: Path
    poll: float
    gather: float


@dataclass(frozen=True, kw_only=True)
class Batching:
    """The Batch API of OpenAI and of servers that have it."""

    batch: Annotated[
        bool,
        option(
            "--batch",
            help="Ask through the Batch API: half the price, within a day. Needs -o.",
            panel=SERVER,
            free=True,
        ),
    ] = False
    batch_poll: Annotated[
        float,
        option(
            "--batch-poll",
            min=0.1,
            help="Seconds between polls of a batch (ours).",
            panel=SERVER,
            free=True,
        ),
    ] = 30.0

    def batches(self, output: str | None) -> BatchOptions | None:
        """Where batches are kept; UsageError where there is no output file to keep them beside."""
        if not self.batch:
            return None
        if output in (None, "-"):
            raise UsageError(
                "--batch needs -o FILE: what was submitted is kept beside it, for a later run to "
                "collect"
            )
        file = Path(f"{output}.batches.jsonl")
        return BatchOptions(file, self.batch_poll, min(1.0, self.batch_poll))
