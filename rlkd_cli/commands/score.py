"""`rlkd score`."""

import asyncio
import sys
from typing import Annotated

from rlkd_cli import console
from rlkd_cli.commands import options as opt
from rlkd_cli.commands.common import Job, finish
from rlkd_cli.commands.matching import Matching, open_gsrm
from rlkd_cli.commands.show import show_pair
from rlkd_cli.core.steps import PARTS
from rlkd_cli.errors import InputError, UsageError
from rlkd_cli.pipeline import score as pipeline
from rlkd_cli.pipeline.audit import Audit, Finding
from rlkd_cli.pipeline.estimate import Call
from rlkd_cli.records.read import Input, dumps
from rlkd_cli.records.schema import Raw, Steps, StepsOrPath
from rlkd_cli.reward.grading import Grader
from rlkd_cli.reward.matcher import Matcher

NO_MODEL = ("exact", "math", "embedding")


@opt.grouped
def score(
    teacher: Annotated[str, opt.argument("TEACHER", "The teacher's segmentations.")],
    student: Annotated[
        str, opt.argument("STUDENT", "The student's segmentations (or paths, with --gsrm).")
    ],
    *,
    matching: Matching,
    gsrm: Annotated[
        str | None, opt.option("--gsrm", help="Segments paths that have no steps.", panel=opt.MODEL)
    ] = None,
    teacher_samples: Annotated[
        str,
        opt.option(
            "--teacher-samples", help="Several teacher paths for an id: best, mean, or first."
        ),
    ] = "first",
    probabilities: Annotated[
        bool,
        opt.option(
            "--probabilities",
            help="Add `probabilities` to the records: how sure the judge is of each match.",
        ),
    ] = False,
    show: Annotated[
        str | None,
        opt.option("--show", metavar="ID", help="Print one id's two step sequences side by side."),
    ] = None,
    audit: Annotated[
        bool,
        opt.option(
            "--audit",
            help="Measure the judge on this input instead of scoring it; writes a record a test.",
        ),
    ] = False,
    plot: opt.Plot = None,
    seed: opt.Seed = 0,
    rows: opt.Rows,
    out: opt.Out,
    models: opt.Models,
    budget: opt.Budget,
    run: opt.Run,
) -> None:
    """Reward student steps by how they follow the teacher's: the structured reward (RLKD, Algorithm 1).

    Joins two files of segmentations on `id` and writes a score record for each student path.
    """
    opt.one_of("--teacher-samples", teacher_samples, ("best", "mean", "first"))
    if teacher == student == "-":
        raise UsageError("only one of TEACHER and STUDENT can be standard input")
    settings = {
        "teacher": teacher,
        **matching.settings,
        "gsrm": gsrm,
        "teacher_samples": teacher_samples,
        "seed": seed,
    }
    settings |= {"probabilities": True} if probabilities else {}
    model = StepsOrPath if gsrm else Steps
    teachers, students = rows.whole(teacher, model), rows.input(student, model)
    asked = [matching.judge] if matching.judge not in NO_MODEL else []
    job = Job(
        "score",
        students,
        settings,
        out,
        run,
        models.concurrency,
        ledger=budget.ledger([*asked, *([gsrm] if gsrm else [])]),
    )
    if run.dry_run:
        teachers.count()
        return job.dry_run(
            lambda raw: [
                Call(name, 800, 1, 4)
                for name in asked
                for _ in PARTS * len(raw.get("steps") or [0] * 8)
            ]
        )
    grader = Grader()
    matcher, judge = matching.matcher(models, grader, probabilities)
    segmenter = open_gsrm(gsrm, models, matching) if gsrm else None
    job.used = [grader, judge, segmenter.model if segmenter else None]
    teachers.count()
    scorer = pipeline.Scorer({}, matcher, segmenter, teacher_samples, probabilities)  # type: ignore[arg-type]
    if audit:
        return _audit(job, scorer, teachers, matcher, seed)
    summary = pipeline.Summary()
    shown: list[tuple[Raw, Raw]] = []
    loading, loaded = asyncio.Lock(), asyncio.Event()

    async def work(raw: Raw) -> list[Raw]:
        async with loading:
            if not loaded.is_set():
                scorer.teacher = await pipeline.teacher_steps(teachers, segmenter)
                loaded.set()
        scored = await scorer(raw)
        if show is not None and str(raw["id"]) == show:
            shown.append((raw, scored[0]))
        return scored

    outcome = job.run(work, summary.add)
    if not run.quiet:
        unused = len(scorer.teacher) - len(scorer.seen)
        extra = [("teacher ids without a student", str(unused))] if unused > 0 else []
        console.table("structured reward", summary.table() + extra)
    for raw, record in shown[:1]:
        show_pair(scorer.teacher[raw["id"]][0], raw, record)
    if show is not None and not shown:
        console.message(f"--show {show}: no such id was scored in this run", "yellow")
    if plot:
        from rlkd_cli.plots import plot_rewards

        plot_rewards(summary.rewards, summary.stops, plot)
    finish(outcome)


def _audit(job: Job, scorer: pipeline.Scorer, teachers: Input, matcher: Matcher, seed: int) -> None:
    """Asks the judge what it should know, and prints a table and whether it can be trusted."""

    async def go() -> list[Finding]:
        scorer.teacher = await pipeline.teacher_steps(teachers, scorer.gsrm)
        walks = []
        for item in job.source:
            if item.fault is None and item.raw["id"] in scorer.teacher:
                walks.append(
                    (scorer.teacher[item.raw["id"]][0], await scorer.student_steps(item.raw))
                )
        if not walks:
            raise InputError(
                job.source.source,
                "id",
                "no id of the teacher's file is in it: there is nothing to ask about",
            )
        try:
            return await Audit(matcher.judge, matcher.threshold, seed=seed).run(walks)
        finally:
            await job.close()

    findings = asyncio.run(go())
    for finding in findings:
        sys.stdout.write(dumps(finding.record()) + "\n")
    lines = [
        (
            f.test,
            f"{f.share:.1%}",
            f"{'at least' if f.at_least else 'at most'} {f.bound:.0%}",
            str(f.asked),
            str(f.unanswered),
        )
        for f in findings
    ]
    console.table(
        f"audit of {matcher.judge.name}",
        lines,
        ("test", "share", "should be", "asked", "unanswered"),
    )
    failed = [finding.test for finding in findings if not finding.passed]
    verdict = (
        f"this judge cannot be trusted here: {'; '.join(failed)}"
        if failed
        else "this judge passes every test"
    )
    console.message(verdict, "red" if failed else "green")
