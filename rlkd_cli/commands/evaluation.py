"""The work of `rlkd eval`: a benchmark sampled and graded, or paths sampled before graded."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, get_args

from rlkd_cli.benchmarks import BENCHMARKS, Benchmark, benchmark
from rlkd_cli.commands.checkpoints import models_of
from rlkd_cli.commands.common import Boxes, Running, Seeded, Stopping, in_flight, opened
from rlkd_cli.commands.job import Job, Opened
from rlkd_cli.commands.slices import Slicing
from rlkd_cli.core.grading.grade import Kind
from rlkd_cli.core.question import PROTOCOLS, Prompting, question
from rlkd_cli.errors import InputError
from rlkd_cli.models import Asking, Sampling
from rlkd_cli.option import IO, MODEL, option
from rlkd_cli.pipeline.estimate import Call
from rlkd_cli.pipeline.evaluate import Evaluator, Summary
from rlkd_cli.pipeline.ledger import Budget
from rlkd_cli.pipeline.run import Outcome
from rlkd_cli.pipeline.sample import Sampler
from rlkd_cli.records.read import Input, Rows
from rlkd_cli.records.schema import GradedSample, Raw, Task
from rlkd_cli.records.write import Continued
from rlkd_cli.reward.grading.grader import Grader

PAPERS = PROTOCOLS["deepseek"]  # 4.1


@dataclass(frozen=True, kw_only=True)
class Evaluating(Slicing, Running, Stopping, Budget, Asking, Continued, Rows, Seeded, Prompting):
    """What is asked, of whom, how often, and how answers are read."""

    bench: Annotated[
        str | None,
        option(
            "--bench",
            help=f"{', '.join(BENCHMARKS)}, or a file of problems with answers.",
            panel=IO,
            file="perhaps",
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
            file="in",
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
    protocol: Annotated[
        str,
        option(
            "--protocol",
            help="Prompt, sampling and extraction of deepseek (the paper's), lighteval, "
            "nemo-skills or matharena.",
            choices=tuple(PROTOCOLS),
        ),
    ] = "deepseek"
    grader: Annotated[
        str | None,
        option(
            "--grader",
            help="Read answers as math, letter, exact or integer (default: the benchmark's, else "
            "what the reference looks like).",
            choices=get_args(Kind),
        ),
    ] = None
    temperature: Annotated[
        float | None,
        option("--temperature", min=0, help="Default: the protocol's (4.1: 0.6).", panel=MODEL),
    ] = None
    top_p: Annotated[
        float | None,
        option("--top-p", min=0, max=1, help="Default: the protocol's (4.1: 0.95).", panel=MODEL),
    ] = None
    max_tokens: Annotated[
        int | None,
        option("--max-tokens", min=1, help="Default: the protocol's (4.1: 32,768).", panel=MODEL),
    ] = None
    grade_timeout: Annotated[
        float, option("--grade-timeout", min=0.1, help="Seconds to compare one answer as algebra.")
    ] = 10.0

    @property
    def prompts_used(self) -> dict[str, str]:
        """The texts that questions are put in, by name."""
        if not self.bench:
            return {}
        row = PROTOCOLS[self.protocol]
        texts = {"math": row.math, "letter": row.letter, "integer": row.integer or ""}
        return {"template": self.chosen.prompt} if self.chosen.prompt else texts

    @property
    def unused(self) -> set[str]:
        """Options without effect: a file is known by its contents, samples are only graded."""
        asking = {"model", "runs", "temperature", "top_p", "max_tokens", "stop", "seed"}
        asking |= {"prompt_template", "system", "bench"}
        return ({"bench"} if self.bench not in BENCHMARKS else set()) if self.bench else asking

    @property
    def chosen(self) -> Benchmark:
        """The benchmark, with the prompt and the grader that the user wants instead of its own."""
        grader: Any = self.grader
        return benchmark(str(self.bench), self.prompt_template, grader)

    @property
    def count(self) -> int:
        """Runs of each question."""
        return self.runs or max(self.chosen.runs if self.bench else 1, self.k)

    @property
    def sampling(self) -> dict[str, Any]:
        """Temperature, top-p and tokens: the user's, else the protocol's, else the paper's."""
        names, row = ("temperature", "top_p", "max_tokens"), PROTOCOLS[self.protocol]
        found = {}
        for name in names:
            given = [getattr(one, name) for one in (self, row, PAPERS)]
            found[name] = next(value for value in given if value is not None)
        return found

    def question(self, raw: Raw) -> str:
        """What the model is asked."""
        kind = self.chosen.kind if self.bench else None
        return question(raw, self.chosen.prompt if self.bench else None, self.protocol, kind)


