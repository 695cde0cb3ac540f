"""Benchmarks by name: where each is published and how it is run. To add one, add a row.

`records/published.py` converts the published columns to records, for benchmarks as for all other
data sets.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from rlkd_cli.errors import UsageError


@dataclass(frozen=True)
class Benchmark:
    """`source` is pinned to a revision, so that a result refers to the same questions next year.

    `runs` of each question are the paper's (section 4.1) where the paper uses the benchmark.
    """

    source: str
    runs: int


BENCHMARKS: dict[str, Benchmark] = {
    "aime24": Benchmark(
        "hf://HuggingFaceH4/aime_2024@2fe88a2f1091d5048c0f36abc874fb997b3dd99a:train", 64
    ),
    "aime25": Benchmark("hf://math-ai/aime25@563bb8404243c5f09de6ec262f2db674fe5bce9b:test", 64),
    "math500": Benchmark(
        "hf://HuggingFaceH4/MATH-500@6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be:test", 4
    ),
    "gpqa-diamond": Benchmark(
        "hf://Idavidrein/gpqa/gpqa_diamond@633f5ee89ab8ad4522a9f850766b73f62147ffdd:train", 8
    ),
    "gsm8k": Benchmark("hf://openai/gsm8k/main@740312add88f781978c0658806c59bc2815b9866:test", 4),
}


def benchmark(name: str) -> Benchmark:
    """A benchmark by name, or a file of problems with answers (1 run). UsageError otherwise.

    A file NAME.jsonl in `RLKD_BENCH_DIR` is used instead of the hub.
    """
    if name not in BENCHMARKS:
        if Path(name).suffix or name == "-" or name.startswith("hf://"):
            return Benchmark(name, 1)
        known = ", ".join(BENCHMARKS)
        raise UsageError(
            f"no benchmark {name!r}: one of {known}, or a file of problems with answers"
        )
    row = BENCHMARKS[name]
    local = Path(os.environ.get("RLKD_BENCH_DIR", ""), f"{name}.jsonl")
    is_local = "RLKD_BENCH_DIR" in os.environ and local.is_file()
    return Benchmark(str(local), row.runs) if is_local else row
