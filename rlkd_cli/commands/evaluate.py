"""`rlkd eval`."""

import json
import sys
from pathlib import Path
from typing import Annotated

from rlkd_cli import console
from rlkd_cli import options as opt
from rlkd_cli.commands.common import Job, dry_run, finish
from rlkd_cli.datasets import benchmark
from rlkd_cli.errors import UsageError
from rlkd_cli.jsonl import Input
from rlkd_cli.models import HttpOptions, Sampling, open_model
from rlkd_cli.pipeline.evaluate import Evaluator, Summary
from rlkd_cli.pipeline.grading import Grader
from rlkd_cli.pipeline.sample import Sampler, question
from rlkd_cli.records import GradedSample, Task


def evaluate(
    bench: Annotated[
        str | None,
        opt.option(
            "--bench", help="aime24, aime25, math500, gpqa-diamond, gsm8k, or a file of problems with answers.", panel=opt.IO
        ),
    ] = None,
    model: Annotated[
        str, opt.option("--model", help="Answers the benchmark (4.1: the student).", panel=opt.MODEL)
    ] = "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
    k: Annotated[int, opt.option("--k", min=1, help="Report pass@K as well as pass@1.")] = 1,
    runs: Annotated[
        int | None, opt.option("--runs", min=1, help="Runs of each question (4.1: 64, 8 or 4 by benchmark; at least K).")
    ] = None,
    samples: Annotated[
        str | None, opt.option("--samples", metavar="FILE", help="Grade these paths instead of sampling.", panel=opt.IO)
    ] = None,
    output: opt.Output = None,
    json_summary: Annotated[
        bool, opt.option("--json", help="Print the summary as JSON on standard output, in place of the paths.")
    ] = False,
    plot: Annotated[
        Path | None, opt.option("--plot", metavar="FILE", help="Draw pass@k over k (.png, .svg, .pdf).", panel=opt.IO)
    ] = None,
    show_prompt: Annotated[bool, opt.option("--show-prompt", help="Print the first question as the model gets it.")] = False,
    temperature: Annotated[float, opt.option("--temperature", min=0, help="4.1: 0.6.", panel=opt.MODEL)] = 0.6,
    top_p: Annotated[float, opt.option("--top-p", min=0, max=1, help="4.1: 0.95.", panel=opt.MODEL)] = 0.95,
    max_tokens: Annotated[int, opt.option("--max-tokens", min=1, help="4.1: 32,768.", panel=opt.MODEL)] = 32_768,
    template: opt.Template = None,
    system: opt.System = None,
    grade_timeout: Annotated[float, opt.option("--grade-timeout", min=0.1, help="Seconds for one answer's algebra.")] = 10.0,
    record: opt.Record = None,
    rejects: opt.Rejects = None,
    overwrite: opt.Overwrite = False,
    map: opt.Map = None,
    skip_invalid: opt.SkipInvalid = False,
    limit: opt.Limit = None,
    shard: opt.Shard = None,
    seed: opt.Seed = 0,
    dry: opt.DryRun = False,
    concurrency: opt.Concurrency = opt.CONCURRENCY,
    max_retries: opt.MaxRetries = opt.MAX_RETRIES,
    timeout: opt.Timeout = opt.TIMEOUT,
    rpm: opt.Rpm = None,
    tpm: opt.Tpm = None,
    quiet: opt.Quiet = False,
) -> None:
    """Grade final answers and report pass@1 and pass@k (RLKD, 4.1, Table 1).

    Samples a benchmark from a model, or reads --samples; writes graded paths with `prediction`, `correct`,
    `verdict`, and prints the summary to standard error.
    """
    if (bench is None) == (samples is None):
        raise UsageError("name either a benchmark (--bench) or paths sampled before (--samples)")
    source, default_runs = benchmark(bench) if bench else (samples or "", 1)
    count = runs or max(default_runs, k)
    if k > count and bench:
        raise UsageError(f"--k {k} needs at least {k} runs of each question; --runs is {count}")
    settings = {"command": "eval", "bench": bench, "samples": samples, "grade_timeout": grade_timeout}
    if bench:
        settings |= {"model": model, "runs": count, "temperature": temperature, "top_p": top_p}
        settings |= {"max_tokens": max_tokens, "template": template, "system": system, "seed": seed}
    columns, slices = opt.parse_map(map), opt.parse_shard(shard)
    record_model = Task if bench else GradedSample
    inputs = Input(source, record_model, columns, skip_invalid, limit, slices, copies=count if bench else None)
    if show_prompt:
        console.message(question(next(iter(inputs)).raw, template))
        return
    # with --json the summary is what goes to standard output
    job = Job("eval", inputs, settings, output, rejects, overwrite, concurrency, quiet, discard=json_summary and output is None)
    if dry:
        total = job.check()
        return dry_run(job, total, f"{total} of {model}" if bench else "none")
    http = HttpOptions(concurrency, max_retries, timeout, rpm, tpm)
    total = job.check()
    engine = open_model(model, http, record) if bench else None
    sampler = Sampler(engine, Sampling(temperature, top_p, max_tokens, seed), template, system) if engine else None
    grader, summary = Grader(grade_timeout), Summary()

    def open_work():  # type: ignore[no-untyped-def]
        async def close() -> None:
            grader.close()
            if engine:
                await engine.close()

        return Evaluator(grader, sampler), close

    outcome = job.run(total, open_work, summary.add)
    metrics = summary.metrics(k)
    if json_summary:
        sys.stdout.write(json.dumps(metrics) + "\n")
    else:
        console.table(f"eval {bench or samples}", [(name, _text(value)) for name, value in metrics.items()])
    if plot:
        from rlkd_cli.plots import plot_pass_at_k

        plot_pass_at_k({bench or samples or "": summary.curve()}, plot)
    finish(outcome)


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return " to ".join(f"{end:.3f}" for end in value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)
