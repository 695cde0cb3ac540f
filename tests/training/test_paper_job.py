"""examples/paper.slurm with stand-ins for the paper's run and vLLM: stages, servers, interrupts."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAPER = """#!/bin/bash
echo "$STAGE $GSRM_URL" >>stages
if [ "$STAGE" = rest ]; then
  for url in $GSRM_URL $JUDGE_URL; do
    curl --silent --fail "${url%#*}/models" >/dev/null || exit 9
  done
fi
trap 'echo interrupted >>stages; exit 130' INT
while [ -e hold ]; do sleep 0.1; done
[ ! -e fail ] || exit 4
"""
SERVE = """#!/bin/bash
sleep 1
mkdir -p site/v1/models
exec python -m http.server --directory site "${@: -1}"
"""


@pytest.fixture
def job(tmp_path):
    """Starts the job in a folder of its own."""
    for name, text in (("paper", PAPER), ("serve", SERVE)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(str(free.getsockname()[1]))
    own = {"PAPER": "./paper", "SERVE": "./serve", "PORTS": " ".join(ports), "SERVER_PAUSE": "0.2"}
    environment = {**os.environ, **own}

    def start() -> subprocess.Popen:
        command = ["bash", str(ROOT / "examples/paper.slurm"), "run"]
        return subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True)

    return start


def test_students_are_trained_when_the_servers_answer_and_not_before(job, tmp_path) -> None:
    assert job().wait(60) == 0
    assert [line.split()[0] for line in Path(tmp_path, "stages").read_text().splitlines()] == [
        "gsrm",
        "rest",
    ]


def test_a_gsrm_that_is_not_finished_is_not_served(job, tmp_path) -> None:
    (tmp_path / "fail").touch()
    (tmp_path / "run/gsrm").mkdir(parents=True)
    assert job().wait(60) == 4
    assert len((tmp_path / "stages").read_text().splitlines()) == 1


def test_the_signal_before_the_time_limit_reaches_the_training(job, tmp_path) -> None:
    (tmp_path / "hold").touch()
    process = job()
    while not (tmp_path / "stages").exists():
        time.sleep(0.05)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGINT)  # as `--signal=B:INT@300` does: to the batch shell alone
    assert process.wait(30) == 130
    assert "interrupted" in (tmp_path / "stages").read_text()


def test_the_signal_while_servers_start_ends_the_job(job, tmp_path) -> None:
    (tmp_path / "serve").write_text("#!/bin/bash\ntouch serving\nexec sleep 60\n")
    process = job()
    while not (tmp_path / "serving").exists():
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(30) == 130
    assert len((tmp_path / "stages").read_text().splitlines()) == 1
