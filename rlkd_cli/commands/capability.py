"""`rlkd capability`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rlkd_cli import console
from rlkd_cli.commands.common import Plotted, Running
from rlkd_cli.commands.show.capability import show_capability
from rlkd_cli.commands.table import Table
from rlkd_cli.core.question import Prompting
from rlkd_cli.errors import UsageError
from rlkd_cli.models.spec import engine_of
from rlkd_cli.option import IO, MODEL, argument, option
from rlkd_cli.pipeline.capability import Model, reflection_keywords
from rlkd_cli.pipeline.capability import capability as measure
from rlkd_cli.pipeline.likelihood import mean_likelihood
from rlkd_cli.records.manifest import contents
from rlkd_cli.records.read import Rows
from rlkd_cli.records.schema import GradedPath
from rlkd_cli.records.write import Out


@dataclass(frozen=True, kw_only=True)
class Options(Running, Plotted, Out, Rows, Prompting):
    before: Annotated[
        str,
        argument(
            "BEFORE", "The first model's graded paths, as `eval` writes them.", free=True, file="in"
        ),
    ]
    after: Annotated[
        str,
        argument(
            "AFTER",
            "The trained model's graded paths for the same questions.",
            free=True,
            file="in",
        ),
    ]
    k: Annotated[
        int | None,
        option(
            "--k",
            min=1,
            help="Samples per question that capability is computed from (default: all).",
        ),
    ] = None
    keywords: Annotated[
        Path | None,
        option(
            "--keywords",
            metavar="FILE",
            help="Keywords that count as reflection, one per line (default: our list).",
            panel=IO,
            free=True,
            file="in",
        ),
    ] = None
    base_model: Annotated[
        str | None,
        option(
            "--base-model",
            help="Also report the likelihood of the paths under this model (hf/NAME_OR_DIR).",
            panel=MODEL,
        ),
    ] = None

    @property
    def unused(self) -> set[str]:
        """Prompts are those of likelihoods, which are asked of a base model alone."""
        return set() if self.base_model else {"prompt_template", "system"}


def run(options: Options) -> int | None:
    """Reads two files of graded paths.

    Writes one record per bin of the first model's success rate, and one for all questions.
    """
    inputs = [options.read(name, GradedPath) for name in (options.before, options.after)]
    if options.dry_run:
        rows = [(one.source, f"{sum(1 for _ in one):,} graded paths") for one in inputs]
        return console.table("capability (dry run)", rows)
    base = options.base_model
    if base and engine_of(base) not in ("hf", "any"):
        raise UsageError(
            f"--base-model {base}: likelihoods need a model loaded in this process: hf/NAME"
        )
    words = _keywords(options.keywords)
    known = {"the list of keywords": words}
    named = dict(zip(("before", "after"), inputs, strict=True))
    table = Table("capability", options, named, contents(known), [base] if base else [])
    records = table.finished
    if records is None:
        read = [Model.read((i.raw for i in one if not i.fault), words) for one in inputs]
        bins, whole = measure(read[0], read[1], options.k)
        for name, model in zip(named, read, strict=True) if base else ():
            whole[f"likelihood_{name}"] = mean_likelihood(str(base), model.paths, options)
        records = [*bins, whole]
    table.write(records)
    if options.plot:
        from rlkd_cli.plots import plot_capability

        plot_capability(records[:-1], options.plot)
    if not options.quiet:
        show_capability(records[:-1], records[-1])
    return table.end([item.rejected for one in inputs for item in one if item.fault])


def _keywords(file: Path | None) -> list[str]:
    """What counts as reflection; UsageError for a file that cannot be read."""
    try:
        return reflection_keywords(file.read_text("utf-8") if file else None)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--keywords {file}: {error}") from None
