"""`rlkd eval`."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from rlkd_cli import console
from rlkd_cli.benchmarks import BENCHMARKS, benchmark
from rlkd_cli.commands.checkpoints import models_of
from rlkd_cli.commands.common import (
    Boxes,
    Job,
    Opened,
    Plotted,
    Running,
    Seeded,
    Stopping,
    finish,
    in_flight,
    opened,
)
from rlkd_cli.core.question import Prompting, question
from rlkd_cli.errors import UsageError
from rlkd_cli.models import Asking, Sampling
from rlkd_cli.option import IO, MODEL, option
from rlkd_cli.pipeline.compare import compare
from rlkd_cli.pipeline.estimate import Call
from rlkd_cli.pipeline.evaluate import Evaluator, Summary
from rlkd_cli.pipeline.ledger import Budget
from rlkd_cli.pipeline.run import Outcome
from rlkd_cli.pipeline.sample import Sampler
from rlkd_cli.records.read import Input, Rows
from rlkd_cli.records.schema import GradedPath, GradedSample, Raw, Task
from rlkd_cli.records.write import Continued
from rlkd_cli.reward.grading import Grader


@dataclass(frozen=True, kw_only=True)
class Options(Running, Stopping, Plotted, Budget, Asking, Continued, Rows, Seeded, Prompting):
    bench: Annotated[
        str | None,
        option(
            "--bench",
            help=f"{', '.join(BENCHMARKS)}, or a file of problems with answers.",
            panel=IO,
        ),
    ] = None
    model: Annotated[
        str, option("--model", help="Answers the benchmark (4.1: the student).", panel=MODEL)
    ] = "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"
    k: Annotated[int, option("--k", min=1, help="Report pass@K as well as pass@1.", free=True)] = 1
    runs: Annotated[
        int | None,
        option(
            "--runs",
            min=1,
            help="Runs of each question (4.1: 64, 8 or 4 by benchmark; at least K). "
            "More can be added later.",
        ),
    ] = None
    samples: Annotated[
        str | None,
        option(
            "--samples",
            metavar="FILE",
            help="Grade these paths instead of sampling.",
            panel=IO,
            free=True,
        ),
    ] = None
    checkpoints: Annotated[
        Path | None,
        option(
            "--checkpoints",
            metavar="DIR",
            help="Evaluate each checkpoint of a training and its result (Figure 4).",
            panel=IO,
            free=True,
        ),
    ] = None
    compare_files: Annotated[
        tuple[str, str] | None,
        option(
            "--compare",
            metavar="A B",
            help="Compare two files of graded paths question by question.",
            panel=IO,
            free=True,
        ),
    ] = None
    others: Annotated[
        list[str] | None,
        option(
            "--with",
            metavar="FILE",
            help="More graded paths for the same plot; repeat for several.",
            panel=IO,
            free=True,
        ),
    ] = None
    json_summary: Annotated[
        bool,
        option(
            "--json",
            help="Print the summary as JSON on standard output, in place of the paths.",
            free=True,
        ),
    ] = False
    show_prompt: Annotated[
        bool,
        option("--show-prompt", help="Print the first question as the model gets it.", free=True),
    ] = False
    temperature: Annotated[float, option("--temperature", min=0, help="4.1: 0.6.", panel=MODEL)] = (
        0.6
    )
    top_p: Annotated[float, option("--top-p", min=0, max=1, help="4.1: 0.95.", panel=MODEL)] = 0.95
    max_tokens: Annotated[int, option("--max-tokens", min=1, help="4.1: 32,768.", panel=MODEL)] = (
        32_768
    )
    grade_timeout: Annotated[
        float, option("--grade-timeout", min=0.1, help="Seconds for one answer's algebra.")
    ] = 10.0

    @property
    def count(self) -> int:
        """Runs of each question."""
        usual = benchmark(self.bench).runs if self.bench else 1
        return self.runs or max(usual, self.k)


def run(options: Options) -> None:
    """Samples a benchmark from a model, or reads --samples; writes graded paths with `prediction`,
    `correct` and `verdict`, and prints the summary to standard error.
    """
    _check(options)
    if options.compare_files:
        return _compare(options, *options.compare_files)
    if options.show_prompt:
        first = next(iter(_source(options)))
        return console.message(question(first.raw, options.prompt_template))
    if options.dry_run:
        return _job(options, Summary()).dry_run(lambda raw: _calls(raw, options))
    if options.checkpoints:
        return _checkpoints(options, options.checkpoints)
    summary, outcome = _evaluate(options)
    _show(options, summary)
    finish(outcome)


def _check(options: Options) -> None:
    """UsageError for options that do not go together."""
    named = (options.bench, options.samples, options.compare_files)
    if sum(given is not None for given in named) != 1:
        raise UsageError(
            "name one of: a benchmark (--bench), paths sampled before (--samples), "
            "two graded files (--compare)"
        )
    if options.bench and options.k > options.count:
        raise UsageError(
            f"--k {options.k} needs at least {options.k} runs of each question; "
            f"--runs is {options.count}"
        )
    if options.checkpoints and not (options.bench and options.output):
        raise UsageError(
            "--checkpoints needs --bench, and -o FILE for the graded paths of each checkpoint"
        )


def _source(options: Options) -> Input:
    if options.bench:
        return options.read(benchmark(options.bench).source, Task, options.count)
    return options.read(str(options.samples), GradedSample)


def _job(options: Options, summary: Summary) -> Job:
    models = [options.model] if options.bench else []
    runs = {"runs": options.count} if options.bench else {}
    # the summary takes the place of the paths on standard output
    discard = options.json_summary and options.output is None
    source, grows = _source(options), "runs" if options.bench else None
    return Job("eval", options, source, models, {}, runs, grows, discard, summary.add)


def _calls(raw: Raw, options: Options) -> list[Call]:
    length, limit = len(question(raw, options.prompt_template)), options.max_tokens
    return [Call(options.model, length, limit / 2, limit)] if options.bench else []


def _evaluate(options: Options) -> tuple[Summary, Outcome]:
    """Samples (where a benchmark is given), grades, and adds up."""
    summary, boxes = Summary(), Boxes(options.prompt_template)
    job = _job(options, summary)

    def add(record: Raw) -> None:
        summary.add(record)
        boxes.add(record)

    job.on_record = add

    def open_work() -> Opened:
        grader = Grader(options.grade_timeout)
        if not options.bench:
            return Opened(Evaluator(grader), options.concurrency, [grader])
        model = opened(options, options.model)
        drawn = (options.temperature, options.top_p, options.max_tokens, options.seed)
        sampling = Sampling(*drawn, stop=options.stops)
        sampler = Sampler(model, sampling, options.prompt_template, options.system)
        return Opened(Evaluator(grader, sampler), in_flight(options, model), [grader, model])

    outcome = job.run(open_work)
    if not options.quiet:
        boxes.say()
    return summary, outcome


def _show(options: Options, summary: Summary) -> None:
    """The summary, pass@k's curves and the figure."""
    name, k = options.bench or str(options.samples), options.k
    metrics = summary.metrics(k)
    if options.json_summary:
        sys.stdout.write(json.dumps(metrics) + "\n")
    else:
        console.table(f"eval {name}", [(key, text_of(value)) for key, value in metrics.items()])
    others = {one: _read(options.whole(one, GradedPath)) for one in options.others or []}
    curves = {one: graded.curve() for one, graded in {name: summary, **others}.items()}
    if options.plot:
        from rlkd_cli.plots import plot_pass_at_k

        plot_pass_at_k(curves, options.plot)
    elif k > 1 and not options.quiet and not options.json_summary:
        for one, curve in curves.items():
            console.bars(f"pass@k {one}", [(f"k = {k}", value) for k, value, _, _ in curve])


