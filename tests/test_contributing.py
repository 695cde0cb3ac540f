"""CONTRIBUTING.md stays true: its map is that of the tests, and its examples work as printed."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.test_layers import FLOORS, PACKAGE, own_room

TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
EXAMPLES = {
    title: body
    for title, body in re.findall(r"^### (.*?)\n(.*?)(?=^### |\Z)", TEXT, re.DOTALL | re.MULTILINE)
}
BLOCK = re.compile(r"^(A[^\n]*):\n\n```\w+\n(.*?)^```", re.DOTALL | re.MULTILINE)
FILE, ROW = re.compile(r" `([^`]+\.py)`$"), re.compile(r"A row of `(\w+)`")
ABOVE = re.compile(r"A new function above `(\w+)`")


def insert(file: Path, number: int, code: str) -> None:
    """Puts lines behind line `number` of a file."""
    lines = file.read_text("utf-8").splitlines(keepends=True)
    file.write_text("".join([*lines[:number], code, *lines[number:]]), "utf-8")


def line_of(file: Path, table: str | None) -> int:
    """The line behind which a row of `table` goes or, without a table, an import."""
    nodes = ast.parse(file.read_text("utf-8")).body
    if table is None:
        imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
        return imports[-1].end_lineno or 0
    (found,) = (
        node
        for node in nodes
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == table
    )
    return found.lineno


def follow(says: str, code: str, root: Path) -> str | None:
    """Does what the line above a block says; the name of a new test file."""
    if says == "A patch":
        subprocess.run(["patch", "-p1", "-s"], input=code, text=True, cwd=root, check=True)
        return None
    name = FILE.search(says)
    assert name, f"{says}: names no file"
    file, row = root / name[1], ROW.match(says)
    if says.startswith("A new file"):
        assert not file.exists(), f"{name[1]} exists"
        file.write_text(code, "utf-8")
        return name[1] if name[1].startswith("tests/") else None
    if above := ABOVE.match(says):
        insert(file, line_of(file, above[1]) - 1, f"{code}\n\n")
        return None
    insert(file, line_of(file, row[1] if row else None), code)
    return None


@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example_works_as_printed(tmp_path: Path, title: str) -> None:
    for folder in ("rlkd_cli", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "test_contributing.py")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    blocks = BLOCK.findall(EXAMPLES[title])
    tests = [name for says, code in blocks if (name := follow(says, code, tmp_path))]
    assert len(blocks) >= 2 and tests
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *tests],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]


def test_the_map_is_that_of_the_layers() -> None:
    drawn = re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)[0]
    assert [set(line.split()) for line in drawn.splitlines()][::-1] == list(FLOORS)


def test_every_room_is_described() -> None:
    described = {name.rstrip("/") for name in re.findall(r"^\| `([\w/]+)` \|", TEXT, re.MULTILINE)}
    rooms = {own_room(file) for file in PACKAGE.rglob("*.py")}
    assert described == {room for room in rooms if not room.startswith("__")}


def test_the_command_that_sets_up_is_that_of_the_readme() -> None:
    command = re.findall(r"^python3 -m venv.*pytest$", TEXT, re.MULTILINE)
    assert command and command[0] in (ROOT / "README.md").read_text("utf-8")
