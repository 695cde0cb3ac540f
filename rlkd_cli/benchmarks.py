"""Benchmarks by name: where each is published and how it is run. To add one, add a row.

How the published columns become records (`problem`, `answer`, `choices`) is said in
`records/published.py`, with those of all other data sets. How a question is put, by which tool's
conventions, is said in `core/question.py`.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from rlkd_cli.core.grading.grade import Kind
from rlkd_cli.errors import UsageError


@dataclass(frozen=True)
class Benchmark:
    """One benchmark, or a file of one's own.

    `source` is pinned to a revision where we have checked one, so that a number means the same
    questions next year; where it is not, `rlkd` takes what the hub serves on the day. `runs` of
    each question are the paper's (section 4.1) where it has the benchmark. `columns` are those
    published, `kind` is how answers are read (None: as
    the reference is, letters as letters), `license` what the data set's page says (None:
    nothing). `task` is the name that the hub's leaderboard has for it, where there is one.
    """

    source: str
    runs: int
    kind: Kind | None = "math"
    columns: tuple[str, ...] = ("problem", "answer")
    license: str | None = None
    prompt: str | None = None  # a template in place of the protocol's
    task: str | None = None

    @property
    def dataset(self) -> str | None:
        """OWNER/NAME on the hub; None for a file."""
        if not self.source.startswith("hf://"):
            return None
        return "/".join(
            self.source.removeprefix("hf://").split(":")[0].split("@")[0].split("/")[:2]
        )

    @property
    def revision(self) -> str | None:
        """The pinned revision; None where there is none."""
        before, _, after = self.source.partition("@")
        return after.split(":")[0] if after and before.startswith("hf://") else None


_ARENA = ("problem_idx", "problem", "answer")  # MathArena's, with problem_type in HMMT
_NC = "cc-by-nc-sa-4.0"  # not for commercial use

BENCHMARKS: dict[str, Benchmark] = {
    "aime24": Benchmark(
        "hf://HuggingFaceH4/aime_2024@2fe88a2f1091d5048c0f36abc874fb997b3dd99a:train",
        64,
        "integer",
        ("id", "problem", "solution", "answer", "url", "year"),
    ),
    "aime25": Benchmark(
        "hf://math-ai/aime25@563bb8404243c5f09de6ec262f2db674fe5bce9b:test",
        64,
        "integer",
        ("problem", "answer", "id"),
    ),
    "aime26": Benchmark("hf://MathArena/aime_2026:train", 64, "integer", _ARENA, _NC),
    "hmmt-feb-2025": Benchmark(
        "hf://MathArena/hmmt_feb_2025:train", 64, "math", (*_ARENA, "problem_type"), _NC
    ),
    "hmmt-feb-2026": Benchmark(
        "hf://MathArena/hmmt_feb_2026:train",
        64,
        "math",
        (*_ARENA, "problem_type"),
        _NC,
        task="MathArena/hmmt_feb_2026",
    ),
    "beyond-aime": Benchmark("hf://ByteDance-Seed/BeyondAIME:test", 8, "integer"),
    "math500": Benchmark(
        "hf://HuggingFaceH4/MATH-500@6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be:test",
        4,
        "math",
        ("problem", "solution", "answer", "subject", "level", "unique_id"),
    ),
    "gpqa-diamond": Benchmark(
        "hf://Idavidrein/gpqa/gpqa_diamond@633f5ee89ab8ad4522a9f850766b73f62147ffdd:train",
        8,
        "letter",
        ("Question", "Correct Answer", *(f"Incorrect Answer {i}" for i in (1, 2, 3))),
        "cc-by-4.0",
        task="gpqa_diamond",
    ),
    "mmlu-pro": Benchmark(
        "hf://TIGER-Lab/MMLU-Pro:test",
        1,
        "letter",
        ("question_id", "question", "options", "answer", "answer_index", "category"),
        "mit",
    ),
    "gsm8k": Benchmark(
        "hf://openai/gsm8k/main@740312add88f781978c0658806c59bc2815b9866:test",
        4,
        "math",
        ("question", "answer"),
        "mit",
    ),
    "minerva": Benchmark("hf://math-ai/minervamath:test", 4, "math", ("question", "answer")),
}


def benchmark(name: str, prompt: str | None = None, grader: Kind | None = None) -> Benchmark:
    """A benchmark by name, or a file of problems with answers (1 run); UsageError for anything
    else.

    A file NAME.jsonl in `RLKD_BENCH_DIR` goes before the hub. `prompt` and `grader` replace the
    row's own (`--prompt`, `--grader`).
    """
    row = _row(name)
    if prompt is not None and "{problem}" not in prompt:
        raise UsageError("--prompt: a prompt has {problem} where the problem goes")
    return replace(row, prompt=prompt or row.prompt, kind=grader or row.kind)


def _row(name: str) -> Benchmark:
    if name not in BENCHMARKS:
        if Path(name).suffix or name == "-" or name.startswith("hf://"):
            return Benchmark(name, 1, None)
        known = ", ".join(BENCHMARKS)
        raise UsageError(
            f"no benchmark {name!r}: one of {known}, or a file of problems with answers"
        )
    row = BENCHMARKS[name]
    local = Path(os.environ.get("RLKD_BENCH_DIR", ""), f"{name}.jsonl")
    is_local = "RLKD_BENCH_DIR" in os.environ and local.is_file()
    return replace(row, source=str(local)) if is_local else row
