"""`rlkd score`."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

from rlkd_cli import console
from rlkd_cli.commands.common import Plotted, Running, Seeded, in_flight, opened, status_of
from rlkd_cli.commands.files import write_json_lines
from rlkd_cli.commands.job import Job, Opened
from rlkd_cli.commands.show.scores import show_audit, show_scores
from rlkd_cli.commands.slices import Slicing
from rlkd_cli.errors import UsageError
from rlkd_cli.models import Asking
from rlkd_cli.option import MODEL, argument, option
from rlkd_cli.pipeline.audit import audit_scorer
from rlkd_cli.pipeline.ledger import Budget
from rlkd_cli.pipeline.score import Scorer, Summary, score_calls
from rlkd_cli.records.read import Input, Rows
from rlkd_cli.records.schema import Steps, StepsOrPath
from rlkd_cli.records.write import Continued
from rlkd_cli.reward.compared import TeacherPaths
from rlkd_cli.reward.grading.grader import Grader
from rlkd_cli.reward.structured import Matching, Structure


@dataclass(frozen=True, kw_only=True)
class Options(
    Slicing, Running, Plotted, Budget, Asking, Continued, Rows, Seeded, TeacherPaths, Matching
):
    teacher: Annotated[
        str, argument("TEACHER", "The teacher's segmentations.", free=True, file="in")
    ]
    student: Annotated[
        str,
        argument(
            "STUDENT", "The student's segmentations (or paths, with --gsrm).", free=True, file="in"
        ),
    ]
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

    @property
    def unused(self) -> set[str]:
        """The seed is the audit's, which writes no file of scores."""
        return {"seed"}


def run(options: Options) -> int | None:
    """Joins two files of segmentations on `id` and writes a score record for each student path."""
    if options.teacher == options.student == "-":
        raise UsageError("only one of TEACHER and STUDENT can be standard input")
    options.check(options.probabilities)
    schema = StepsOrPath if options.gsrm else Steps
    teacher, student = options.whole(options.teacher, schema), options.read(options.student, schema)
    teacher.hold()
    job = Job("score", options, student, options.models, {"teacher": teacher})
    if options.dry_run:
        return job.dry_run(lambda raw: score_calls(raw, options))
    if options.audit:
        return _audit(options, teacher, student)
    summary, scorers = Summary(), list[Scorer]()
    job.on_record = summary.add

    def open_work() -> Opened:
        scorer, grader = open_scorer(options, teacher)
        scorers.append(scorer)
        gsrm = scorer.structure.gsrm
        flight = in_flight(options, gsrm.model if gsrm else None)
        return Opened(scorer, flight, [scorer.structure, grader])

    outcome = job.run(open_work)
    if not outcome.is_part:
        show_scores(options, summary, scorers)
    return status_of(outcome.rejected)


def open_scorer(options: Options, teacher: Input) -> tuple[Scorer, Grader]:
    """What scores a record, and the grader to be closed after it."""
    grader = Grader()
    known = (options.probabilities, options.overwrite)
    structure = Structure.open(
        options, lambda spec: opened(options, spec), grader, *known, tell=console.message
    )
    samples: Any = options.teacher_samples
    how = (options.concurrency, samples, options.probabilities, options.show)
    return Scorer(structure, teacher, *how), grader


def _audit(options: Options, teacher: Input, student: Input) -> None:
    """Tests the judge on questions with known answers, and writes a record per test."""
    teacher.scan()
    student.hold()
    student.scan()
    scorer, grader = open_scorer(options, teacher)
    with console.View("audit", None, options.quiet) as view:
        job = audit_scorer(scorer, student, options.seed, view.update, grader)
        findings = asyncio.run(job)
    write_json_lines([finding.record() for finding in findings], options.output)
    show_audit(scorer.structure.matcher.judge.name, findings)
