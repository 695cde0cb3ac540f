"""Results in the forms that others read: the hub's `.eval_results`, and lighteval's result file.

The hub's form is https://huggingface.co/docs/hub/eval-results (a YAML list of entries with
`dataset` and `value`, here in percent); lighteval's has `config_general`, `results`, `versions`,
`config_tasks` and `summary_tasks`.
"""

import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from rlkd_cli.benchmarks import Benchmark
from rlkd_cli.errors import UsageError

_NOTES = "rlkd {version}, {runs} runs a question, protocol {protocol}"


def check_export(file: str, bench: Benchmark) -> None:
    """UsageError for an ending that is neither form's, and where the hub has no such benchmark."""
    ending = PurePath(file).suffix
    if ending not in (".yaml", ".yml", ".json"):
        raise UsageError(f"--export {file}: .yaml for the hub's form, .json for lighteval's")
    if ending != ".json" and bench.dataset is None:
        raise UsageError("--export: the hub's form needs a benchmark of the hub, not a file")


def export(
    file: str,
    name: str,
    bench: Benchmark,
    metrics: Mapping[str, Any],
    *,
    model: str,
    protocol: str,
    version: str,
    date: str,
    sampling: Mapping[str, Any] | None = None,
) -> str:
    """The text of `file`: the hub's form for `.yaml` and `.yml`, lighteval's for `.json`.

    `name` is the benchmark's, `metrics` what `Summary.metrics` gives, `date` an ISO 8601 day.
    UsageError for another ending, for no metrics, or where the hub has no such benchmark.
    """
    if "pass@1" not in metrics:
        raise UsageError("--export: nothing was graded")
    check_export(file, bench)
    if PurePath(file).suffix == ".json":
        return _lighteval(name, bench, metrics, model, protocol, version, date, sampling or {})
    return _hub(bench, metrics, protocol, version, date)


def _hub(
    bench: Benchmark, metrics: Mapping[str, Any], protocol: str, version: str, date: str
) -> str:
    runs = metrics["samples"] / metrics["questions"]
    notes = _NOTES.format(version=version, runs=f"{runs:g}", protocol=protocol)
    lines = ["- dataset:", f"    id: {json.dumps(bench.dataset)}"]
    lines += [f"    task_id: {json.dumps(bench.task or 'default')}"]
    if bench.revision:
        lines += [f"    revision: {json.dumps(bench.revision)}"]
    lines += [f"  value: {100 * metrics['pass@1']:.2f}", f"  date: {json.dumps(date)}"]
    return "\n".join([*lines, f"  notes: {json.dumps(notes)}"]) + "\n"


def _lighteval(
    name: str,
    bench: Benchmark,
    metrics: Mapping[str, Any],
    model: str,
    protocol: str,
    version: str,
    date: str,
    sampling: Mapping[str, Any],
) -> str:
    task = f"rlkd|{name}|0"
    values = {key: value for key, value in metrics.items() if key.startswith(("pass@", "avg@"))}
    numbers = {key: value for key, value in values.items() if isinstance(value, float)}
    results = {key: value for key, value in numbers.items() if "error" not in key}
    results["pass@1_stderr"] = metrics["pass@1 standard error"]
    source = {"hf_repo": bench.dataset, "hf_revision": bench.revision, "source": bench.source}
    whole = {
        "config_general": {
            "model_name": model,
            "rlkd_version": version,
            "protocol": protocol,
            "date": date,
            "generation_parameters": dict(sampling),
        },
        "results": {task: results, "all": results},
        "versions": {task: 0},
        "config_tasks": {task: {"name": name, **source}},
        "summary_tasks": {task: {"questions": metrics["questions"], "samples": metrics["samples"]}},
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