def source_of(options: Evaluating) -> Input:
    """The questions, or the paths sampled before."""
    if options.bench:
        return options.read(options.chosen.source, Task, options.count)
    return options.read(str(options.samples), GradedSample)


def job_of(options: Evaluating, summary: Summary, discard: bool = False) -> Job:
    """The run whose records `summary` adds up; with `discard` they are not written."""
    settings = {"runs": options.count, **options.sampling} if options.bench else {}
    models, grows = ([options.model], "runs") if options.bench else ([], None)
    source = source_of(options)
    return Job("eval", options, source, models, {}, settings, grows, discard, summary.add)


def calls_of(raw: Raw, options: Evaluating) -> list[Call]:
    """The call that a question needs."""
    limit = options.sampling["max_tokens"]
    asked = len(options.question(raw))
    return [Call(options.model, asked, limit / 2, limit)] if options.bench else []


def evaluate(options: Evaluating, discard: bool = False) -> tuple[Summary, Outcome]:
    """Samples (where a benchmark is given), grades, and adds up."""
    asked = options.count if options.bench else 0
    summary, boxes = Summary(asked=asked), Boxes(options.question)
    job, grader = job_of(options, summary, discard), Grader(options.grade_timeout)

    def add(record: Raw) -> None:
        summary.add(record)
        boxes.add(record)

    def open_work() -> Opened:
        kind: Any = options.grader
        if not options.bench:
            return Opened(Evaluator(grader, None, kind, options.protocol), options.concurrency, [])
        model, chosen = opened(options, options.model), options.chosen
        sampling = Sampling(**options.sampling, seed=options.seed, stop=options.stops)
        how = (chosen.prompt, options.system, options.protocol, chosen.kind)
        work = Evaluator(grader, Sampler(model, sampling, *how), chosen.kind, options.protocol)
        return Opened(work, in_flight(options, model), [model])

    job.on_record = add
    try:
        outcome = job.run(open_work)
        asyncio.run(_group(summary, grader))
    finally:
        asyncio.run(grader.close())
    if not options.quiet:
        boxes.say()
    return summary, outcome


async def _group(summary: Summary, grader: Grader) -> None:
    try:
        await summary.group(grader)
    finally:
        await grader.close()


def each_checkpoint(options: Evaluating, folder: Path) -> Sequence[tuple[str, Summary, Outcome]]:
    """Evaluates every checkpoint of a training, each with an output of its own."""
    found = []
    for name, path in models_of(folder):
        own: dict[str, Any] = {"output": _of_checkpoint(str(options.output), name)}
        if options.rejects:
            own["rejects"] = _of_checkpoint(options.rejects, name)
        found.append((name, *evaluate(replace(options, model=str(path), **own))))
    return found


def _of_checkpoint(file: str, name: str) -> str:
    """A checkpoint's own file beside the one that the user names."""
    path = Path(file)
    return str(path.with_name(f"{path.stem}.{name}{path.suffix or '.jsonl'}"))


def first_of(source: Input) -> Raw:
    """The first record; InputError where there is none."""
    for item in source:
        return item.raw
    raise InputError(source.source, "", "holds no problem")
