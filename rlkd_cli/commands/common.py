"""What the commands over records share: open, check, run, say how it went."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from rlkd_cli import console
from rlkd_cli.errors import RecordError, UsageError
from rlkd_cli.jsonl import Input, Item, dumps
from rlkd_cli.models import HttpOptions, Sampling, TextModel, model_folder, open_model
from rlkd_cli.output import OnRecord, StreamOutput, open_output, reject
from rlkd_cli.pipeline.grading import Grader
from rlkd_cli.pipeline.judges import ExactJudge, Judge, MathJudge, ModelJudge
from rlkd_cli.pipeline.run import Outcome, Work, run
from rlkd_cli.pipeline.segment import Segmenter

REJECTED = 3  # exit status: done, but some records were rejected


@dataclass
class Job:
    """One run of a command over records; the fields are its shared options."""

    command: str
    source: Input
    settings: dict[str, Any]
    output: str | None = None
    rejects: str | None = None
    overwrite: bool = False
    concurrency: int = 64
    quiet: bool = False
    discard: bool = False  # the records themselves are not wanted, only what they add up to

    def check(self) -> int | None:
        """Reads the input through and checks it; None for a stream."""
        return self.source.count()

    def run(
        self,
        total: int | None,
        open_work: Callable[[], tuple[Work, Callable[[], Any]]],
        on_record: OnRecord = lambda record: None,
    ) -> Outcome:
        """Runs the work that `open_work` makes (with what closes it again) over the input."""
        names = {"map": self.source.mapping, "limit": self.source.limit, "shard": list(self.source.shard)}
        output = open_output(self.output, self.rejects, self.command, {**self.settings, **names}, self.overwrite)
        if self.discard and isinstance(output, StreamOutput):
            output.write = lambda line: None

        async def go() -> Outcome:
            work, close = open_work()
            try:
                with console.RunView(self.command, total, self.quiet) as view:
                    outcome = await run(
                        self.source, work, output, concurrency=self.concurrency, progress=view, on_record=on_record
                    )
                self._report(outcome, view)
                return outcome
            finally:
                closing = close()
                if asyncio.iscoroutine(closing):
                    await closing

        try:
            return asyncio.run(go())
        finally:
            output.close()

    def _report(self, outcome: Outcome, view: console.RunView) -> None:
        if outcome.rejected:
            reasons = ", ".join(f"{code} {count}" for code, count in view.errors.most_common(5))
            place = self.rejects or (f"{self.output}.rejects.jsonl" if self.output else f"{self.command}.rejects.jsonl")
            console.message(f"{outcome.rejected} of {outcome.records} records rejected ({reasons or 'earlier'}): {place}")
        elif not self.quiet:
            console.message(f"{self.command}: {outcome.records} records done")


def finish(outcome: Outcome) -> None:
    """Ends the command with the status that the outcome stands for."""
    if outcome.rejected:
        raise typer.Exit(REJECTED)


def open_gsrm(spec: str, http: HttpOptions, record: Path | None, max_tokens: int) -> Segmenter:
    """A segmenting model for rewards: greedy, asked once, with its own prompt where it has one."""
    return Segmenter(
        open_model(spec, http, record), Sampling(max_tokens=max_tokens), gsrm_prompt(spec), verifier=None, max_attempts=1
    )


def gsrm_prompt(spec: str) -> str | None:
    """The prompt in a GSRM's folder, None for any other model."""
    from rlkd_cli.models.hf_engine import gsrm_prompt

    return gsrm_prompt(model_folder(spec))


def open_judge(spec: str, grader: Grader, http: HttpOptions, record: Path | None) -> tuple[Judge, TextModel | None]:
    """The match judge that `spec` names, and the model inside it, to be closed."""
    if spec == "exact":
        return ExactJudge(), None
    if spec == "math":
        return MathJudge(grader), None
    if spec == "embedding":
        raise UsageError("--judge embedding is not there yet: a model, exact or math")
    model = open_model(spec, http, record)
    return ModelJudge(model), model


def dry_run(job: Job, total: int | None, calls: str) -> None:
    """Says what would be done, and does nothing."""
    rows = [("records", "unknown (a stream)" if total is None else str(total)), ("model calls", calls)]
    rows += [("output", job.output or "standard output")]
    console.table(f"{job.command} (dry run)", rows)


def write_rejects(items: list[Item], file: str) -> None:
    """Invalid input records that a command without a run left out; ends the command with the status for rejects."""
    with open(file, "w", encoding="utf-8") as out:
        for item in items:
            out.write(dumps(reject(item, RecordError("invalid_input", str(item.fault)))) + "\n")
    console.message(f"{len(items)} records rejected: {file}")
    raise typer.Exit(REJECTED)
