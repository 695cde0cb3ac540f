"""`rlkd diversity`."""

from dataclasses import dataclass
from typing import Annotated

from rlkd_cli import console
from rlkd_cli.commands.common import Plotted, Running, Seeded
from rlkd_cli.commands.show.diversity import show_diversity
from rlkd_cli.commands.table import Table
from rlkd_cli.models.local.embedders import Embedder, Embedding, open_embedder
from rlkd_cli.option import IO, option
from rlkd_cli.pipeline.diversity import diversity_per_step
from rlkd_cli.records.read import In, Input, Rows
from rlkd_cli.records.schema import Raw, Steps
from rlkd_cli.records.write import Out


@dataclass(frozen=True, kw_only=True)
class Options(Running, Plotted, Out, Rows, Seeded, Embedding):
    source: In
    others: Annotated[
        list[str] | None,
        option(
            "--with",
            metavar="FILE",
            help="More segmentations for the same plot.",
            panel=IO,
            free=True,
            file="in",
        ),
    ] = None


def run(options: Options) -> int | None:
    """Reads segmentations with several samples of each id, writes one record per step."""
    main = options.read(options.source, Steps)
    others = [options.read(name, Steps) for name in options.others or []]
    if options.dry_run:
        counts = [(one.source, f"{sum(1 for _ in one):,} paths") for one in (main, *others)]
        asked = ("embeddings", f"one per distinct step text, by {options.embedder}")
        return console.table("diversity (dry run)", [*counts, asked])
    models = [options.embedder] if options.embedder != "lexical" else []
    table = Table("diversity", options, {"segmentations": main}, models=models, more=others)
    embedder = open_embedder(options.embedder) if table.finished is None or others else None
    curves: dict[str, list[Raw]] = {main.source: table.finished or []}
    for one in others if table.finished is not None else (main, *others):
        assert embedder is not None
        curves[one.source] = _curve(one, embedder, options.seed)
    table.write(curves[main.source])
    show_diversity(options, curves)
    return table.end([item.rejected for one in (main, *others) for item in one if item.fault])


def _curve(source: Input, embedder: Embedder, seed: int) -> list[Raw]:
    sound = (item.raw for item in source if not item.fault)
    return list(diversity_per_step(sound, embedder, seed))
