"""Results in the forms of the hub and of lighteval."""

import json

import pytest
import yaml

from rlkd_cli.benchmarks import BENCHMARKS, benchmark
from rlkd_cli.errors import UsageError
from rlkd_cli.pipeline.evaluate import Summary
from rlkd_cli.pipeline.export import export
from tests.conftest import outcomes


def test_results_are_exported_in_others_forms() -> None:
    metrics = Summary.of(outcomes({"x": [1, 0], "y": [1, 1]})).metrics(2)
    said = {"model": "m", "protocol": "deepseek", "version": "1", "date": "2026-01-01"}
    row = BENCHMARKS["gpqa-diamond"]
    (entry,) = yaml.safe_load(export("r.yaml", "gpqa-diamond", row, metrics, **said))
    assert entry["dataset"]["id"] == "Idavidrein/gpqa" and entry["value"] == 75.0
    assert entry["dataset"]["revision"] == row.revision and "2 runs" in entry["notes"]
    result = json.loads(export("r.json", "gpqa-diamond", row, metrics, **said))
    assert (
        result["results"]["all"]["pass@1"] == 0.75 and result["config_general"]["model_name"] == "m"
    )
    for file, bench in (("r.txt", row), ("r.yaml", benchmark("mine.jsonl"))):
        with pytest.raises(UsageError, match="--export"):
            export(file, "x", bench, metrics, **said)
