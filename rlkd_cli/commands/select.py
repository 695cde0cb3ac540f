"""`rlkd select`."""

from dataclasses import dataclass
from typing import Annotated

from rlkd_cli import console
from rlkd_cli.benchmarks import BENCHMARKS, benchmark
from rlkd_cli.commands.common import Running
from rlkd_cli.commands.table import Table
from rlkd_cli.errors import InputError
from rlkd_cli.models.local.embedders import Embedding, open_embedder
from rlkd_cli.option import IO, argument, option
from rlkd_cli.pipeline.select import least_similar
from rlkd_cli.records.read import Rows
from rlkd_cli.records.schema import Problem
from rlkd_cli.records.write import Out


@dataclass(frozen=True, kw_only=True)
class Options(Running, Out, Rows, Embedding):
    pool: Annotated[
        str, argument("POOL", "Problems, or paths, to choose from.", free=True, file="in")
    ]
    away_from: Annotated[
        str,
        option(
            "--away-from",
            metavar="BENCH",
            help="A benchmark's name, or a file of problems.",
            panel=IO,
            file="perhaps",
        ),
    ]
    number: Annotated[
        int, option("--number", "-n", min=1, help="How many problems to choose (4.3: 3.2K).")
    ] = 3200

    @property
    def unused(self) -> set[str]:
        """A file of tests is known by its contents, not by its name."""
        return set() if self.away_from in BENCHMARKS else {"away_from"}


def run(options: Options) -> int | None:
    """Reads problems; writes the chosen ones in their order.

    It adds `similarity`, the cosine with the nearest test problem.
    """
    pool = options.read(options.pool, Problem)
    tests = Rows().read(benchmark(options.away_from).source, Problem)
    if options.dry_run:
        counts = [(one.source, f"{sum(1 for _ in one):,} problems") for one in (pool, tests)]
        more = [("to choose", f"{options.number:,}"), ("embedder", options.embedder)]
        return console.table("select (dry run)", [*counts, *more])
    models = [options.embedder] if options.embedder != "lexical" else []
    table = Table("select", options, {"pool": pool, "test set": tests}, models=models)
    problems = [item.raw["problem"] for item in tests]
    if not problems:
        raise InputError(tests.source, "", "holds no problem")
    chosen = table.finished
    if chosen is None:
        sound = (item.raw for item in pool if not item.fault)
        chosen = least_similar(sound, problems, open_embedder(options.embedder), options.number)
    table.write(chosen)
    if not options.quiet:
        most = max((record["similarity"] for record in chosen), default=0.0)
        near = f"similarity to {len(problems)} test problems at most {most:.3f}"
        number = len({record["id"] for record in chosen})
        console.message(f"select: {number} problems chosen, {near}")
    return table.end([item.rejected for item in pool if item.fault])
