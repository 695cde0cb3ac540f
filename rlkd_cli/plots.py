"""Figures for files, with matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlkd_cli.errors import UsageError
from rlkd_cli.records.schema import Raw


def _panels(count: int) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(
        1, count, figsize=(3.8 * count, 3.2), layout="constrained", squeeze=False
    )
    for axes in panels[0]:
        axes.grid(alpha=0.3)
    return figure, panels[0]


def _axes(title: str, x: str, y: str) -> tuple[Any, Any]:
    figure, (axes,) = _panels(1)
    figure.set_size_inches(5, 3.4)
    axes.set(title=title, xlabel=x, ylabel=y)
    return figure, axes


def _save(figure: Any, file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=200)
    except ValueError as error:  # an ending that matplotlib does not know
        raise UsageError(f"--plot {file}: {str(error).splitlines()[0]}") from None


def plot_diversity(curves: Mapping[str, Sequence[Raw]], file: Path) -> None:
    """Diversity per step with its interval, one line a file, as in the paper's Figure 5."""
    figure, axes = _axes("Diversity of reasoning paths", "step", "diversity D")
    for name, records in curves.items():
        steps = [r["step"] for r in records]
        axes.plot(
            steps,
            [r["diversity"] for r in records],
            marker="o",
            markersize=3,
            label=Path(name).stem,
        )
        axes.fill_between(
            steps, [r["ci_low"] for r in records], [r["ci_high"] for r in records], alpha=0.2
        )
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    _save(figure, file)


def plot_training(
    runs: Mapping[str, Sequence[Raw]], names: Sequence[str], file: Path, smooth: int = 1
) -> None:
    """Metrics over training steps, a panel a metric and a line a run (Figure 3); means over
    `smooth` steps.

    `*/missing` is a panel with a line for each metric that ends so; one that no run has is left
    out.
    """
    lines = {name: _lines(runs, name, smooth) for name in names}
    shown = [name for name in names if lines[name] or not name.startswith("*/")]
    figure, panels = _panels(len(shown))
    for axes, name in zip(panels, shown, strict=True):
        for label, steps, means in lines[name]:
            axes.plot(steps, means, label=label)
        axes.set(title=name.removeprefix("*/").replace("_", " "), xlabel="step")
        if name == shown[0] or name.startswith("*/"):
            axes.legend(fontsize=7)
    _save(figure, file)


def _lines(
    runs: Mapping[str, Sequence[Raw]], name: str, smooth: int
) -> list[tuple[str, list[int], list[float]]]:
    """(label, steps, means over `smooth` steps) of what `name` stands for in each run."""
    ending, found = name.removeprefix("*"), []
    for run, entries in runs.items():
        ends = (key for entry in entries for key in entry if key.endswith(ending))
        for metric in dict.fromkeys(ends) if name.startswith("*/") else [name]:
            points = [(entry["step"], entry[metric]) for entry in entries if metric in entry]
            values = [value for _, value in points]
            windows = [values[max(0, i - smooth + 1) : i + 1] for i in range(len(values))]
            means = [sum(window) / len(window) for window in windows]
            label = run if metric == name else metric.removesuffix(ending)
            found += [(label, [step for step, _ in points], means)] if points else []
    return found


def plot_pass_at_k(
    curves: Mapping[str, Sequence[tuple[int, float, float, float]]], file: Path
) -> None:
    """pass@k over k with its interval, one line a file."""
    figure, axes = _axes("pass@k", "k", "share of questions")
    for name, points in curves.items():
        ks = [point[0] for point in points]
        axes.plot(
            ks, [point[1] for point in points], marker="o", markersize=3, label=Path(name).stem
        )
        axes.fill_between(
            ks, [point[2] for point in points], [point[3] for point in points], alpha=0.2
        )
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.set_ylim(0, 1)
    axes.legend()
    _save(figure, file)


def plot_rewards(rewards: Sequence[float], stops: Mapping[int, int], file: Path) -> None:
    """How structured rewards are spread, and at which step walks meet their first M that does not
    match.
    """
    figure, (left, right) = _panels(2)
    left.hist(rewards, bins=30)
    left.set(title="structured reward", xlabel="reward", ylabel="paths")
    right.bar(list(stops), list(stops.values()))
    right.set(title="first mismatch", xlabel="step", ylabel="paths")
    right.xaxis.get_major_locator().set_params(integer=True)
    _save(figure, file)


def plot_capability(records: Sequence[Raw], file: Path) -> None:
    """Accuracy and capability before and after, by bins of the success rate before (2505.14216)."""
    figure, panels = _panels(2)
    for axes, name in zip(panels, ("accuracy", "capability"), strict=True):
        for shift, when in ((-0.2, "before"), (0.2, "after")):
            axes.bar(
                [i + shift for i in range(len(records))],
                [r[f"{name}_{when}"] for r in records],
                0.4,
                label=when,
            )
        axes.set_xticks(
            range(len(records)), [f"{r['bin']}\nn = {r['questions']}" for r in records], fontsize=6
        )
        axes.set(title=name, xlabel="success rate before", ylim=(0, 1.05))
    panels[0].legend()
    _save(figure, file)


def plot_table(rows: Sequence[Raw], file: Path) -> None:
    """Table 1 as bars: a group a column, a bar a file, with 95% intervals."""
    figure, axes = _axes("pass@1 by runs, and pass@k", "", "share of questions")
    names = list(rows[0]["cells"])
    figure.set_size_inches(max(5, 1.1 * len(names)), 3.4)
    width = 0.8 / len(rows)
    for place, row in enumerate(rows):
        cells = [row["cells"][name] for name in names]
        axes.bar(
            [i + (place - (len(rows) - 1) / 2) * width for i in range(len(names))],
            [value for value, _, _ in cells],
            width,
            yerr=[
                [max(0.0, value - low) for value, low, _ in cells],
                [max(0.0, high - value) for value, _, high in cells],
            ],
            capsize=2,
            label=Path(row["name"]).stem,
        )
    axes.set_xticks(range(len(names)), names, fontsize=7, rotation=20)
    axes.set_ylim(0, 1.05)
    axes.legend(fontsize=7)
    _save(figure, file)
