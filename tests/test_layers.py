"""The walls of the house: who may import whom, and what `import rlkd_cli.cli` must not load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "rlkd_cli"
BELOW: dict[str, set[str]] = {
    "errors": set(),
    "specs": set(),
    "metering": {"specs"},
    "records": {"errors"},
    "datasets": {"errors", "records"},
    "jsonl": {"errors", "records", "datasets"},
    "journal": {"errors", "records", "jsonl", "metering", "__init__"},
    "output": {"errors", "records", "jsonl", "metering", "journal"},
    "prompts": set(),
    "core": {"core"},
    "models": {"models", "metering", "specs", "errors"},
    "pipeline": {
        "pipeline",
        "core",
        "models",
        "prompts",
        "jsonl",
        "journal",
        "output",
        "metering",
        "datasets",
        "records",
        "errors",
    },
    "training": {"training", "pipeline", "core", "models", "prompts", "jsonl", "records", "errors"},
    "plots": {"errors", "records"},
    "console": {"pipeline"},
}


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imported(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("rlkd_cli"):
            names = (
                [f"rlkd_cli.{alias.name}" for alias in node.names]
                if node.module == "rlkd_cli"
                else [node.module]
            )
            found |= {
                "__init__" if name == "rlkd_cli.__version__" else room(name) for name in names
            }
    return found


@pytest.mark.parametrize(
    "file", sorted(PACKAGE.rglob("*.py")), ids=lambda f: str(f.relative_to(PACKAGE))
)
def test_imports_run_one_way(file: Path) -> None:
    own = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    allowed = BELOW.get(own)
    assert allowed is None or imported(file) <= allowed


def test_the_core_needs_the_standard_library_and_numpy_only() -> None:
    """At module level: what a rare case needs (scipy) is imported by the function itself."""
    for file in (PACKAGE / "core").glob("*.py"):
        for node in ast.parse(file.read_text("utf-8")).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in names:
                assert name.split(".")[0] in {*sys.stdlib_module_names, "numpy", "rlkd_cli"}, (
                    f"{file.name}: {name}"
                )


def test_the_command_line_loads_no_heavy_package() -> None:
    heavy = (
        "torch",
        "transformers",
        "trl",
        "vllm",
        "datasets",
        "matplotlib",
        "openai",
        "sklearn",
        "math_verify",
    )
    code = f"import sys, rlkd_cli.cli; print([name for name in {heavy} if name in sys.modules])"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert out.strip() == "[]"


def test_files_stay_readable() -> None:
    for file in PACKAGE.rglob("*.py"):
        assert len(file.read_text("utf-8").splitlines()) <= 300, file
