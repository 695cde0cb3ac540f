"""What `rlkd diversity` shows."""

from typing import Any

from rlkd_cli import console
from rlkd_cli.records.schema import Raw


def show_diversity(options: Any, curves: dict[str, list[Raw]]) -> None:
    if options.plot:
        from rlkd_cli.plots import plot_diversity

        plot_diversity(curves, options.plot)
    if options.quiet:
        return
    header = ("step", "D", "95% interval", "questions", "left out")
    for name, records in curves.items():
        console.table(f"diversity per step, {name}", map(_line, records), header)
        if not options.plot:
            bars = [(f"step {r['step']}", r["diversity"] - 1) for r in records]
            console.bars("D - 1", bars)


def _line(r: Raw) -> tuple[str, ...]:
    interval = f"{r['ci_low']:.4f} to {r['ci_high']:.4f}"
    numbers = (str(r["questions"]), str(r["left_out"]))
    return (str(r["step"]), f"{r['diversity']:.4f}", interval, *numbers)