def text_of(value: object) -> str:
    """A metric for people: intervals as two ends, numbers with three digits."""
    if isinstance(value, tuple | list):
        return " to ".join(f"{end:.3f}" for end in value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _read(graded: Input) -> Summary:
    summary = Summary()
    for item in graded:
        if item.fault is None:
            summary.add(item.raw)
    return summary


def _compare(options: Options, *names: str) -> None:
    """Two files of graded paths, paired by question."""
    found = compare(*(_read(options.read(name, GradedPath)) for name in names))
    if options.json_summary:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    lists = ("gained", "lost")
    facts = [(name, text_of(value)) for name, value in found.items() if name not in lists]
    console.table("A = {}, B = {}".format(*names), facts)
    for name, winner in zip(lists, "BA", strict=True):
        lines = [(str(q["id"]), f"{q['a']:.3f}", f"{q['b']:.3f}") for q in found[name]]
        title = f"{name}: solved by {winner} alone"
        console.table(title, lines[:20], ("question", "A", "B"))
        if len(lines) > 20:
            console.message(f"and {len(lines) - 20} more (--json lists them all)")


def _checkpoints(options: Options, folder: Path) -> None:
    """One evaluation a checkpoint, each with an output of its own; a record and a row of the table
    for each.
    """
    file = Path(str(options.output))
    found: dict[str, Mapping[str, Any]] = {}
    outcome = Outcome(0, 0)
    for name, path in models_of(folder):
        own = file.with_name(f"{file.stem}.{name}{file.suffix or '.jsonl'}")
        summary, one = _evaluate(replace(options, model=str(path), output=str(own)))
        outcome = Outcome(outcome.records + one.records, outcome.rejected + one.rejected)
        found[name] = summary.metrics(options.k)
        if options.json_summary:
            sys.stdout.write(json.dumps({"checkpoint": name, **found[name]}) + "\n")
    best = f"pass@{options.k}"
    columns = ("pass@1", "pass@1 interval", best)
    lines = [(n, *(text_of(m.get(key, "")) for key in columns)) for n, m in found.items()]
    console.table("checkpoints", lines, ("step", "pass@1", "95% interval", best))
    steps = [
        {"step": int(name), **{key: metrics[key] for key in ("pass@1", best) if key in metrics}}
        for name, metrics in found.items()
        if name != "final"
    ]
    if options.plot and steps:
        from rlkd_cli.plots import plot_training

        plot_training(
            {folder.name: steps}, [key for key in steps[0] if key != "step"], options.plot
        )
    finish(outcome)
