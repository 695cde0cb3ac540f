"""The table of benchmarks."""

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
