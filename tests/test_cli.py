"""The command line itself: where options come from, what help shows, what the environment must
not do.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from rlkd_cli.commands import COMMANDS
from rlkd_cli.option import fields_of, settings_of
from rlkd_cli.records.read import Rows
from rlkd_cli.records.write import Out
from tests.conftest import write


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_once_how_the_environment_is_named(rlkd, name: str) -> None:
    text = " ".join(rlkd(name, "--help").out.split())
    assert "[env var" not in text and text.count("RLKD_EVAL_MAX_TOKENS") == 1
    assert COMMANDS[name].split(":")[0][:40] in text


def test_what_stands_before_a_command_is_not_read_from_the_environment(rlkd, monkeypatch) -> None:
    for name in ("VERSION", "INSTALL_COMPLETION", "SHOW_COMPLETION", "DEBUG", "CONFIG"):
        monkeypatch.setenv(f"RLKD_{name}", "nonsense" if name == "CONFIG" else "1")
    write(Path("in.jsonl"), [{"id": 1, "problem": "p", "path": r"\boxed{1}", "answer": "1"}])
    result = rlkd("eval", "--samples", "in.jsonl", "-q")
    assert result.status == 0 and result.records[0]["correct"] is True


def test_the_environment_reaches_every_kind_of_option(rlkd, monkeypatch) -> None:
    write(Path("in.jsonl"), [{"n": 1, "q": "p", "path": r"\boxed{1}", "answer": "1"}])
    monkeypatch.setenv("RLKD_EVAL_SAMPLES", "in.jsonl")
    monkeypatch.setenv("RLKD_EVAL_MAP", "id=n problem=q")
    monkeypatch.setenv("RLKD_EVAL_QUIET", "true")
    monkeypatch.setenv("RLKD_EVAL_GRADE_TIMEOUT", "3")
    result = rlkd("eval", "--limit", "1")
    assert result.status == 0, result.err
    assert result.records[0]["problem"] == "p"


def test_a_file_of_options_knows_commands_and_options(rlkd) -> None:
    Path("rlkd.toml").write_text("[train-gsrm]\nlearning_rate = 1\n[nonsense]\n")
    refused = rlkd("eval", "--bench", "x.jsonl")
    assert refused.status == 2 and "[nonsense] is not a command" in refused.err
    Path("rlkd.toml").write_text('[eval]\nmax-tokens = "many"\n')
    refused = rlkd("eval", "--bench", "x.jsonl")
    assert refused.status == 2 and "--max-tokens" in refused.err
    refused = rlkd("--config", "missing.toml", "eval", "--bench", "x.jsonl")
    assert refused.status == 2 and "missing.toml" in refused.err


def test_one_dataclass_says_what_binds_an_output() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Both(Rows, Out):
        pass

    options = Both(map=["a=b"], limit=3, output="x.jsonl", shard="1/2")
    assert settings_of(options) == {"map": ["a=b"], "id_column": None, "shard": "1/2"}
    assert {f.flag for f in fields_of(options)} == {
        "--map",
        "--id-column",
        "--skip-invalid",
        "--limit",
        "--shard",
        "--output",
        "--rejects",
        "--overwrite",
    }


def test_completion_knows_commands_and_options() -> None:
    environment = {**os.environ, "_RLKD_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    run = subprocess.run(
        [sys.executable, "-c", "from rlkd_cli.cli import run; run()"],
        env={**environment, "COMP_WORDS": "rlkd tr"},
        capture_output=True,
        text=True,
    )
    assert "train-gsrm" in run.stdout
