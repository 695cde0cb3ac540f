"""Messages, tables and progress on standard error."""

import subprocess
import sys

from rlkd_cli import console


def test_messages_are_printed_as_they_are(capsys) -> None:
    console.message("[red]x[/red] " + "word " * 60)
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err == "[red]x[/red] " + "word " * 60 + "\n"


def test_an_error_is_one_line(capsys) -> None:
    console.error("first\n  second\t third")
    assert capsys.readouterr().err == "first second third\n"


def test_a_table_in_a_log_cuts_no_name(capsys) -> None:
    name = "a-long-name-of-a-model/" * 12
    console.table("title", [(name, "1")], ("model", "calls"))
    assert name in capsys.readouterr().err


def test_a_muted_process_prints_errors_alone() -> None:
    code = "from rlkd_cli import console as c; c.mute(); c.message('m'); c.table('t', [('a', 'b')])"
    code += "; c.View('v', 3).update(1); c.error('why')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr == "why\n" and run.stdout == ""


def test_progress_without_a_terminal_is_a_line_now_and_then(capsys, monkeypatch) -> None:
    with console.View("steps", 10) as view:
        view.show(1, lambda: "computed in vain")
        assert capsys.readouterr().err == ""
        view._printed -= console.PLAIN_INTERVAL
        view.show(2, lambda: "a note")
        view.show(3, lambda: "too soon")
    assert capsys.readouterr().err == "steps: 2/10 a note\n"


def test_a_training_shows_the_metrics_that_it_was_given(capsys) -> None:
    view, show = console.training_view("train", False, ["loss", "reward"])
    view._printed -= console.PLAIN_INTERVAL
    show({"step": 3, "of": 9, "loss": 0.123456, "other": 1.0})
    assert capsys.readouterr().err == "train: 3/9 loss 0.123\n"
