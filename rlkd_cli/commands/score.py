"""`rlkd score` and `rlkd diversity`."""

import asyncio
from pathlib import Path
from typing import Annotated

from rlkd_cli import console
from rlkd_cli import options as opt
from rlkd_cli.commands.common import Job, dry_run, finish, open_gsrm, open_judge
from rlkd_cli.commands.show import show_pair
from rlkd_cli.errors import UsageError
from rlkd_cli.jsonl import Input, dumps
from rlkd_cli.models import HttpOptions
from rlkd_cli.pipeline import score as pipeline
from rlkd_cli.pipeline.diversity import diversity_per_step
from rlkd_cli.pipeline.grading import Grader
from rlkd_cli.pipeline.matcher import Matcher, VerdictCache
from rlkd_cli.records import Raw, Steps, StepsOrPath


def score(
    teacher: Annotated[str, opt.argument("TEACHER", "The teacher's segmentations.")],
    student: Annotated[str, opt.argument("STUDENT", "The student's segmentations (or paths, with --gsrm).")],
    output: opt.Output = None,
    judge: opt.Judge = opt.JUDGE,
    gsrm: Annotated[str | None, opt.option("--gsrm", help="Segments paths that have no steps.", panel=opt.MODEL)] = None,
    gsrm_max_tokens: opt.GsrmTokens = opt.GSRM_TOKENS,
    normalize: opt.Normalize = "none",
    teacher_samples: Annotated[
        str, opt.option("--teacher-samples", help="Several teacher paths for an id: best, mean, or first.")
    ] = "first",
    verdict_cache: opt.VerdictCacheFile = None,
    show: Annotated[
        str | None, opt.option("--show", metavar="ID", help="Print one id's two step sequences side by side.")
    ] = None,
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
    """Reward student steps by how they follow the teacher's: the structured reward (RLKD, Algorithm 1).

    Joins two files of segmentations on `id` and writes a score record for each student path.
    """
    opt.one_of("--normalize", normalize, ("none", "teacher", "shorter"))
    opt.one_of("--teacher-samples", teacher_samples, ("best", "mean", "first"))
    if teacher == student == "-":
        raise UsageError("only one of TEACHER and STUDENT can be standard input")
    settings = {
        "command": "score",
        "teacher": teacher,
        "judge": judge,
        "gsrm": gsrm,
        "normalize": normalize,
        "teacher_samples": teacher_samples,
        "seed": seed,
    }
    columns, slices = opt.parse_map(map), opt.parse_shard(shard)
    model = StepsOrPath if gsrm else Steps
    teachers = Input(teacher, model, columns, skip_invalid)
    students = Input(student, model, columns, skip_invalid, limit, slices)
    job = Job("score", students, settings, output, rejects, overwrite, concurrency, quiet)
    if dry:
        teachers.count()
        return dry_run(job, job.check(), f"as many as Algorithm 1 needs, of {judge}")
    http = HttpOptions(concurrency, max_retries, timeout, rpm, tpm)
    grader = Grader()
    chosen, inner = open_judge(judge, grader, http, record)
    segmenter = open_gsrm(gsrm, http, record, gsrm_max_tokens) if gsrm else None
    teachers.count()
    total = job.check()
    summary = pipeline.Summary()
    matcher = Matcher(chosen, normalize, VerdictCache(verdict_cache))  # type: ignore[arg-type]
    scorer = pipeline.Scorer({}, matcher, segmenter, teacher_samples)  # type: ignore[arg-type]
    shown: list[tuple[Raw, Raw]] = []

    async def work(raw: Raw) -> list[Raw]:
        if not scorer.teacher:
            async with loading:
                scorer.teacher = scorer.teacher or await pipeline.teacher_steps(teachers, segmenter)
        scored = await scorer(raw)
        if show is not None and str(raw["id"]) == show:
            shown.append((raw, scored[0]))
        return scored

    loading = asyncio.Lock()

    def open_work():  # type: ignore[no-untyped-def]
        async def close() -> None:
            grader.close()
            for used in (inner, segmenter.model if segmenter else None):
                if used:
                    await used.close()

        return work, close

    outcome = job.run(total, open_work, summary.add)
    if not quiet:
        unused = len(scorer.teacher) - len(scorer.seen)
        rows = summary.table() + ([("teacher ids without a student", str(unused))] if unused > 0 else [])
        console.table("structured reward", rows)
    for raw, record_ in shown[:1]:
        show_pair(scorer.teacher[raw["id"]][0], raw, record_)
    finish(outcome)


def diversity(
    source: opt.In,
    output: opt.Output = None,
    embedder: Annotated[
        str, opt.option("--embedder", help="A sentence-transformers model (4.3), or `lexical` (no model).", panel=opt.MODEL)
    ] = "Alibaba-NLP/gte-Qwen2-7B-instruct",
    plot: Annotated[
        Path | None, opt.option("--plot", metavar="FILE", help="Draw diversity per step (.png, .svg, .pdf).", panel=opt.IO)
    ] = None,
    compare: Annotated[
        list[str] | None, opt.option("--with", metavar="FILE", help="More segmentations for the same plot.", panel=opt.IO)
    ] = None,
    rejects: opt.Rejects = None,
    overwrite: opt.Overwrite = False,
    map: opt.Map = None,
    skip_invalid: opt.SkipInvalid = False,
    limit: opt.Limit = None,
    shard: opt.Shard = None,
    seed: opt.Seed = 0,
    dry: opt.DryRun = False,
    quiet: opt.Quiet = False,
) -> None:
    """Measure how far a model's paths differ at each step (RLKD, 4.3, Figure 5).

    Reads segmentations with several samples of each id, writes one diversity record a step.
    """
    from rlkd_cli.models.embedders import open_embedder

    columns, slices = opt.parse_map(map), opt.parse_shard(shard)
    inputs = [Input(name, Steps, columns, skip_invalid, limit, slices) for name in [source, *(compare or [])]]
    settings = {"command": "diversity", "embedder": embedder, "seed": seed}
    job = Job("diversity", inputs[0], settings, output, rejects, overwrite, quiet=quiet)
    if dry:
        return dry_run(job, job.check(), f"one embedding for each distinct step text, by {embedder}")
    chosen = open_embedder(embedder)
    curves: dict[str, list[Raw]] = {}
    faulty = []
    for one in inputs:
        items = list(one)
        faulty += [item for item in items if item.fault]
        curves[one.source] = list(diversity_per_step((item.raw for item in items if not item.fault), chosen))
    write_table(curves[source], output, overwrite)
    if plot:
        from rlkd_cli.plots import plot_diversity

        plot_diversity(curves, plot)
    if not quiet:
        rows = [
            (str(r["step"]), f"{r['diversity']:.4f}", f"{r['ci_low']:.4f} to {r['ci_high']:.4f}", str(r["questions"]))
            for r in curves[source]
        ]
        console.table("diversity per step", rows, ("step", "D", "95% interval", "questions"))
    if faulty:
        from rlkd_cli.commands.common import write_rejects

        write_rejects(faulty, rejects or (f"{output}.rejects.jsonl" if output else "diversity.rejects.jsonl"))


def write_table(records: list[Raw], output: str | None, overwrite: bool) -> None:
    """A result that is made whole, in one go, to a file or standard output."""
    import sys

    text = "".join(dumps(record) + "\n" for record in records)
    if output in (None, "-"):
        sys.stdout.write(text)
        return
    assert output is not None
    partial = Path(output + ".partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.write_text(text, "utf-8")
    partial.replace(output)
