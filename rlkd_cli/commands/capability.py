"""`rlkd capability`."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

from rlkd_cli import console
from rlkd_cli.commands import options as opt
from rlkd_cli.commands.common import Table, end_with_rejects
from rlkd_cli.core.question import question
from rlkd_cli.errors import UsageError
from rlkd_cli.models import user
from rlkd_cli.models.spec import engine_of, model_of
from rlkd_cli.pipeline.capability import Model, reflection_keywords
from rlkd_cli.pipeline.capability import capability as measure
from rlkd_cli.records.schema import GradedPath


@opt.grouped
def capability(
    before: Annotated[
        str, opt.argument("BEFORE", "The first model's graded paths, as `eval` writes them.")
    ],
    after: Annotated[
        str, opt.argument("AFTER", "The trained model's graded paths for the same questions.")
    ],
    *,
    k: Annotated[
        int | None,
        opt.option(
            "--k", min=1, help="Samples that capability is seen through (default: all there are)."
        ),
    ] = None,
    keywords: Annotated[
        Path | None,
        opt.option(
            "--keywords",
            metavar="FILE",
            help="What counts as reflection, one a line (default: our list).",
            panel=opt.IO,
        ),
    ] = None,
    base_model: Annotated[
        str | None,
        opt.option(
            "--base-model",
            help="Also: how likely both models' paths are under this model (hf/NAME_OR_DIR).",
            panel=opt.MODEL,
        ),
    ] = None,
    ask: opt.Ask,
    plot: opt.Plot = None,
    rows: opt.Rows,
    out: opt.Out,
    run: opt.Run,
) -> None:
    """Tell accuracy from capability: what training gained and lost, by how hard questions were before (2505.14216).

    Reads two files of graded paths; writes a record a bin of the first model's success rate, and one of the whole.
    """
    inputs = [rows.input(name, GradedPath) for name in (before, after)]
    if run.dry_run:
        return console.table(
            "capability (dry run)",
            [(one.source, f"{sum(1 for _ in one):,} graded paths") for one in inputs],
        )
    words = reflection_keywords(keywords.read_text("utf-8")) if keywords else None
    named = {"before": before, "after": after, "k": k, "keywords": words, "base_model": base_model}
    table = Table("capability", out, rows, named)
    items = [list(one) for one in inputs]
    models = [Model.read((item.raw for item in each if not item.fault), words) for each in items]
    records, whole = measure(models[0], models[1], k)
    if base_model:
        for name, model in zip(("before", "after"), models, strict=True):
            whole[f"likelihood_{name}"] = _likelihood(base_model, model, ask)
    table.write([*records, whole])
    if plot:
        from rlkd_cli.plots import plot_capability

        plot_capability(records, plot)
    if not run.quiet:
        _show(records, whole)
    lost = [item.rejected for each in items for item in each if item.fault]
    end_with_rejects(lost, out.rejects_of("capability"))


def _show(records: list[dict[str, Any]], whole: dict[str, Any]) -> None:
    columns = ("accuracy_before", "accuracy_after", "capability_before", "capability_after")
    lines = [
        (r["bin"], str(r["questions"]), *(f"{r[name]:.3f}" for name in columns))
        for r in [*records, whole]
    ]
    console.table(
        f"by success rate before (k = {whole['k']})",
        lines,
        ("success rate before", "questions", "accuracy", "after", "capability", "after"),
    )
    facts = [(name, str(len(whole[name]))) for name in ("gained", "lost")]
    facts += [
        (name.replace("_", " "), f"{whole[name]:.3f}")
        for name in whole
        if name.startswith(("length", "reflections", "likelihood"))
    ]
    facts += [
        (
            "a question never solved may still have a rate of up to",
            f"{whole['never_solved_bound']:.3f}",
        )
    ]
    console.table("the whole", facts)


def _likelihood(spec: str, model: Model, ask: opt.Ask) -> float:
    """The mean log-probability of a token of the paths under the model that `spec` names."""
    if engine_of(spec) not in ("hf", "any"):
        raise UsageError(
            f"--base-model {spec}: the likelihood of a text is had from a model in this process: hf/NAME_OR_DIR"
        )
    from rlkd_cli.models.hf import HfModel

    engine = HfModel(model_of(spec), batch_size=16)

    async def go() -> list[float]:
        jobs = (
            engine.log_likelihood(
                user(question({"problem": problem}, ask.prompt_template), ask.system), path
            )
            for problem, path in model.paths
        )
        return list(await asyncio.gather(*jobs))

    values = asyncio.run(go())
    return sum(values) / len(values)
