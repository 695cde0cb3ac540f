"""What commands over records share: check everything, then open models, then report."""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from rlkd_cli import __version__, console
from rlkd_cli.errors import REJECTED, RecordError, UsageError
from rlkd_cli.models import BatchOptions, TextModel, open_model
from rlkd_cli.models.fingerprint import model_fingerprint
from rlkd_cli.option import IO, option, settings_of
from rlkd_cli.pipeline.estimate import Call, estimate
from rlkd_cli.pipeline.ledger import Ledger
from rlkd_cli.pipeline.run import Outcome, Run, Work
from rlkd_cli.records.atomic import atomic_write, write_json
from rlkd_cli.records.manifest import check_places, check_same, contents, load_manifest, manifest_of
from rlkd_cli.records.output import describe, open_output
from rlkd_cli.records.read import Input
from rlkd_cli.records.schema import Raw
from rlkd_cli.records.write import OnRecord, dumps, objects, write_rejects


@dataclass(frozen=True, kw_only=True)
class Running:
    """Options of every command."""

    dry_run: Annotated[
        bool,
        option(
            "--dry-run",
            help="Check the input and print what would be done: records, calls, tokens, cost.",
            free=True,
        ),
    ] = False
    quiet: Annotated[
        bool, option("--quiet", "-q", help="No progress and no summary.", free=True)
    ] = False


@dataclass(frozen=True, kw_only=True)
class Seeded:
    """The seed."""

    seed: Annotated[int, option("--seed", help="Seed of all random numbers.")] = 0


@dataclass(frozen=True, kw_only=True)
class Plotted:
    """The figure."""

    plot: Annotated[
        Path | None,
        option(
            "--plot", metavar="FILE", help="Draw a figure (.png, .svg, .pdf).", panel=IO, free=True
        ),
    ] = None


class Closing(Protocol):
    """Something that has to be closed."""

    async def close(self) -> None: ...


@dataclass
class Opened:
    """What a job runs: the work on one record, the concurrency, and what to close at the end."""

    work: Work
    in_flight: int
    closing: Sequence[Closing | None]


@dataclass
class Job:
    """One run of a command over records.

    `models` are the specs of the models it asks, `others` are further inputs, and `settings` is
    whatever else the output depends on. All of these go into the manifest. `grows` names an option
    (the number of samples) that may be larger than in a finished run; the missing samples are then
    added.
    """

    command: str
    options: Any
    source: Input
    models: Sequence[str] = ()
    others: Mapping[str, Input] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    grows: str | None = None
    discard: bool = False  # do not write the records, only pass them to `on_record`
    on_record: OnRecord = lambda record: None

    @property
    def ledger(self) -> Ledger:
        return self.options.ledger(self.models)  # type: ignore[no-any-return]

    def dry_run(self, calls_of: Callable[[Raw], list[Call]]) -> None:
        """Checks the inputs and prints an estimate of the calls to each model and their cost."""
        for other in self.others.values():
            other.scan()
        rows = estimate(self.source, calls_of, self.ledger.prices)
        where = self.options.output or "standard output"
        console.table(f"{self.command} (dry run)", [*rows, ("output", where)])

    def run(self, open_work: Callable[[], Opened]) -> Outcome:
        """Checks everything, then opens models and runs. A finished output opens nothing."""
        options, ledger = self.options, self.ledger
        places(options, self.command, self.source, *self.others.values())
        total = self.source.scan()
        settings = made_from(self.command, options, self.models, self.others) | dict(self.settings)
        output = open_output(
            self.command, options, settings, self.source, self.on_record, self.grows, self.discard
        )
        try:
            if output.complete:
                shown = output.show()
                outcome = Outcome(shown + output.rejected, output.rejected)
            else:
                with console.View(self.command, total, options.quiet) as view:
                    outcome = asyncio.run(self._go(open_work, output, view, ledger))
        finally:
            output.close()
        self._report(outcome, ledger)
        return outcome

    async def _go(
        self, open_work: Callable[[], Opened], output: Any, view: console.View, ledger: Ledger
    ) -> Outcome:
        opened = open_work()
        try:
            run = Run(opened.work, output, opened.in_flight, view, ledger)
            return await run.over(self.source)
        finally:
            for used in opened.closing:
                if used:
                    await used.close()

    def _report(self, outcome: Outcome, ledger: Ledger) -> None:
        if outcome.rejected:
            most = ", ".join(f"{code} {count}" for code, count in ledger.rejects.most_common(5))
            said = f"{outcome.rejected} of {outcome.records} records rejected"
            file = self.options.rejects_of(self.command)
            console.message(f"{said}{f' ({most})' if most else ''}: {file}")
        if self.options.quiet:
            return
        if not outcome.rejected:
            console.message(f"{self.command}: {outcome.records} records done")
        if ledger.requests:
            rows = [[model, *(f"{n:,}" for n in spent)] for model, spent in ledger.bill.items()]
            console.table(
                "spent", rows, ("model", "requests", "retries", "tokens in", "tokens out")
            )
            cost = ledger.cost
            console.message(f"cost: {'not known' if cost is None else f'${cost:.4f}'}")


