"""`rlkd score`."""

import asyncio
import sys
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from rlkd_cli import console
from rlkd_cli.commands.common import (
    Job,
    Opened,
    Plotted,
    Running,
    Seeded,
    finish,
    in_flight,
    opened,
)
from rlkd_cli.commands.show import show_pair
from rlkd_cli.core.steps import PARTS
from rlkd_cli.errors import InputError, UsageError
from rlkd_cli.models import Asking
from rlkd_cli.option import MODEL, argument, option
from rlkd_cli.pipeline.audit import Audit, Finding
from rlkd_cli.pipeline.estimate import Call
from rlkd_cli.pipeline.ledger import Budget
from rlkd_cli.pipeline.score import Scorer, Summary, TeacherSamples
from rlkd_cli.records.read import Input, Rows
from rlkd_cli.records.schema import Raw, Steps, StepsOrPath
from rlkd_cli.records.write import Continued, dumps
from rlkd_cli.reward.grading import Grader
from rlkd_cli.reward.judges import JUDGES
from rlkd_cli.reward.structured import Matching, Structure


@dataclass(frozen=True, kw_only=True)
class Options(Running, Plotted, Budget, Asking, Continued, Rows, Seeded, Matching):
    teacher: Annotated[str, argument("TEACHER", "The teacher's segmentations.", free=True)]
    student: Annotated[
        str,
        argument("STUDENT", "The student's segmentations (or paths, with --gsrm).", free=True),
    ]
    teacher_samples: Annotated[
        str,
        option(
            "--teacher-samples",
            help="With several teacher paths of an id, use: best, mean, or first.",
            choices=get_args(TeacherSamples),
        ),
    ] = "first"
    probabilities: Annotated[
        bool,
        option(
            "--probabilities",
            help="Add `probabilities` to the records: how sure the judge is of each match.",
            panel=MODEL,
        ),
    ] = False
    show: Annotated[
        str | None,
        option(
            "--show",
            metavar="ID",
            help="Print one id's two step sequences side by side.",
            free=True,
        ),
    ] = None
    audit: Annotated[
        bool,
        option(
            "--audit",
            help="Test the judge on this input instead of scoring it; writes one record per test.",
            free=True,
        ),
    ] = False


def run(options: Options) -> None:
    """Joins two files of segmentations on `id` and writes a score record for each student path."""
    if options.teacher == options.student == "-":
        raise UsageError("only one of TEACHER and STUDENT can be standard input")
    options.check(options.probabilities)
    schema = StepsOrPath if options.gsrm else Steps
    teacher, student = options.whole(options.teacher, schema), options.read(options.student, schema)
    teacher.hold()
    job = Job("score", options, student, options.models, {"teacher": teacher})
    if options.dry_run:
        return job.dry_run(lambda raw: _calls(raw, options))
    if options.audit:
        return _audit(options, teacher, student)
    summary, scorers = Summary(), list[Scorer]()
    job.on_record = summary.add

    def open_work() -> Opened:
        scorer, grader = _open(options, teacher)
        scorers.append(scorer)
        gsrm = scorer.structure.gsrm
        flight = in_flight(options, gsrm.model if gsrm else None)
        return Opened(scorer, flight, [scorer.structure, grader])

    outcome = job.run(open_work)
    _show(options, summary, scorers)
    finish(outcome)


def _open(options: Options, teacher: Input) -> tuple[Scorer, Grader]:
    grader = Grader()
    structure = Structure.open(
        options,
        lambda spec: opened(options, spec),
        grader,
        options.probabilities,
        options.overwrite,
    )
    samples: Any = options.teacher_samples
    return Scorer(structure, teacher, samples, options.probabilities, options.show), grader


def _calls(raw: Raw, options: Options) -> list[Call]:
    """At most one question per part and step; a path without steps is assumed to have eight."""
    steps = raw.get("steps") or [None] * 8
    asked = [] if options.judge in JUDGES else [options.judge]
    calls = [Call(name, 800, 1, 4) for name in asked for _ in PARTS * len(steps)]
    if options.gsrm and not raw.get("steps"):
        length = len(raw["path"])
        calls.append(Call(options.gsrm, length, length / 8, options.gsrm_max_tokens))
    return calls


def _show(options: Options, summary: Summary, scorers: list[Scorer]) -> None:
    """Prints the summary of the rewards and the pair asked for, and draws the figure."""
    if not options.quiet:
        unused = sum(scorer.unused for scorer in scorers)
        extra = [("teacher ids without a student", str(unused))] if unused else []
        lost = sum(scorer.lost for scorer in scorers)
        extra += [("teacher rows left out", str(lost))] if lost else []
        console.table("structured reward", summary.table() + extra)
    for scorer in scorers:
        _say_left_out(options, scorer)
    pairs = [scorer.watched for scorer in scorers if scorer.watched]
    for pair in pairs:
        show_pair(*pair)
    if options.show is not None and not pairs:
        console.message(f"--show {options.show}: no such id was scored in this run", "yellow")
    if options.plot:
        from rlkd_cli.plots import plot_rewards

        plot_rewards(summary.rewards, summary.stops, options.plot)


def _say_left_out(options: Options, scorer: Scorer) -> None:
    """How many of the teacher's rows were of no use, and the first of them."""
    if scorer.lost:
        name, why = next(iter(scorer.left_out.items()))
        first = "" if name is None else f"id {name!r}: "
        said = f"{options.teacher}: {scorer.lost} of the teacher's rows left out"
        console.message(f"{said} ({first}{why})", "yellow")


def _audit(options: Options, teacher: Input, student: Input) -> None:
    """Tests the judge on questions with known answers, and prints what it fails."""
    teacher.scan()
    student.hold()
    student.scan()
    findings, name = asyncio.run(_findings(options, teacher, student))
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
    header = ("test", "share", "should be", "asked", "unanswered")
    console.table(f"audit of {name}", lines, header)
    failed = "; ".join(finding.test for finding in findings if not finding.passed)
    verdict = f"this judge cannot be trusted here: {failed}"
    said = verdict if failed else "this judge passes every test"
    console.message(said, "red" if failed else "green")


async def _findings(options: Options, teacher: Input, student: Input) -> tuple[list[Finding], str]:
    scorer, grader = _open(options, teacher)
    structure = scorer.structure
    try:
        known = await scorer.teacher()
        paired = [i.raw for i in student if i.fault is None and i.raw["id"] in known]
        walks = [(known[raw["id"]][0], await structure.steps(raw)) for raw in paired]
        if not walks:
            reason = "no id of the teacher's file is in it: there is nothing to ask about"
            raise InputError(student.source, "id", reason)
        matcher = structure.matcher
        audit = Audit(matcher.judge, matcher.threshold, seed=options.seed)
        with console.View("audit", None, options.quiet) as view:
            return await audit.run(walks, view.update), matcher.judge.name
    finally:
        await structure.close()
        await grader.close()
