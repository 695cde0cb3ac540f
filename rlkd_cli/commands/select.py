"""`rlkd select`."""

from dataclasses import dataclass
from typing import Annotated

from rlkd_cli import console
from rlkd_cli.benchmarks import BENCHMARKS, benchmark
from rlkd_cli.commands.common import Running, Seeded
from rlkd_cli.commands.table import Table
from rlkd_cli.errors import InputError, UsageError
from rlkd_cli.models.local.embedders import Embedding, open_embedder
from rlkd_cli.option import IO, argument, option
from rlkd_cli.pipeline.select import drawn, in_band, least_similar, success_rates
from rlkd_cli.records.read import Input, Rows
from rlkd_cli.records.schema import GradedPath, Problem
from rlkd_cli.records.write import Out


@dataclass(frozen=True, kw_only=True)
class Options(Running, Out, Rows, Embedding, Seeded):
    pool: Annotated[
        str, argument("POOL", "Problems, or paths, to choose from.", free=True, file="in")
    ]
    away_from: Annotated[
        str | None,
        option(
            "--away-from",
            metavar="BENCH",
            help="Choose what is least similar to this: a benchmark's name, or a file of problems.",
            panel=IO,
            file="perhaps",
        ),
    ] = None
    by_success: Annotated[
        str | None,
        option(
            "--by-success",
            metavar="GRADED",
            help="Choose by the success rates in this file of graded paths, as `eval` writes it.",
            panel=IO,
            file="in",
        ),
    ] = None
    success_from: Annotated[
        float, option("--from", min=0, max=1, help="--by-success: the lowest rate.")
    ] = 0.0
    success_to: Annotated[
        float, option("--to", min=0, max=1, help="--by-success: the highest rate.")
    ] = 1.0
    number: Annotated[
        int,
        option(
            "--number",
            "-n",
            min=1,
            help="How many problems to choose (4.3: 3.2K); of more in the band, --seed draws.",
        ),
    ] = 3200

    @property
    def unused(self) -> set[str]:
        """A file is known by its contents, not by its name; each way of choosing has its own
        options.
        """
        if self.by_success is not None:
            return {"away_from", "by_success", "embedder"}
        own = set() if self.away_from in BENCHMARKS else {"away_from"}
        return {*own, "by_success", "success_from", "success_to", "seed"}


def run(options: Options) -> int | None:
    """Reads problems; writes the chosen ones in their order, all paths of each.

    It adds `similarity`, the cosine with the nearest test problem, or `success_rate` and `runs`.
    """
    if (options.away_from is None) == (options.by_success is None):
        raise UsageError("select: name one of --away-from BENCH and --by-success GRADED")
    if options.success_from > options.success_to:
        raise UsageError(f"--from {options.success_from:g} is above --to {options.success_to:g}")
    pool = options.read(options.pool, Problem)
    return _by_success(options, pool) if options.by_success else _away(options, pool)


def _away(options: Options, pool: Input) -> int | None:
    tests = Rows().read(benchmark(str(options.away_from)).source, Problem)
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


def _by_success(options: Options, pool: Input) -> int | None:
    graded = options.whole(str(options.by_success), GradedPath)
    if options.dry_run:
        counts = [(pool.source, f"{sum(1 for _ in pool):,} problems")]
        counts += [(graded.source, f"{sum(1 for _ in graded):,} graded paths")]
        return console.table("select (dry run)", counts)
    table = Table("select", options, {"pool": pool, "graded paths": graded})
    rates = success_rates(item.raw for item in graded if not item.fault)
    sound = [item.raw for item in pool if not item.fault]
    known = len({raw["id"] for raw in sound if str(raw["id"]) in rates})
    if not known:
        raise InputError(graded.source, "", f"holds no path of a problem of {pool.source}")
    band = in_band(sound, rates, options.success_from, options.success_to)
    chosen = table.finished
    if chosen is None:
        chosen = drawn(band, options.number, options.seed)
    table.write(chosen)
    if not options.quiet:
        count, of = (len({raw["id"] for raw in some}) for some in (chosen, band))
        span = f"success rate {options.success_from:g} to {options.success_to:g}"
        console.message(f"select: {count} of {of} problems with {span} chosen, {known} have runs")
    return table.end([item.rejected for one in (pool, graded) for item in one if item.fault])