def places(options: Any, command: str, *inputs: Input) -> None:
    """UsageError if an output is also an input."""
    outputs = {"-o": options.output, "--rejects": str(options.rejects_of(command))}
    check_places([one.source for one in inputs], outputs)


def made_from(
    command: str, options: Any, models: Sequence[str], inputs: Mapping[str, Input]
) -> dict[str, Any]:
    """The settings of the manifest: the options, and fingerprints of models and inputs.

    The inputs are read here, except streams.
    """
    for one in inputs.values():
        one.scan()
    prints: dict[str, str | None] = {}
    prints |= {f"{name} {one.source}": one.fingerprint() for name, one in inputs.items()}
    prints |= {f"model {spec}": model_fingerprint(spec) for spec in models}
    return {"command": command, **settings_of(options), **contents(prints)}


def opened(options: Any, spec: str, batch: BatchOptions | None = None) -> TextModel:
    """The model that `spec` names; its messages are printed."""
    model = open_model(spec, options, options.record, batch)
    model.tell = lambda line: console.message(line, "yellow")
    return model


def in_flight(options: Any, model: TextModel | None) -> int:
    """How many records are processed at a time: what the engine asks for, or `--concurrency`."""
    return int(getattr(model, "in_flight", options.concurrency))


def finish(outcome: Outcome) -> None:
    """Ends the command with the exit status of the outcome."""
    if outcome.rejected:
        raise typer.Exit(REJECTED)


class Table:
    """A result that is computed at once from complete inputs, for a file or standard output.

    The result of an earlier run of the same command with the same inputs is reused. UsageError if
    the output is also an input, or was made from anything else; it is raised before any work.
    """

    def __init__(
        self,
        command: str,
        options: Any,
        inputs: Mapping[str, Input],
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        places(options, command, *inputs.values())
        named = options.output not in (None, "-")
        self._file = Path(options.output) if named else None
        self._rejects = options.rejects_of(command)
        own = made_from(command, options, (), inputs) | dict(settings or {})
        self._settings = json.loads(json.dumps(own))
        is_new = options.overwrite or not (self._file and self._file.is_file())
        self.finished: list[Raw] | None = None if is_new else self._earlier()

    def _earlier(self) -> list[Raw]:
        assert self._file is not None
        manifest_file = manifest_of(self._file)
        if not manifest_file.exists():
            raise UsageError(
                f"{self._file} exists and was not made by this command; --overwrite replaces it"
            )
        manifest = load_manifest(manifest_file)
        check_same(self._file, manifest["settings"], self._settings)
        if manifest["output"] != describe(self._file):
            raise UsageError(
                f"{self._file} was changed after it was finished; --overwrite starts afresh"
            )
        return list(objects(self._file))

    def write(self, records: Sequence[Raw]) -> None:
        """Writes the result; a finished one is left as it is."""
        text = "".join(dumps(record) + "\n" for record in records)
        if self._file is None or (self._file.exists() and not self._file.is_file()):
            out = sys.stdout if self._file is None else self._file.open("w", encoding="utf-8")
            out.write(text)
            out.flush()
        elif self.finished is None:
            with atomic_write(self._file) as out:
                out.write(text)
            facts = {"settings": self._settings, "output": describe(self._file)}
            write_json(manifest_of(self._file), {"rlkd": __version__, **facts})

    def end(self, lost: list[tuple[Raw, RecordError]]) -> None:
        """Ends the command; writes rejects and sets the exit status if records were left out."""
        if lost:
            write_rejects(lost, self._rejects)
            console.message(f"{len(lost)} records rejected: {self._rejects}")
            raise typer.Exit(REJECTED)
