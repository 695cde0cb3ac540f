"""The layers of the package: who may import whom, what is loaded when, how long code may be."""

import ast
import subprocess
import sys
from collections.abc import Container, Iterator
from pathlib import Path

import pytest

from rlkd_cli.commands import COMMANDS
from tests.conftest import ROOT

PACKAGE = ROOT / "rlkd_cli"

# From the bottom up: a room may import itself and the floors below, nothing else of its own floor
FLOORS = (
    {"errors", "__init__"},
    {"option", "console", "streams", "ranks"},
    {"core"},
    {"records"},
    {"models", "prompts", "benchmarks", "plots"},
    {"reward"},
    {"pipeline", "training"},
    {"commands"},
    {"cli"},
    {"__main__"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
ONLY = {"console": {"errors"}}  # rooms that may import less than their floor allows
FILES = sorted(PACKAGE.rglob("*.py"))


def room(module: str) -> str:
    """The room of `rlkd_cli.ROOM.…`; the package itself is `__init__`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imported(file: Path) -> set[str]:
    """The rooms that a file imports, at the top level and inside functions."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {room(a.name) for a in node.names if a.name.split(".")[0] == "rlkd_cli"}
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: a relative import"
            if node.module == "rlkd_cli":
                names = [alias.name for alias in node.names]
                found |= {"__init__" if name == "__version__" else name for name in names}
            elif node.module and node.module.startswith("rlkd_cli."):
                found.add(room(node.module))
    return found


def own_room(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_imports_run_one_way(file: Path) -> None:
    own = own_room(file)
    assert own in FLOOR, f"{own} stands on no floor"
    below = {name for name, floor in FLOOR.items() if floor < FLOOR[own]}
    assert imported(file) <= ONLY.get(own, below) | {own}


def modules_of(file: Path, known: Container[str]) -> set[str]:
    """The modules of the package that a file imports at the top level."""
    found = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("rlkd_cli"):
            for (
                alias
            ) in node.names:  # `from package import module` asks nothing of the package itself
                module = f"{node.module}.{alias.name}"
                found.add(module if module in known else node.module)
    return found


def test_imports_have_no_cycle() -> None:
    names = {}
    for file in FILES:
        parts = file.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts).removesuffix(".__init__")] = file
    graph = {name: modules_of(file, names) - {name} for name, file in names.items()}

    def reachable(name: str, seen: set[str]) -> Iterator[str]:
        for other in graph[name] - seen:
            seen.add(other)
            yield other
            yield from reachable(other, seen)

    # a package and its own modules may import each other; everything else goes one way
    for name in graph:
        around = [n for n in reachable(name, set()) if name in graph[n]]
        assert all(n.startswith(f"{name}.") or name.startswith(f"{n}.") for n in around), name


def test_the_core_computes_with_the_standard_library_numpy_and_scipy_only() -> None:
    for file in (PACKAGE / "core").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in names:
                known = {*sys.stdlib_module_names, "numpy", "scipy", "rlkd_cli"}
                assert name.split(".")[0] in known, f"{file.name}: {name}"


HEAVY = ("torch", "transformers", "trl", "vllm", "peft", "datasets", "matplotlib", "aiohttp")
HEAVY += ("sklearn", "scipy", "sympy", "math_verify", "ray")


def loaded_by(code: str, names: tuple[str, ...]) -> str:
    """Which of the packages are loaded after the code."""
    ask = f"import sys; {code}; print([name for name in {names} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_the_command_line_loads_no_heavy_package() -> None:
    modules = ", ".join(f"rlkd_cli.commands.{name.replace('-', '_')}" for name in COMMANDS)
    assert loaded_by(f"import rlkd_cli.cli, {modules}", HEAVY) == "[]"


def test_help_loads_no_command() -> None:
    light = (*HEAVY, "numpy", "pydantic", "rlkd_cli.records", "rlkd_cli.models", "rlkd_cli.reward")
    help_ = "import contextlib, io, rlkd_cli.cli as c; f = io.StringIO()"
    help_ += "; r = contextlib.redirect_stdout(f); r.__enter__(); s = c.main(['--help'])"
    help_ += "; r.__exit__(None, None, None); assert s == 0 and 'distill' in f.getvalue()"
    assert loaded_by(help_, light) == "[]"


def functions(file: Path) -> Iterator[tuple[str, int]]:
    """(name, lines of the body) of every function in a file."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or 0) - node.body[0].lineno + 1


def test_files_functions_and_lines_stay_short() -> None:
    for file in FILES:
        lines = file.read_text("utf-8").split("\n")
        assert len(lines) <= 300, file
        assert max(map(len, lines)) <= 100, file
    lengths = [(length, name) for file in FILES for name, length in functions(file)]
    assert max(lengths)[0] <= 60, max(lengths)
    assert sum(length < 20 for length, _ in lengths) >= 0.9 * len(lengths)
