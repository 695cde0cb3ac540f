"""A command over records: check everything, then open models, run, and report."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from rlkd_cli import console
from rlkd_cli.commands import on_ray, slices
from rlkd_cli.commands.common import fingerprints, made_from, say_numbered
from rlkd_cli.commands.files import places
from rlkd_cli.models.providers import PRICES_OF, PROVIDERS
from rlkd_cli.models.spec import engine_of
from rlkd_cli.pipeline.estimate import Call, estimate
from rlkd_cli.pipeline.ledger import Ledger
from rlkd_cli.pipeline.run import Outcome, Run, Work
from rlkd_cli.records.manifest import contents
from rlkd_cli.records.open import is_part, open_output
from rlkd_cli.records.output import FileOutput
from rlkd_cli.records.read import Input
from rlkd_cli.records.schema import Raw
from rlkd_cli.records.write import OnRecord, Output


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
        slices.check(options, self.source)
        total = self.source.scan()
        output = self._output(ledger)
        try:
            if output.complete:
                shown = output.show()
                ledger.rejects += output.codes
                outcome = Outcome(shown + output.rejected, output.rejected)
            else:
                with console.View(self.command, total, options.quiet) as view:
                    outcome = self._fill(open_work, output, view, ledger)
        finally:
            output.close()
        if is_part(options):
            return slices.end(options, replace(outcome, is_part=True))
        self._report(outcome, ledger)
        return outcome

    def _output(self, ledger: Ledger) -> Output:
        options = self.options
        settings = made_from(self.command, options, self.models, self.others) | dict(self.settings)
        settings["shard"] = None  # the parts of one output have the same settings
        about = {"prices": ledger.prices} | places(options)
        how = (self.on_record, self.grows, self.discard, options.launch is not None, about)
        return open_output(self.command, options, settings, self.source, *how)

    def _fill(
        self, open_work: Callable[[], Opened], output: Output, view: console.View, ledger: Ledger
    ) -> Outcome:
        """Does what is missing: here, or in tasks that each do a slice of it."""
        started, before = time.monotonic(), output.seconds
        if self.options.launch and isinstance(output, FileOutput) and not output.is_done:
            on_ray.launch(self.command, self.options, self.models, self.source, output, view)
        if not output.is_done:
            return asyncio.run(self._go(open_work, output, view, ledger))
        ledger.carry_over(output.usage, output.codes, before)
        ledger.started = started
        output.finish(ledger.facts())
        return Outcome(self.source.scan() or 0, output.rejected)

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
