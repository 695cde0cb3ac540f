"""The table of benchmarks."""

import re

import pytest

from rlkd_cli.benchmarks import BENCHMARKS, benchmark
from rlkd_cli.errors import UsageError


def test_benchmarks_have_rows_and_published_columns() -> None:
    assert {"aime26", "hmmt-feb-2026", "beyond-aime", "mmlu-pro", "minerva"} <= set(BENCHMARKS)
    assert BENCHMARKS["aime24"].dataset == "HuggingFaceH4/aime_2024"
    assert BENCHMARKS["aime26"].revision is None and BENCHMARKS["aime26"].kind == "integer"
    chosen = benchmark("mine.jsonl", "Say {problem}", "letter")
    assert (chosen.prompt, chosen.kind, chosen.runs) == ("Say {problem}", "letter", 1)
    with pytest.raises(UsageError, match="--prompt"):
        benchmark("aime24", "no place")


def test_a_file_of_the_folder_goes_before_the_hub(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("RLKD_BENCH_DIR", str(tmp_path))
    assert benchmark("aime24").dataset == "HuggingFaceH4/aime_2024"
    (tmp_path / "aime24.jsonl").write_text("")
    local = benchmark("aime24")
    assert (local.source, local.dataset) == (str(tmp_path / "aime24.jsonl"), None)
    assert (local.runs, local.kind) == (64, "integer")
    with pytest.raises(UsageError, match="no benchmark 'nonsense'"):
        benchmark("nonsense")


def test_pinned_revisions_are_commits() -> None:
    pinned = [row.revision for row in BENCHMARKS.values() if row.revision]
    assert pinned and all(re.fullmatch("[0-9a-f]{40}", revision) for revision in pinned)
    assert all(row.dataset and row.dataset.count("/") == 1 for row in BENCHMARKS.values())
