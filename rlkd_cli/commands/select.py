"""`rlkd select`."""

from typing import Annotated

from rlkd_cli import console
from rlkd_cli.benchmarks import benchmark
from rlkd_cli.commands import options as opt
from rlkd_cli.commands.common import Table, end_with_rejects
from rlkd_cli.errors import InputError
from rlkd_cli.models.embedders import PAPERS_EMBEDDER, open_embedder
from rlkd_cli.pipeline.select import least_similar
from rlkd_cli.records.schema import Problem


@opt.grouped
def select(
    pool: Annotated[str, opt.argument("POOL", "Problems, or paths, to choose from.")],
    *,
    away_from: Annotated[
        str,
        opt.option(
            "--away-from",
            metavar="BENCH",
            help="A benchmark's name, or a file of problems.",
            panel=opt.IO,
        ),
    ],
    number: Annotated[
        int, opt.option("--number", "-n", min=1, help="How many to choose (4.3: 3.2K).")
    ] = 3200,
    embedder: Annotated[
        str,
        opt.option(
            "--embedder",
            help="A sentence-transformers model (4.3), or `lexical` (no model).",
            panel=opt.MODEL,
        ),
    ] = PAPERS_EMBEDDER,
    rows: opt.Rows,
    out: opt.Out,
    run: opt.Run,
) -> None:
    """Choose the records least like a test set, by embedding: a training subset that shares nothing with it (4.3).

    Reads problems; writes the chosen ones in their order, with `similarity` to the nearest test problem.
    """
    inputs, tests = (
        rows.input(pool, Problem),
        opt.Rows().input(benchmark(away_from).source, Problem),
    )
    if run.dry_run:
        counts = [(one.source, f"{sum(1 for _ in one):,} problems") for one in (inputs, tests)]
        return console.table(
            "select (dry run)", [*counts, ("to choose", f"{number:,}"), ("embedder", embedder)]
        )
    problems = [item.raw["problem"] for item in tests]
    if not problems:
        raise InputError(tests.source, "", "holds no problem")
    table = Table(
        "select",
        out,
        rows,
        {"pool": pool, "away_from": away_from, "number": number, "embedder": embedder},
    )
    lost = []

    def sound():  # type: ignore[no-untyped-def]
        for item in inputs:
            if item.fault:
                lost.append(item.rejected)
            else:
                yield item.raw

    chosen = least_similar(sound(), problems, open_embedder(embedder), number)
    table.write(chosen)
    if not run.quiet:
        most = max((record["similarity"] for record in chosen), default=0.0)
        console.message(
            f"select: {len(chosen)} records chosen, at most {most:.3f} like the nearest of {len(problems)} test problems"
        )
    end_with_rejects(lost, out.rejects_of("select"))
