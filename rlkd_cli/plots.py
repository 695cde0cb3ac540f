"""Figures for files, with matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlkd_cli.errors import UsageError
from rlkd_cli.records import Raw


def _axes(title: str, x: str, y: str) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.4), layout="constrained")
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
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
        axes.plot(steps, [r["diversity"] for r in records], marker="o", markersize=3, label=Path(name).stem)
        axes.fill_between(steps, [r["ci_low"] for r in records], [r["ci_high"] for r in records], alpha=0.2)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    _save(figure, file)


def plot_training(runs: Mapping[str, Sequence[Raw]], names: Sequence[str], file: Path, smooth: int = 1) -> None:
    """Metrics over training steps, a panel a metric and a line a run (Figure 3); means over `smooth` steps."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(names), figsize=(3.6 * len(names), 3), layout="constrained", squeeze=False)
    for axes, name in zip(panels[0], names, strict=True):
        for run, entries in runs.items():
            points = [(entry["step"], entry[name]) for entry in entries if name in entry]
            if points:
                values = [value for _, value in points]
                means = [sum(values[max(0, i - smooth + 1) : i + 1]) / min(i + 1, smooth) for i in range(len(values))]
                axes.plot([step for step, _ in points], means, label=run)
        axes.set(title=name.replace("_", " "), xlabel="step")
        axes.grid(alpha=0.3)
    panels[0][0].legend()
    _save(figure, file)


def plot_pass_at_k(curves: Mapping[str, Sequence[tuple[int, float]]], file: Path) -> None:
    """pass@k over k, one line a file."""
    figure, axes = _axes("pass@k", "k", "share of questions")
    for name, points in curves.items():
        axes.plot([k for k, _ in points], [value for _, value in points], marker="o", markersize=3, label=Path(name).stem)
    axes.set_xscale("log", base=2)
    axes.set_ylim(0, 1)
    axes.legend()
    _save(figure, file)
