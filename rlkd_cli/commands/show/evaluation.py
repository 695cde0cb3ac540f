"""What `rlkd eval` shows: the summary, two evaluations compared, a training's checkpoints."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rlkd_cli import console
from rlkd_cli.pipeline.evaluate import Summary


def text_of(value: object) -> str:
    """A metric as text: an interval as its two ends, a number with three digits."""
    if isinstance(value, tuple | list):
        return " to ".join(f"{end:.3f}" for end in value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def summary(options: Any, metrics: Mapping[str, Any], summaries: Mapping[str, Summary]) -> None:
    """The metrics of the first summary, and the pass@k curves of all, as a figure or bars."""
    name = next(iter(summaries))
    if options.json_summary:
        sys.stdout.write(json.dumps(metrics) + "\n")
    else:
        console.table(f"eval {name}", [(key, text_of(value)) for key, value in metrics.items()])
    curves = {one: graded.curve() for one, graded in summaries.items()}
    if options.plot:
        from rlkd_cli.plots import plot_pass_at_k

        plot_pass_at_k(curves, options.plot)
    elif options.k > 1 and not options.quiet and not options.json_summary:
        for one, curve in curves.items():
            console.bars(f"pass@k {one}", [(f"k = {k}", value) for k, value, _, _ in curve])


def comparison(names: Sequence[str], found: Mapping[str, Any], as_json: bool) -> None:
    """Two files of graded paths, question by question."""
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    lists = ("gained", "lost")
    facts = [(name, text_of(value)) for name, value in found.items() if name not in lists]
    console.table("A = {}, B = {}".format(*names), facts)
    for name, winner in zip(lists, "BA", strict=True):
        lines = [(str(q["id"]), f"{q['a']:.3f}", f"{q['b']:.3f}") for q in found[name]]
        title = f"{name}: solved by {winner} alone"
        console.table(title, lines[:20], ("question", "A", "B"))
        if len(lines) > 20:
            console.message(f"and {len(lines) - 20} more (--json lists them all)")


def checkpoints(options: Any, run: str, found: Sequence[tuple[str, Summary]]) -> None:
    """A row a checkpoint, as a table, as JSON, and as a figure over the steps."""
    metrics = {name: one.metrics(options.k) for name, one in found}
    if options.json_summary:
        for name, own in metrics.items():
            sys.stdout.write(json.dumps({"checkpoint": name, **own}) + "\n")
    shown = list(dict.fromkeys(("pass@1", f"pass@{options.k}")))
    columns = {"pass@1": "pass@1", "pass@1 interval": "95% interval"} | {key: key for key in shown}
    lines = [(n, *(text_of(own.get(key, "")) for key in columns)) for n, own in metrics.items()]
    console.table("checkpoints", lines, ("step", *columns.values()))
    steps = [
        {"step": int(name), **{key: own[key] for key in shown if key in own}}
        for name, own in metrics.items()
        if name != "final"
    ]
    if options.plot and steps:
        from rlkd_cli.plots import plot_training

        plot_training({run: steps}, [key for key in shown if key in steps[0]], options.plot)
