"""Table 1 from files of graded paths: pass@1 by run counts and pass@k, with intervals."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rlkd_cli.core.metrics import bootstrap_interval, pass_at_k
from rlkd_cli.errors import UsageError
from rlkd_cli.pipeline.evaluate import RUN_COUNTS, Summary
from rlkd_cli.records.schema import Raw

Cell = tuple[float, float, float]  # a value and the ends of its 95% interval


def table(summaries: Mapping[str, Summary], k: int | None = None) -> list[Raw]:
    """A row a file: `name`, `questions`, `runs`, and `cells`, from a column's name to a Cell.

    Columns are pass@1 over the first 1, 4, 8 … runs, over all, and pass@k for these counts and `k`,
    as far as every file has them for every question. UsageError where one has no question, or fewer
    than `k` samples of one.
    """
    empty = next((name for name, one in summaries.items() if not one.results), None)
    if empty is not None or not summaries:
        raise UsageError(f"--table: {empty or 'no file'} holds no graded path")
    fewest = min(one.fewest for one in summaries.values())
    if k is not None and k > fewest:
        short = min(summaries, key=lambda name: summaries[name].fewest)
        raise UsageError(f"--table --k {k}: {short} has {fewest} samples of a question")
    counts = [count for count in RUN_COUNTS if count <= fewest]
    ks = sorted({*(count for count in counts if count > 1), *([k] if k and k > 1 else [])})
    return [
        {
            "name": name,
            "questions": len(one.results),
            "runs": one.fewest,
            "cells": _cells(one, counts, ks),
        }
        for name, one in summaries.items()
    ]


def _cells(summary: Summary, counts: Sequence[int], ks: Sequence[int]) -> dict[str, Cell]:
    questions = summary.questions
    cells = {}
    for count in counts:
        cells[f"pass@1 ({count})"] = _cell([sum(q[:count]) / count for q in questions])
    cells["pass@1 (all)"] = _cell([sum(q) / len(q) for q in questions])
    for k in ks:
        cells[f"pass@{k}"] = _cell([pass_at_k(len(q), sum(q), k) for q in questions])
    return cells


def _cell(values: Sequence[float]) -> Cell:
    return (sum(values) / len(values), *bootstrap_interval(values))


def _percent(cell: Cell) -> tuple[str, str]:
    value, low, high = (100 * part for part in cell)
    return f"{value:.1f}", f"{low:.1f}–{high:.1f}"


def markdown(rows: Sequence[Raw]) -> str:
    """Percentages, with the interval in brackets."""
    heads = ["", "questions", *rows[0]["cells"]]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for row in rows:
        cells = ["{} [{}]".format(*_percent(cell)) for cell in row["cells"].values()]
        lines.append("| " + " | ".join([row["name"], str(row["questions"]), *cells]) + " |")
    return "\n".join(lines) + "\n"


_ESCAPES = str.maketrans({c: f"\\{c}" for c in "_%&#$"} | {"–": "--"})


def latex(rows: Sequence[Raw]) -> str:
    """A `tabular` with booktabs' rules; intervals small, behind the value."""
    heads = ["", "questions", *rows[0]["cells"]]
    lines = [
        r"\begin{tabular}{l" + "r" * (len(heads) - 1) + "}",
        r"\toprule",
        " & ".join(head.translate(_ESCAPES) for head in heads) + r" \\",
        r"\midrule",
    ]
    for row in rows:
        cells = [
            "{} {{\\scriptsize [{}]}}".format(*_percent(cell)).replace("–", "--")
            for cell in row["cells"].values()
        ]
        name = str(row["name"]).translate(_ESCAPES)
        lines.append(" & ".join([name, str(row["questions"]), *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def as_csv(rows: Sequence[Raw]) -> str:
    """Shares from 0 to 1; the ends of an interval in columns of their own."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = list(rows[0]["cells"])
    ends = [end for name in names for end in (name, f"{name} low", f"{name} high")]
    writer.writerow(["name", "questions", "runs", *ends])
    for row in rows:
        numbers: list[Any] = [round(part, 6) for name in names for part in row["cells"][name]]
        writer.writerow([row["name"], row["questions"], row["runs"], *numbers])
    return out.getvalue()


FORMATS: dict[str, Callable[[Sequence[Raw]], str]] = {
    "markdown": markdown,
    "latex": latex,
    "csv": as_csv,
}


def render(rows: Sequence[Raw], form: str = "markdown") -> str:
    """The table as text; UsageError for a form that is none of FORMATS."""
    if form not in FORMATS:
        raise UsageError(f"--format {form}: one of {', '.join(FORMATS)}")
    return FORMATS[form](rows)
