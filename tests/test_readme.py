"""The README stays true: every command is there, with its options in --help, and what it shows is what is printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from rlkd_cli import __version__
from rlkd_cli.cli import app
from tests.conftest import ROOT

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme_and_every_option_has_help(rlkd, name: str) -> None:
    assert f"`rlkd {name}" in README
    for parameter in COMMANDS[name].params:
        assert getattr(parameter, "help", None), f"{name} {parameter.name}"
    assert rlkd(name, "--help").status == 0


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
    assert __version__ in (ROOT / "CHANGELOG.md").read_text("utf-8")


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
