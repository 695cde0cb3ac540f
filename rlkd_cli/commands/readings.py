"""Other readings of graded paths than `rlkd eval`'s own: tables, comparisons, doubts, exports."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rlkd_cli import __version__
from rlkd_cli.commands.files import write_json_lines, write_text
from rlkd_cli.errors import UsageError
from rlkd_cli.models.spec import shown
from rlkd_cli.pipeline.doubtful import doubtful
from rlkd_cli.pipeline.evaluate import Summary
from rlkd_cli.pipeline.export import check_export, export
from rlkd_cli.pipeline.table import render, table
from rlkd_cli.records.read import Input
from rlkd_cli.records.schema import GradedPath, Raw
from rlkd_cli.reward.grading.grader import Grader


def check(options: Any) -> None:
    """UsageError for options that cannot be combined."""
    named = (options.bench, options.samples, options.compare_files, options.doubtful)
    if sum(given is not None for given in named) + options.table != 1:
        raise UsageError(
            "name one of: a benchmark (--bench), paths sampled before (--samples), two graded "
            "files (--compare), several (--table), one whose grades are in doubt (--doubtful)"
        )
    if bool(options.files) != options.table:
        raise UsageError("--table FILE…: files of graded paths go with --table, and it with them")
    if options.bench and options.k > options.count:
        needed = f"--k {options.k} needs at least {options.k} runs of each question"
        raise UsageError(f"{needed}; --runs is {options.count}")
    if options.checkpoints and not (options.bench and options.output):
        raise UsageError(
            "--checkpoints needs --bench, and -o FILE for the graded paths of each checkpoint"
        )
    if options.export and not options.bench:
        raise UsageError("--export needs --bench: results are those of a benchmark")
    if options.export:
        check_export(options.export, options.chosen)


def graded(source: Input) -> Summary:
    """What a file of graded paths adds up to."""
    return Summary.of(item.raw for item in source if item.fault is None)


def graded_files(options: Any, names: Sequence[str]) -> list[tuple[str, Summary]]:
    """The same of several files, with their names."""
    return [(name, graded(options.read(name, GradedPath))) for name in names]


def write_table(options: Any) -> None:
    """Table 1 from graded files, as text and as a figure."""
    rows = table(dict(graded_files(options, options.files)), options.k if options.k > 1 else None)
    write_text(render(rows, options.table_format), options.output)
    if options.plot:
        from rlkd_cli.plots import plot_table

        plot_table(rows, options.plot)


def write_doubtful(options: Any) -> None:
    """The pairs of a graded file that only one way of comparing accepts."""
    records = [
        item.raw for item in options.read(options.doubtful, GradedPath) if item.fault is None
    ]

    async def look() -> list[Raw]:
        grader = Grader(options.grade_timeout)
        try:
            return await doubtful(records, grader)
        finally:
            await grader.close()

    write_json_lines(asyncio.run(look()), options.output)


def write_export(options: Any, metrics: dict[str, Any]) -> None:
    """Today's results in the form of the hub, or of lighteval, by the file's ending."""
    text = export(
        options.export,
        str(options.bench),
        options.chosen,
        metrics,
        model=shown(options.model),
        protocol=options.protocol,
        version=__version__,
        date=datetime.now(UTC).date().isoformat(),
        sampling=options.sampling,
    )
    write_text(text, options.export)
