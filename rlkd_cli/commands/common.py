"""What commands over records share: check everything, then open models, then report."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol

from rlkd_cli import console
from rlkd_cli.errors import REJECTED, UsageError
from rlkd_cli.models import BatchOptions, TextModel, open_model
from rlkd_cli.models.fingerprint import model_fingerprint
from rlkd_cli.models.providers import PRICES_OF, PROVIDERS, address_of
from rlkd_cli.models.spec import engine_of, shown
from rlkd_cli.option import IO, MODEL, option, settings_of
from rlkd_cli.pipeline.estimate import Call, estimate
from rlkd_cli.pipeline.ledger import Ledger
from rlkd_cli.pipeline.run import Outcome, Run, Work
from rlkd_cli.records.manifest import contents, text_digest
from rlkd_cli.records.open import open_output
from rlkd_cli.records.read import Input
from rlkd_cli.records.schema import Raw
from rlkd_cli.records.write import OnRecord, Output


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
        bool, option("--quiet", "-q", help="No progress, no account of the run.", free=True)
    ] = False


@dataclass(frozen=True, kw_only=True)
class Seeded:
    """The seed."""

    seed: Annotated[int, option("--seed", help="Seed of all random numbers.")] = 0


@dataclass(frozen=True, kw_only=True)
class Stopping:
    """Where a reply ends before the model ends it."""

    stop: Annotated[
        list[str] | None,
        option(
            "--stop",
            metavar="TEXT",
            help="End a path before this text (a base model goes on to the next question); repeat "
            "for several.",
            panel=MODEL,
        ),
    ] = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts; UsageError for one that is empty."""
        if "" in (self.stop or []):
            raise UsageError("--stop: an empty text would end every path at once")
        return tuple(self.stop or ())


class Boxes:
    """Counts paths that were asked for a boxed answer, and those of them that hold none."""

    def __init__(self, question: Callable[[Raw], str]) -> None:
        self._question, self.asked, self.missing = question, 0, 0

    def add(self, record: Raw) -> None:
        if "\\boxed" in self._question(record):
            self.asked += 1
            self.missing += "\\boxed" not in record["path"]

    def say(self) -> None:
        """A line where most paths hold none."""
        if 2 * self.missing > self.asked:
            said = f"{self.missing} of {self.asked} paths hold no \\boxed{{}} answer"
            more = "a larger --max-tokens, --stop, or another --prompt-template may help"
            console.message(f"{said}: {more}", "yellow")


@dataclass(frozen=True, kw_only=True)
class Plotted:
    """The figure."""

    plot: Annotated[
        Path | None,
        option(
            "--plot",
            metavar="FILE",
            help="Draw a figure (.png, .svg, .pdf).",
            panel=IO,
            free=True,
            file="out",
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

    def __post_init__(self) -> None:
        for one in (self.source, *self.others.values()):
            one.on_numbered = say_numbered

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
        total = self.source.scan()
        settings = made_from(self.command, options, self.models, self.others) | dict(self.settings)
        output = open_output(
            self.command, options, settings, self.source, self.on_record, self.grows, self.discard
        )
        try:
            if output.complete:
                shown = output.show()
                ledger.rejects += output.codes
                outcome = Outcome(shown + output.rejected, output.rejected)
            else:
                with console.View(self.command, total, options.quiet) as view:
                    outcome = asyncio.run(self._go(open_work, output, view, ledger))
        finally:
            output.close()
        self._report(outcome, ledger)
        return outcome

    def _say_prices(self, ledger: Ledger) -> None:
        """Which provider's price is not known, before anything is asked. Own servers have none."""
        asked = [] if self.options.quiet else ledger.unpriced(self.models)
        unknown = [model for model in asked if engine_of(model) in PROVIDERS]
        if unknown:
            said = f"no known price for {', '.join(unknown)} (price table of {PRICES_OF})"
            console.message(f"{said}; set --price-in and --price-out", "yellow")

    async def _go(
        self, open_work: Callable[[], Opened], output: Output, view: console.View, ledger: Ledger
    ) -> Outcome:
        opened = open_work()
        output.bind(contents(fingerprints(self.models)))  # a hub model has a revision by now
        self._say_prices(ledger)
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
            console.message(f"cost: {'unknown' if cost is None else f'${cost:.4f}'}")


def say_numbered(source: str) -> None:
    """Rows that have no id got their numbers."""
    said = "rows have no id: using row numbers (--id-column COLUMN uses a column)"
    console.message(f"{source}: {said}", "yellow")


def made_from(
    command: str, options: Any, models: Sequence[str], inputs: Mapping[str, Input]
) -> dict[str, Any]:
    """The settings of the manifest: the options, and fingerprints of models and inputs.

    The inputs are read here, except streams.
    """
    for one in inputs.values():
        one.scan()
    prints: dict[str, str | None] = {}
    prints |= {name: one.fingerprint() for name, one in inputs.items()}
    prints |= fingerprints(models)
    used = getattr(options, "prompts_used", {})
    prints |= {f"prompt {name}": text_digest(text) for name, text in used.items()}
    settings = {name: _without_password(value) for name, value in settings_of(options).items()}
    return {"command": command, **settings, **contents(prints)}


def fingerprints(models: Sequence[str]) -> dict[str, str | None]:
    """What tells each model from another of the same name, where anybody can."""
    found = {f"model {shown(spec)}": model_fingerprint(spec) for spec in models}
    hosted = [engine_of(spec) for spec in models if engine_of(spec) in PROVIDERS]
    return found | {f"address of {name}": shown(address_of(name)) for name in hosted}


def _without_password(value: Any) -> Any:
    """A setting as it may be written down: an address without its user and password."""
    return shown(value) if isinstance(value, str) else value


def opened(options: Any, spec: str, batch: BatchOptions | None = None) -> TextModel:
    """The model that `spec` names; its messages are printed."""
    return open_model(
        spec, options, options.record, batch, tell=lambda line: console.message(line, "yellow")
    )


def in_flight(options: Any, model: TextModel | None) -> int:
    """How many records are processed at a time: what the engine asks for, or `--concurrency`."""
    return model.in_flight if model else int(options.concurrency)


def status_of(is_incomplete: int) -> int:
    """The exit status of a command that is done, but for records that were rejected."""
    return REJECTED if is_incomplete else 0
