"""Standard streams that are closed, or whose reader has gone."""

import os
import subprocess
import sys

WRITE = "import sys; from rlkd_cli.streams import open_standard, settle_output; open_standard(); "


def shell(code: str, redirections: str) -> subprocess.CompletedProcess[str]:
    command = f'"{sys.executable}" -c "$CODE" {redirections}'
    env = {**os.environ, "CODE": WRITE + code, "PYTHONUNBUFFERED": ""}
    return subprocess.run(["bash", "-c", command], env=env, capture_output=True, text=True)


def test_output_that_is_closed_says_so_and_no_file_gets_its_number(tmp_path) -> None:
    code = "f = open('precious', 'w'); sys.stderr.write('e'); print(f.fileno() > 2, file=f)"
    run = shell(code, f"<&- >&- 2>&- ; cat precious; rm precious; cd {tmp_path}")
    assert run.stdout == "True\n" and run.stderr == ""
    run = shell("sys.stdout.write('x')", ">&-")
    assert "OutputError: standard output is closed; -o FILE names a file" in run.stderr


def test_a_full_output_is_told_once_and_the_interpreter_adds_nothing() -> None:
    run = shell("sys.stdout.write('x'); sys.stderr.write(settle_output())", ">/dev/full")
    assert run.stderr == "standard output: No space left on device" and run.returncode == 0


def test_a_reader_that_has_gone(tmp_path) -> None:
    code = "import time; time.sleep(0.5); print('x'); sys.stderr.write(settle_output() or 'fine')"
    assert shell(code, "| true").stderr == "standard output: closed by its reader"
    assert shell("print('x'); sys.stderr.write(settle_output() or 'fine')", "").stderr == "fine"
