"""`rlkd diversity`."""

from typing import Annotated

from rlkd_cli import console
from rlkd_cli.commands import options as opt
from rlkd_cli.commands.common import Table, end_with_rejects
from rlkd_cli.errors import UsageError
from rlkd_cli.models.embedders import PAPERS_EMBEDDER, open_embedder
from rlkd_cli.pipeline.diversity import diversity_per_step
from rlkd_cli.records.schema import Raw, Steps


@opt.grouped
def diversity(
    source: opt.In,
    *,
    embedder: Annotated[
        str,
        opt.option(
            "--embedder",
            help="A sentence-transformers model (4.3), or `lexical` (no model).",
            panel=opt.MODEL,
        ),
    ] = PAPERS_EMBEDDER,
    plot: opt.Plot = None,
    others: Annotated[
        list[str] | None,
        opt.option(
            "--with", metavar="FILE", help="More segmentations for the same plot.", panel=opt.IO
        ),
    ] = None,
    seed: opt.Seed = 0,
    rows: opt.Rows,
    out: opt.Out,
    run: opt.Run,
) -> None:
    """Measure how far a model's paths differ at each step (RLKD, 4.3, Figure 5).

    Reads segmentations with several samples of each id, writes one diversity record a step.
    """
    inputs = [rows.input(source, Steps), *(rows.input(name, Steps) for name in others or [])]
    if run.dry_run:
        counts = [(one.source, f"{sum(1 for _ in one):,} paths") for one in inputs]
        return console.table(
            "diversity (dry run)",
            [*counts, ("embeddings", f"one a distinct step text, by {embedder}")],
        )
    if out.output in [one.source for one in inputs] and out.output != "-":
        raise UsageError(f"{out.output} is an input")
    table = Table("diversity", out, rows, {"in": source, "embedder": embedder, "seed": seed})
    chosen = open_embedder(embedder)
    curves: dict[str, list[Raw]] = {}
    lost = []
    for one in inputs:
        items = list(one)
        lost += [item.rejected for item in items if item.fault]
        curves[one.source] = list(
            diversity_per_step((item.raw for item in items if not item.fault), chosen, seed)
        )
    table.write(curves[source])
    if plot:
        from rlkd_cli.plots import plot_diversity

        plot_diversity(curves, plot)
    if not run.quiet:
        for name, records in curves.items():
            lines = [
                (
                    str(r["step"]),
                    f"{r['diversity']:.4f}",
                    f"{r['ci_low']:.4f} to {r['ci_high']:.4f}",
                    str(r["questions"]),
                    str(r["left_out"]),
                )
                for r in records
            ]
            console.table(
                f"diversity per step, {name}",
                lines,
                ("step", "D", "95% interval", "questions", "left out"),
            )
            if not plot:
                console.bars("D - 1", [(f"step {r['step']}", r["diversity"] - 1) for r in records])
    end_with_rejects(lost, out.rejects_of("diversity"))
