"""`rlkd eval`."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from rlkd_cli import console
from rlkd_cli.benchmarks import benchmark
from rlkd_cli.commands import options as opt
from rlkd_cli.commands.common import Job, finish
from rlkd_cli.core.question import question
from rlkd_cli.errors import UsageError
from rlkd_cli.models import Sampling
from rlkd_cli.pipeline.compare import compare
from rlkd_cli.pipeline.estimate import Call
from rlkd_cli.pipeline.evaluate import Evaluator, Summary
from rlkd_cli.pipeline.run import Outcome
from rlkd_cli.pipeline.sample import Sampler
from rlkd_cli.records.read import Input
from rlkd_cli.records.schema import GradedPath, GradedSample, Raw, Task
from rlkd_cli.reward.grading import Grader


@dataclass
class Evaluation:
    """What `rlkd eval` was asked for; `once` carries it out for one model, or for paths sampled before."""

    inputs: Input
    settings: dict[str, Any]
    sampling: Sampling
    ask: opt.Ask
    models: opt.Models
    budget: opt.Budget
    options: opt.Run
    grade_timeout: float
    discard: bool

    def once(self, model: str | None, out: opt.Out) -> tuple[Summary, Outcome]:
        """Samples (where a model is given), grades, and adds up."""
        grader, summary = Grader(self.grade_timeout), Summary()
        settings = {**self.settings, **({"model": model} if model else {})}
        ledger = self.budget.ledger([model] if model else [])
        job = Job(
            "eval",
            self.inputs,
            settings,
            out,
            self.options,
            self.models.concurrency,
            self.discard,
            ledger,
            grows="runs" if model else None,
        )
        engine = self.models.open(model) if model else None
        job.used, job.concurrency = [grader, engine], self.models.in_flight(engine)
        sampler = (
            Sampler(engine, self.sampling, self.ask.prompt_template, self.ask.system)
            if engine
            else None
        )
        return summary, job.run(Evaluator(grader, sampler), summary.add)


@opt.grouped
def evaluate(
    *,
    bench: Annotated[
        str | None,
        opt.option(
            "--bench",
            help="aime24, aime25, math500, gpqa-diamond, gsm8k, or a file of problems with answers.",
            panel=opt.IO,
        ),
    ] = None,
    model: Annotated[
        str,
        opt.option("--model", help="Answers the benchmark (4.1: the student).", panel=opt.MODEL),
    ] = "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
    k: Annotated[int, opt.option("--k", min=1, help="Report pass@K as well as pass@1.")] = 1,
    runs: Annotated[
        int | None,
        opt.option(
            "--runs",
            min=1,
            help="Runs of each question (4.1: 64, 8 or 4 by benchmark; at least K). More can be added later.",
        ),
    ] = None,
    samples: Annotated[
        str | None,
        opt.option(
            "--samples", metavar="FILE", help="Grade these paths instead of sampling.", panel=opt.IO
        ),
    ] = None,
    checkpoints: Annotated[
        Path | None,
        opt.option(
            "--checkpoints",
            metavar="DIR",
            help="Evaluate each checkpoint of a training and its result (Figure 4).",
            panel=opt.IO,
        ),
    ] = None,
    compare_files: Annotated[
        tuple[str, str] | None,
        opt.option(
            "--compare",
            metavar="A B",
            help="Compare two files of graded paths question by question.",
            panel=opt.IO,
        ),
    ] = None,
    others: Annotated[
        list[str] | None,
        opt.option(
            "--with",
            metavar="FILE",
            help="More graded paths for the same plot; repeat for several.",
            panel=opt.IO,
        ),
    ] = None,
    json_summary: Annotated[
        bool,
        opt.option(
            "--json", help="Print the summary as JSON on standard output, in place of the paths."
        ),
    ] = False,
    plot: opt.Plot = None,
    show_prompt: Annotated[
        bool, opt.option("--show-prompt", help="Print the first question as the model gets it.")
    ] = False,
    temperature: Annotated[
        float, opt.option("--temperature", min=0, help="4.1: 0.6.", panel=opt.MODEL)
    ] = 0.6,
    top_p: Annotated[
        float, opt.option("--top-p", min=0, max=1, help="4.1: 0.95.", panel=opt.MODEL)
    ] = 0.95,
    max_tokens: Annotated[
        int, opt.option("--max-tokens", min=1, help="4.1: 32,768.", panel=opt.MODEL)
    ] = 32_768,
    ask: opt.Ask,
    grade_timeout: Annotated[
        float, opt.option("--grade-timeout", min=0.1, help="Seconds for one answer's algebra.")
    ] = 10.0,
    seed: opt.Seed = 0,
    rows: opt.Rows,
    out: opt.Out,
    models: opt.Models,
    budget: opt.Budget,
    run: opt.Run,
) -> None:
    """Grade final answers and report pass@1 and pass@k (RLKD, 4.1, Table 1).

    Samples a benchmark from a model, or reads --samples; writes graded paths with `prediction`, `correct`,
    `verdict`, and prints the summary to standard error.
    """
    if sum(given is not None for given in (bench, samples, compare_files)) != 1:
        raise UsageError(
            "name one of: a benchmark (--bench), paths sampled before (--samples), two graded files (--compare)"
        )
    if compare_files:
        return _compare(
            rows.input(compare_files[0], GradedPath),
            rows.input(compare_files[1], GradedPath),
            json_summary,
        )
    chosen = benchmark(bench) if bench else None
    source = chosen.source if chosen else samples or ""
    count = runs or max(chosen.runs if chosen else 1, k)
    if k > count and bench:
        raise UsageError(f"--k {k} needs at least {k} runs of each question; --runs is {count}")
    if checkpoints and (not bench or not out.output):
        raise UsageError(
            "--checkpoints needs --bench, and -o FILE for the graded paths of each checkpoint"
        )
    settings: dict[str, Any] = {"bench": bench, "samples": samples, "grade_timeout": grade_timeout}
    if bench:
        settings |= {
            "runs": count,
            "temperature": temperature,
            "top_p": top_p,
            "max_tokens": max_tokens,
        }
        settings |= {"template": ask.prompt_template, "system": ask.system, "seed": seed}
    inputs = rows.input(source, Task if bench else GradedSample, copies=count if bench else None)
    if show_prompt:
        return console.message(question(next(iter(inputs)).raw, ask.prompt_template))
    discard = json_summary and out.output is None  # the summary is what goes to standard output
    sampling = Sampling(temperature, top_p, max_tokens, seed)
    evaluation = Evaluation(
        inputs, settings, sampling, ask, models, budget, run, grade_timeout, discard
    )
    if run.dry_run:

        def calls(raw: Raw) -> list[Call]:
            return (
                [Call(model, len(question(raw, ask.prompt_template)), max_tokens / 2, max_tokens)]
                if bench
                else []
            )

        return Job("eval", inputs, settings, out, run, ledger=budget.ledger([])).dry_run(calls)
    if checkpoints:
        return _checkpoints(evaluation, checkpoints, out, k, json_summary, plot)
    summary, outcome = evaluation.once(model if bench else None, out)
    metrics = summary.metrics(k)
    if json_summary:
        sys.stdout.write(json.dumps(metrics) + "\n")
    else:
        console.table(
            f"eval {bench or samples}", [(name, text_of(value)) for name, value in metrics.items()]
        )
    curves = {bench or samples or "": summary.curve()} | {
        name: _read(rows.whole(name, GradedPath)).curve() for name in others or []
    }
    if plot:
        from rlkd_cli.plots import plot_pass_at_k

        plot_pass_at_k(curves, plot)
    elif k > 1 and not run.quiet and not json_summary:
        for name, curve in curves.items():
            console.bars(f"pass@k {name}", [(f"k = {k}", value) for k, value, _, _ in curve])
    finish(outcome)


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


def _compare(first: Input, second: Input, as_json: bool) -> None:
    """Two files of graded paths, paired by question."""
    found = compare(_read(first), _read(second))
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    lists = ("gained", "lost")
    console.table(
        f"A = {first.source}, B = {second.source}",
        [(name, text_of(value)) for name, value in found.items() if name not in lists],
    )
    for name in lists:
        lines = [(str(q["id"]), f"{q['a']:.3f}", f"{q['b']:.3f}") for q in found[name]]
        console.table(
            f"{name}: solved by {'B' if name == 'gained' else 'A'} alone",
            lines[:20],
            ("question", "A", "B"),
        )
        if len(lines) > 20:
            console.message(f"and {len(lines) - 20} more (--json lists them all)")


def _checkpoints(
    evaluation: Evaluation, folder: Path, out: opt.Out, k: int, as_json: bool, plot: Path | None
) -> None:
    """One evaluation a checkpoint, each with an output of its own; a record and a row of the table for each."""
    steps = sorted(
        (int(f.name.rpartition("-")[2]), f)
        for f in folder.glob("checkpoint-*")
        if f.name.rpartition("-")[2].isdigit()
    )
    names = [(str(step), path) for step, path in steps] + (
        [("final", folder)] if (folder / "config.json").exists() else []
    )
    if not names:
        raise UsageError(f"--checkpoints {folder}: no checkpoint-N folder and no model in it")
    file = Path(str(out.output))
    lines, entries = [], []
    outcome = Outcome(0, 0)
    for name, path in names:
        own = file.with_name(f"{file.stem}.{name}{file.suffix or '.jsonl'}")
        summary, one = evaluation.once(str(path), replace(out, output=str(own)))
        outcome = Outcome(outcome.records + one.records, outcome.rejected + one.rejected)
        metrics = summary.metrics(k)
        if as_json:
            sys.stdout.write(json.dumps({"checkpoint": name, **metrics}) + "\n")
        if name != "final":
            entries.append(
                {
                    "step": int(name),
                    **{key: metrics[key] for key in ("pass@1", f"pass@{k}") if key in metrics},
                }
            )
        lines.append(
            (
                name,
                *(
                    text_of(metrics.get(key, ""))
                    for key in ("pass@1", "pass@1 interval", f"pass@{k}")
                ),
            )
        )
    console.table("checkpoints", lines, ("step", "pass@1", "95% interval", f"pass@{k}"))
    if plot and entries:
        from rlkd_cli.plots import plot_training

        plot_training({folder.name: entries}, [key for key in entries[0] if key != "step"], plot)
    finish(outcome)
