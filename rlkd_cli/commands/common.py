"""What the commands over records share: open, check, run, say how it went."""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from rlkd_cli import __version__, console
from rlkd_cli.commands import options as opt
from rlkd_cli.errors import REJECTED, RecordError, UsageError
from rlkd_cli.models import TextModel
from rlkd_cli.models.spec import model_of
from rlkd_cli.pipeline.estimate import Call, estimate
from rlkd_cli.pipeline.ledger import Ledger
from rlkd_cli.pipeline.run import Outcome, Work, run
from rlkd_cli.records.journal import OnRecord, check_same, reopen
from rlkd_cli.records.read import Input, dumps, reject
from rlkd_cli.records.schema import Raw
from rlkd_cli.records.write import StreamOutput, open_output
from rlkd_cli.reward.grading import Grader


@dataclass
class Job:
    """One run of a command over records; `used` are the models and the grader to be closed at its end."""

    command: str
    source: Input
    settings: dict[str, Any]
    out: opt.Out
    options: opt.Run
    concurrency: int = 64
    discard: bool = False  # the records themselves are not wanted, only what they add up to
    ledger: Ledger = field(default_factory=Ledger)
    used: Sequence[TextModel | Grader | None] = ()
    grows: str | None = (
        None  # the setting (a count of copies) that may be larger than in a finished run: the rest is added
    )

    def dry_run(self, calls_of: Callable[[Raw], list[Call]]) -> None:
        """Checks the input and says what would be asked of which model, and what it would cost."""
        rows = estimate(self.source, calls_of, self.ledger.prices)
        console.table(
            f"{self.command} (dry run)", [*rows, ("output", self.out.output or "standard output")]
        )

    def run(self, work: Work, on_record: OnRecord = lambda record: None) -> Outcome:
        """Checks the input as a whole (a stream: as it comes) and runs `work` over it."""
        total = self.source.count()
        names = {
            "map": self.source.mapping,
            "limit": self.source.limit,
            "shard": list(self.source.shard),
        }
        settings = {"command": self.command, **self.settings, **names}
        if self.grows and self.out.output and not self.out.overwrite:
            reopen(
                Path(self.out.output),
                Path(self.out.rejects_of(self.command)),
                settings,
                self.grows,
                self.source,
            )
        output = open_output(
            self.out.output, self.out.rejects_of(self.command), settings, self.out.overwrite
        )
        if self.discard and isinstance(output, StreamOutput):
            output.write = lambda line: None
        try:
            return asyncio.run(self._go(work, output, total, on_record))
        finally:
            output.close()

    async def _go(self, work: Work, output: Any, total: int | None, on_record: OnRecord) -> Outcome:
        try:
            with console.RunView(self.command, total, self.options.quiet) as view:
                outcome = await run(
                    self.source,
                    work,
                    output,
                    concurrency=self.concurrency,
                    progress=view,
                    ledger=self.ledger,
                    on_record=on_record,
                )
        finally:
            await self.close()
        self._report(outcome)
        return outcome

    async def close(self) -> None:
        """Closes the models and the grader; a grader's closing is not asynchronous."""
        for used in self.used:
            closing = used.close() if used else None
            if asyncio.iscoroutine(closing):
                await closing

    def _report(self, outcome: Outcome) -> None:
        if outcome.rejected:
            reasons = ", ".join(
                f"{code} {count}" for code, count in self.ledger.rejects.most_common(5)
            )
            said = f"{outcome.rejected} of {outcome.records} records rejected{f' ({reasons})' if reasons else ''}"
            console.message(f"{said}: {self.out.rejects_of(self.command)}")
        if self.options.quiet:
            return
        if not outcome.rejected:
            console.message(f"{self.command}: {outcome.records} records done")
        if self.ledger.requests:
            console.table(
                "spent",
                ledger_rows(self.ledger),
                ("model", "requests", "retries", "tokens in", "tokens out"),
            )
            console.message(
                f"cost: {'not known' if self.ledger.cost is None else f'${self.ledger.cost:.4f}'}"
            )


def ledger_rows(ledger: Ledger) -> list[list[str]]:
    """A row a model."""
    return [[model, *(f"{number:,}" for number in spent)] for model, spent in ledger.bill.items()]


def finish(outcome: Outcome) -> None:
    """Ends the command with the status that the outcome stands for."""
    if outcome.rejected:
        raise typer.Exit(REJECTED)


def gsrm_prompt(spec: str) -> str | None:
    """The prompt in a GSRM's folder, None for any other model."""
    from rlkd_cli.models.hf import gsrm_prompt

    return gsrm_prompt(model_of(spec))


class Table:
    """A result that is made whole, in one go, for a file or standard output.

    An existing file is made anew by the same settings only, or with --overwrite; UsageError else, before any work.
    """

    def __init__(
        self, command: str, out: opt.Out, rows: opt.Rows, settings: dict[str, Any]
    ) -> None:
        self._file = Path(out.output) if out.output not in (None, "-") else None  # type: ignore[arg-type]
        own = {
            "command": command,
            **settings,
            "map": rows.map,
            "limit": rows.limit,
            "shard": rows.shard,
        }
        self._settings = json.loads(json.dumps(own))
        if self._file and self._file.exists() and not out.overwrite:
            manifest = self._manifest(self._file)
            if not manifest.exists():
                raise UsageError(
                    f"{self._file} exists and was not made by this command; --overwrite replaces it"
                )
            check_same(
                self._file, json.loads(manifest.read_text("utf-8"))["settings"], self._settings
            )

    def write(self, records: Sequence[Raw]) -> None:
        text = "".join(dumps(record) + "\n" for record in records)
        if self._file is None:
            sys.stdout.write(text)
            return
        partial = self._file.with_name(self._file.name + ".partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, "utf-8")
        manifest = {"rlkd": __version__, "settings": self._settings, "records": len(records)}
        self._manifest(self._file).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
        partial.replace(self._file)

    @staticmethod
    def _manifest(file: Path) -> Path:
        return file.with_name(file.name + ".run.json")


def write_rejects(lost: Sequence[tuple[Raw, RecordError]], file: str) -> None:
    """Records that a command without a run left out, with the reason."""
    with open(file, "w", encoding="utf-8") as out:
        for raw, error in lost:
            out.write(dumps(reject(raw, error)) + "\n")
    console.message(f"{len(lost)} records rejected: {file}")


def end_with_rejects(lost: Sequence[tuple[Raw, RecordError]], file: str) -> None:
    """Ends the command, with the status for rejects where there are any."""
    if lost:
        write_rejects(lost, file)
        raise typer.Exit(REJECTED)
