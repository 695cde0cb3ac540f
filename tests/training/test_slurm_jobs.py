"""examples/slurm/ with stand-ins for Slurm and vLLM: the array job, and training on three nodes."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands.test_shards import paths
from tests.conftest import ROOT, wait_until, write

SLURM = ROOT / "examples/slurm"
RLKD = f'#!/bin/bash\nexec {sys.executable} -m rlkd_cli "$@"\n'
# Runs the task of each machine, with the step's variables; options are all of the form --x=y
SRUN = """#!/bin/bash
while [[ "$1" == --* ]]; do
  case "$1" in --nodes=*) nodes=${1#*=};; --nodelist=*) list=${1#*=};; esac
  shift
done
set -m
export SLURM_STEP_NUM_NODES=$nodes SLURM_STEP_NUM_TASKS=$nodes SLURM_STEP_NODELIST=$list
for rank in $(seq "$nodes"); do SLURM_PROCID=$((rank - 1)) "$@" & done
trap 'kill -INT $(jobs -p)' INT
trap 'kill $(jobs -p); exit' TERM
status=0
for job in $(jobs -p); do wait "$job" || status=$?; done
for job in $(jobs -p); do wait "$job" || status=$?; done
exit $status
"""
SERVE = """#!/bin/bash
while [ "$1" != --port ]; do shift; done
[ ! -e broken ] || exit 1
while [ -e slow ]; do touch called; sleep 0.1; done
sleep 0.5
mkdir -p site/v1/models
exec python -m http.server --directory site "$2"
"""
TRAINING = """#!/bin/bash
trap 'echo interrupted >>ends; exit 130' INT
for url in "${@: -5:1}" "${@: -3:1}"; do
  curl --silent --fail "${url%#*}/models" >/dev/null || exit 9
done
echo "$SLURM_PROCID of $SLURM_STEP_NUM_NODES on $SLURM_STEP_NODELIST: $*" >>starts
while [ -e hold ]; do sleep 0.1; done
"""


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Writes a command for the scripts to find."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def put(**texts: str) -> None:
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o755)

    return put


def test_the_tasks_of_an_array_make_the_file_of_one_process(rlkd, server, commands) -> None:
    write(Path("in.jsonl"), paths(12))
    commands(rlkd=RLKD)
    words = ["segment", "in.jsonl", "--model", server.url, "--no-verify", "-q"]
    assert rlkd(*words, "-o", "one.jsonl").status == 0
    command = ["bash", str(SLURM / "array.sbatch"), *words, "-o", "out.jsonl"]
    own = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_MAX": "3"}
    unsaid = subprocess.run(command, env=os.environ | own, capture_output=True, text=True)
    assert unsaid.returncode != 0 and "how many slices" in unsaid.stderr
    for task in ("2", "3", "1"):
        own = {"SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_MAX": task, "SHARDS": "3"}
        done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert Path("out.jsonl").exists() == (task == "1")
    assert Path("out.jsonl").read_bytes() == Path("one.jsonl").read_bytes()


@pytest.fixture
def job(tmp_path, commands):
    """Starts the training on three machines, which are all this one."""
    hosts = "#!/bin/bash\nprintf '%s\\n' localhost localhost 127.0.0.1\n"
    commands(srun=SRUN, scontrol=hosts, serve=SERVE, rlkd=TRAINING)
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(str(free.getsockname()[1]))
    own = {"SERVE": "serve", "PORTS": " ".join(ports), "SERVER_PAUSE": "0.1"}
    own |= {"SLURM_JOB_NODELIST": "x", "GSRM": "gsrm", "JUDGE": "judge"}

    def start() -> subprocess.Popen:
        more = ["teacher.jsonl", "student", "--steps", "7"]
        command = ["bash", str(SLURM / "train.sbatch"), *more]
        return subprocess.Popen(
            command,
            cwd=tmp_path,
            env=os.environ | own,
            start_new_session=True,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def test_two_nodes_train_when_the_third_answers(job, tmp_path, rlkd, world) -> None:
    assert job().wait(60) == 0
    starts = sorted((tmp_path / "starts").read_text().splitlines())
    told = [line.partition(": ") for line in starts]
    where = [f"{rank} of 2 on localhost,localhost" for rank in (0, 1)]
    assert [one[0] for one in told] == where and told[0][2] == told[1][2]
    words = shlex.split(told[0][2])
    assert words[:5] == ["distill", "teacher.jsonl", "-o", "student", "--launch"]
    assert words[words.index("--num-processes") + 1] == "16"
    words[1] = str(world / "teacher.jsonl")
    small = ["--student", ROOT / "examples/tiny/base", "--max-tokens", 32, "--batch-size", 1]
    planned = rlkd(*words, *small, "--accumulation", 1, "--server-timeout", 0, "--dry-run")
    assert planned.status == 0 and "distill (dry run)" in planned.err


def test_a_server_that_ends_ends_the_job(job, tmp_path) -> None:
    (tmp_path / "broken").touch()
    process = job()
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1 and "has ended" in said and not (tmp_path / "starts").exists()


def test_the_signal_before_the_time_limit_reaches_both_nodes(job, tmp_path) -> None:
    (tmp_path / "hold").touch()
    process, starts = job(), tmp_path / "starts"
    wait_until(lambda: starts.exists() and starts.read_text().count("\n") == 2)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGINT)  # to the batch shell alone
    assert process.wait(30) == 130
    assert (tmp_path / "ends").read_text().count("interrupted") == 2


def test_the_signal_while_servers_start_ends_the_job(job, tmp_path) -> None:
    (tmp_path / "slow").touch()
    process = job()
    wait_until(lambda: (tmp_path / "called").exists())
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(30) == 130 and not (tmp_path / "starts").exists()
    (tmp_path / "slow").unlink()  # where a server is left, it ends
