"""The README stays true: it names what the code's tables name, and shows what commands print."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rlkd_cli import __version__
from rlkd_cli.benchmarks import BENCHMARKS
from rlkd_cli.cli import command_of
from rlkd_cli.commands import COMMANDS
from rlkd_cli.errors import (
    INTERRUPTED,
    REJECTED,
    InputError,
    ModelError,
    OutputError,
    UsageError,
)
from rlkd_cli.models.providers import PROVIDERS
from rlkd_cli.models.spec import LOCAL
from rlkd_cli.reward.judges import JUDGES, judge_class
from rlkd_cli.reward.judges.model import ModelJudge
from rlkd_cli.training.methods import METHODS
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text("utf-8")
SCRIPTS = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))


def section(title: str) -> str:
    """The text below a heading, up to the next one."""
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def first_column(title: str) -> list[str]:
    """What stands in backticks in the first column of a section's table, row by row."""
    rows = [line.split("|")[1] for line in section(title).splitlines() if line.startswith("| ")]
    return [name for cell in rows[1:] for name in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help(rlkd, name: str) -> None:
    for parameter in command_of(name).params:
        assert getattr(parameter, "help", None), f"{name} {parameter.name}"
    assert rlkd(name, "--help").status == 0


def test_the_table_of_commands_is_that_of_the_code() -> None:
    assert [cell.split()[1] for cell in first_column("Commands")] == list(COMMANDS)
    named = re.findall(r"`rlkd ([a-z][a-z-]*)", README) + re.findall(r"rlkd ([a-z-]+) ", SCRIPTS)
    assert set(named) <= COMMANDS.keys()


def test_the_tables_of_judges_methods_and_benchmarks_are_those_of_the_code() -> None:
    *judges, model = first_column("Judges")
    assert judges == list(JUDGES) and judge_class(model) is ModelJudge
    assert first_column("Methods") == list(METHODS)
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (\d+)", section("Benchmarks"), re.MULTILINE))
    assert {name: int(runs) for name, runs in rows.items()} == {
        name: row.runs for name, row in BENCHMARKS.items()
    }
    for flag, known in (("--judge", JUDGES), ("--method", METHODS), ("--bench", BENCHMARKS)):
        named = re.findall(rf"{flag} ([a-z][\w-]*)", SCRIPTS)
        assert set(named) <= known.keys(), flag


def test_the_table_of_models_is_that_of_the_code() -> None:
    specs = first_column("Models")
    engines = {spec.partition("/")[0] for spec in specs if re.match(r"[a-z]+/", spec)}
    assert engines == {*PROVIDERS, *LOCAL}
    named = set(re.findall(r"`([A-Z]+)_(?:API_KEY|BASE_URL)`", README)) - {"RLKD"}
    assert named <= {name.upper() for name in PROVIDERS}


def test_the_pipe_on_the_first_screen_prints_what_the_readme_says() -> None:
    command, shown = re.search(
        r"```sh\n(rlkd segment examples/readme.*?)\n```\n\n```text\n(.*?)```", README, re.DOTALL
    ).groups()  # type: ignore[union-attr]
    command = command.replace("rlkd ", f"{sys.executable} -m rlkd_cli ")
    result = subprocess.run(
        command,
        shell=True,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
    )
    assert result.stderr == shown
    assert '"reward": 1.25' in result.stdout


def test_version(rlkd) -> None:
    assert rlkd("--version").out.strip() == f"rlkd {__version__}"
    cited = re.findall(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
    assert cited == [__version__]


def test_the_changelog_begins_with_this_version() -> None:
    log = (ROOT / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"^## \[(.*?)\]", log, re.MULTILINE)
    released = [version for version in versions if version != "Unreleased"]
    assert released[0] == __version__ and versions.index(__version__) <= 1
    newest = log.partition(f"## [{__version__}]")[2].partition("\n## ")[0]
    assert re.findall(r"^### (\w+)", newest, re.MULTILINE) == ["Added", "Changed", "Fixed"]


def test_the_exit_statuses_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", section("Records"), re.MULTILINE)
    ends = {ModelError.exit_status, OutputError.exit_status}
    assert ends == {1} and InputError.exit_status == UsageError.exit_status == 2
    assert [int(status) for status, _ in rows] == [0, *ends, 2, REJECTED, INTERRUPTED]
    said = dict(rows)
    assert "bad usage or bad input" in said["2"] and "rejected" in said[str(REJECTED)]
    assert said[str(INTERRUPTED)].startswith("interrupted")


def test_every_dependency_has_a_version_that_was_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    named = (*project["dependencies"], *extras["embed"], *extras["ray"])
    wanted = {re.split("[<>=]", name)[0] for name in named}
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    assert {line.partition("==")[0] for line in lines if not line.startswith("#")} == wanted


def test_a_usage_error_is_one_line_with_status_2(rlkd) -> None:
    for words in (
        ["score", "x"],
        ["nonsense"],
        ["segment", "x", "--no-such-option"],
        ["eval", "--k", "0", "--bench", "x"],
    ):
        result = rlkd(*words)
        assert (result.status, result.out) == (2, "") and len(result.err.strip().splitlines()) == 1
    assert (
        rlkd(
            "segment", "no-such-file.jsonl", "--model", "http://127.0.0.1:1/v1#m", "--no-verify"
        ).status
        == 2
    )


def test_options_come_from_flag_environment_and_file_in_that_order(rlkd, monkeypatch) -> None:
    Path("in.jsonl").write_text(
        '{"id": 1, "problem": "p", "path": "\\\\boxed{1}", "answer": "1"}\n'
    )
    Path("rlkd.toml").write_text('[eval]\nsamples = "in.jsonl"\nk = 3\n')
    assert "pass@3" in rlkd("eval", "--quiet").err
    monkeypatch.setenv("RLKD_EVAL_K", "2")
    assert "pass@2" in rlkd("eval", "--quiet").err
    assert rlkd("eval", "--quiet", "--k", "1").status == 0
    Path("rlkd.toml").write_text("[eval]\nnonsense = 1\n")
    refused = rlkd("eval")
    assert refused.status == 2 and "nonsense" in refused.err
