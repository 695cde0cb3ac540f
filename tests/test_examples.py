"""The scripts in examples/ and benchmarks/: their commands and imports are accepted."""

import ast
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.conftest import ROOT, segmentation, step, write

SCRIPTS = [*(ROOT / "examples").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_what_a_script_imports_from_the_package_is_there(script: Path) -> None:
    for node in ast.walk(ast.parse(script.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rlkd_cli"):
            module = import_module(str(node.module))
            for alias in node.names:
                has = hasattr(module, alias.name)
                assert has or import_module(f"{node.module}.{alias.name}"), alias.name


def test_every_command_of_the_papers_run_is_accepted(tmp_path, monkeypatch) -> None:
    problems = [{"id": i, "problem": f"What is {i} + {i}?", "answer": str(2 * i)} for i in range(8)]
    paths = write(tmp_path / "paths.jsonl", [{**p, "path": "so"} for p in problems])
    pairs = write(tmp_path / "pairs.jsonl", [segmentation(i, step("a")) for i in range(8)])
    bench = str(write(tmp_path / "bench.jsonl", problems))
    rlkd = tmp_path / "rlkd"
    rlkd.write_text(f'#!/bin/sh\nexec {sys.executable} -m rlkd_cli "$@"\n')
    rlkd.chmod(0o755)
    names = {
        "DRY": "--dry-run",
        "THOUGHTS": paths,
        "OPENR1": paths,
        "PAIRS": pairs,
        "MATH_FILE": bench,
    }
    names |= {
        "BENCH": bench,
        "GPQA": bench,
        "MATH": bench,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": ROOT,
    }
    environment = {**os.environ, **{name: str(value) for name, value in names.items()}}
    command = ["bash", str(ROOT / "examples/paper.sh"), str(tmp_path / "run")]
    result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    assert (
        result.stderr.count("(dry run)") == 1 + 1 + 1 + 4 + 12 + 2
        and not (tmp_path / "run").exists()
    )
