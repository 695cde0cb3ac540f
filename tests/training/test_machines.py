"""Training on several machines: who is told what, and two on loopback that train as one does."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from rlkd_cli.errors import UsageError
from rlkd_cli.training.launcher import launcher
from rlkd_cli.training.machines import Machines, first_host, machines
from tests.training.test_launcher import GSRM, environment, metrics

ASKED = {"num_machines": None, "machine_rank": None, "main_process_ip": None}
ASKED |= {"main_process_port": None, "num_processes": None}
STEP = {
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_STEP_NODELIST": "gpu[07-08],login1",
    "SLURM_PROCID": "1",
    "SLURM_JOB_ID": "123456",
}


def found(**more: object) -> Machines:
    return machines(SimpleNamespace(**ASKED | more))  # type: ignore[arg-type]


def test_slurms_step_says_what_the_options_do_not(monkeypatch) -> None:
    assert found() == Machines() and found(num_processes=8) == Machines()
    for name, value in STEP.items():
        monkeypatch.setenv(name, value)
    assert found(num_processes=16) == Machines(2, 1, "gpu07", 23456)
    assert found(num_machines=1, num_processes=16) == Machines()
    own = {"num_machines": 4, "machine_rank": 3, "main_process_ip": "10.0.0.1"}
    assert found(num_processes=8, main_process_port=5, **own) == Machines(4, 3, "10.0.0.1", 5)
    for hosts, first in (("n1,n2", "n1"), ("a[1,3]-ib,b", "a1-ib"), ("x", "x")):
        assert first_host(hosts) == first


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"num_machines": 2, "num_processes": 2}, "--main-process-ip"),
        ({"num_machines": 2, "main_process_ip": "h"}, "--num-processes"),
        ({"num_machines": 2, "main_process_ip": "h", "num_processes": 3}, "as many on each"),
        ({"num_machines": 2, "main_process_ip": "h", "machine_rank": 2}, "the last is 1"),
    ],
)
def test_what_does_not_go_together_is_refused(asked: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        found(**asked)


def test_one_task_a_machine_is_asked_of_slurm(monkeypatch) -> None:
    for name, value in (STEP | {"SLURM_STEP_NUM_TASKS": "16"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="--ntasks-per-node=1"):
        found(num_processes=16)


def test_a_variable_of_slurm_that_is_no_number_is_named(monkeypatch) -> None:
    monkeypatch.setenv("SLURM_STEP_NUM_NODES", "x")
    with pytest.raises(UsageError, match="SLURM_STEP_NUM_NODES=x"):
        found(num_processes=2)


def test_launchers_are_told_the_machines(monkeypatch) -> None:
    from accelerate.commands.launch import launch_command_parser

    monkeypatch.delenv("RANK", raising=False)
    second = Machines(2, 1, "gpu07", 23456)
    words = launcher("zero2", 16, ["distill", "x"], True, second)
    assert words is not None
    told = launch_command_parser().parse_args(words[1:])
    assert (told.num_machines, told.machine_rank, told.num_processes) == (2, 1, 16)
    assert (told.main_process_ip, told.main_process_port) == ("gpu07", 23456)
    assert told.same_network and told.deepspeed_multinode_launcher == "standard"
    on_cpu = launcher(None, 4, ["distill", "x"], False, second)
    assert on_cpu is not None and on_cpu[1:9:2] == [
        *("--nnodes", "--node_rank", "--master_addr", "--master_port"),
    ]
    assert on_cpu[2:9:2] == ["2", "1", "gpu07", "23456"] and on_cpu[10] == "2"


def test_two_machines_train_a_gsrm_as_one_process_does(rlkd, tmp_path, world, monkeypatch) -> None:
    flags = [world / "gsrm.jsonl", *GSRM, "--batch-size", 4, "--limit", 16, "--phases", "mixed"]
    assert rlkd("train-gsrm", *flags, "-o", "one", "--accumulation", 2).status == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags += ["-o", "two", "--accumulation", 1, "--num-processes", 2]
    flags += ["--main-process-port", port]
    words = [sys.executable, "-m", "rlkd_cli", "train-gsrm", *map(str, flags)]

    here = STEP | {"SLURM_STEP_NODELIST": "127.0.0.1"}
    second, first = (  # the second waits for the first
        subprocess.Popen(
            words,
            cwd=tmp_path,
            env=environment() | here | {"SLURM_PROCID": rank},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("1", "0")
    )
    said = [process.communicate(timeout=200)[1] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), said
    assert "machine 1 of 2 waits for machine 0" in said[1] and "Traceback" not in "".join(said)
    ours, theirs = metrics(tmp_path / "one"), metrics(tmp_path / "two")
    assert len(ours) == len(theirs) == 2
    for a, b in zip(ours, theirs, strict=True):
        for name in ("loss_meta", "loss_solving"):
            assert a[name] == pytest.approx(b[name], rel=2e-3), (a["step"], name)
    assert (tmp_path / "two/model.safetensors").exists()
    for name, value in here.items():
        monkeypatch.setenv(name, value)
    again = rlkd("train-gsrm", *flags)  # the second again: nothing is left to wait for
    assert again.status == 0 and "finished by an earlier run" in again.err


def test_rewards_on_several_machines_are_found_over_addresses(rlkd, world) -> None:
    flags = ["--student", "x", "--num-machines", 2, "--main-process-ip", "127.0.0.1", "-q"]
    flags += ["--num-processes", 2, "--judge", "exact"]
    refused = rlkd("distill", world / "teacher.jsonl", "-o", "out", *flags, "--gsrm", "hf/gsrm")
    assert refused.status == 2 and "hf/gsrm: on several machines" in refused.err
    assert not Path("out").exists() and "RANK" not in os.environ
