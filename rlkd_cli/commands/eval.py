"""`rlkd eval`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rlkd_cli import console
from rlkd_cli.commands import evaluation as work
from rlkd_cli.commands import readings
from rlkd_cli.commands.common import Plotted, status_of
from rlkd_cli.commands.show import evaluation as show
from rlkd_cli.option import IO, argument, option
from rlkd_cli.pipeline.compare import compare
from rlkd_cli.pipeline.evaluate import Summary
from rlkd_cli.pipeline.table import FORMATS


@dataclass(frozen=True, kw_only=True)
class Options(Plotted, work.Evaluating):
    files: Annotated[
        list[str] | None,
        argument("FILE…", "With --table: files of graded paths, a row each.", free=True, file="in"),
    ] = None
    table: Annotated[
        bool,
        option(
            "--table",
            help="Table 1 from graded files: pass@1 by run counts, pass@k, 95% intervals.",
            panel=IO,
            free=True,
        ),
    ] = False
    table_format: Annotated[
        str,
        option(
            "--format",
            help="Of --table: markdown, latex or csv.",
            choices=tuple(FORMATS),
            free=True,
        ),
    ] = "markdown"
    compare_files: Annotated[
        tuple[str, str] | None,
        option(
            "--compare",
            metavar="A B",
            help="Compare two files of graded paths question by question.",
            panel=IO,
            free=True,
            file="in",
        ),
    ] = None
    doubtful: Annotated[
        str | None,
        option(
            "--doubtful",
            metavar="FILE",
            help="List the pairs of a graded file that only one of text, numbers and algebra "
            "accepts.",
            panel=IO,
            free=True,
            file="in",
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
    others: Annotated[
        list[str] | None,
        option(
            "--with",
            metavar="FILE",
            help="More graded paths for the same plot; repeat for several.",
            panel=IO,
            free=True,
            file="in",
        ),
    ] = None
    export: Annotated[
        str | None,
        option(
            "--export",
            metavar="FILE",
            help="Write results as the hub's .eval_results (.yaml) or lighteval's (.json).",
            panel=IO,
            free=True,
            file="out",
        ),
    ] = None
    json_summary: Annotated[
        bool,
        option(
            "--json",
            help="Print the summary as JSON on standard output, instead of the paths.",
            free=True,
        ),
    ] = False
    show_prompt: Annotated[
        bool,
        option(
            "--show-prompt", help="Print the first question as the model is asked it.", free=True
        ),
    ] = False


def run(options: Options) -> int | None:
    """Samples a benchmark from a model, or reads --samples; writes graded paths with `prediction`,
    `correct` and `verdict`, and prints the summary to standard error.
    """
    readings.check(options)
    if options.table:
        return readings.write_table(options)
    if options.compare_files:
        pair = readings.graded_files(options, options.compare_files)
        return show.comparison(
            options.compare_files, compare(*(graded for _, graded in pair)), options.json_summary
        )
    if options.doubtful:
        return readings.write_doubtful(options)
    if options.show_prompt:
        return console.message(options.question(work.first_of(work.source_of(options))))
    if options.dry_run:
        job = work.job_of(options, Summary())
        return job.dry_run(lambda raw: work.calls_of(raw, options))
    if options.checkpoints:
        found = work.each_checkpoint(options, options.checkpoints)
        if any(outcome.is_part for *_, outcome in found):
            return status_of(sum(outcome.rejected for *_, outcome in found))
        show.checkpoints(options, options.checkpoints.name, [one[:2] for one in found])
        return status_of(sum(outcome.rejected for *_, outcome in found))
    others = readings.graded_files(options, options.others or [])
    summary, outcome = work.evaluate(options, options.json_summary and options.output is None)
    if outcome.is_part:
        return status_of(outcome.rejected)
    metrics = summary.metrics(options.k)
    show.summary(options, metrics, {options.bench or str(options.samples): summary, **dict(others)})
    if options.export:
        readings.write_export(options, metrics)
    return status_of(outcome.rejected + metrics.get("missing samples", 0))
