"""`--launch ray`: slices as tasks on a cluster of fake machines; lost machines, lost processes,
interrupts.

One cluster for all tests: Ray takes seconds to start.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.commands.test_shards import asked, facts, identity, paths, same_files
from tests.conftest import ROOT, read, wait_until, write
from tests.servers.scripted import STEPS, Response

pytest.importorskip("ray", reason="Ray is not installed (pip install 'rlkd[ray]')")

SEGMENT = ["segment", "in.jsonl", "--no-verify", "--max-attempts", "1", "--max-retries", "0"]


@pytest.fixture(scope="module")
def cluster():
    """A head without a place for tasks, and machines named `a` and `b` with two each, and a device
    that Ray believes in.
    """
    from ray.cluster_utils import Cluster

    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    os.environ["PYTHONPATH"] = str(ROOT)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "node_name": "head"})
    cluster.machines = {
        name: cluster.add_node(num_cpus=2, num_gpus=1, node_name=name) for name in "ab"
    }
    yield cluster
    cluster.shutdown()


@pytest.fixture
def script(server):
    """What is written depends on the path; each reply takes as long as `server.delay` says."""
    server.delay = 0.0

    def script(request: dict, number: int) -> Response:
        number = identity(request)
        text = "no steps" if number in (3, 10) else STEPS.replace("Choose a", f"Choose {number}")
        return Response(text, delay=server.delay)

    server.script = script


def start(cluster: Any, server: Any, *more: str) -> subprocess.Popen:
    """The command on the cluster, in a process of its own."""
    words = [*SEGMENT, "--model", server.url, "-o", "out.jsonl", "--num-processes", "2", *more]
    words += ["--launch", f"ray:{cluster.address}", "--concurrency", "4"]
    command = [sys.executable, "-m", "rlkd_cli", *words]
    return subprocess.Popen(
        command, env=os.environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def workers() -> list[psutil.Process]:
    """The processes in which tasks run now."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any("ray::run_task" in word for word in process.info["cmdline"] or []):
            found.append(process)
    return found


def test_a_lost_process_and_a_lost_machine_change_nothing(rlkd, server, script, cluster) -> None:
    write(Path("in.jsonl"), paths(600))
    assert rlkd(*SEGMENT, "--model", server.url, "-o", "one.jsonl", "-q").status == 3
    since, server.delay = len(server.requests), 0.1
    process = start(cluster, server)
    wait_until(lambda: len(server.requests) > since + 60)
    at_first, first = finished(), len(server.requests)
    workers()[0].kill()
    wait_until(lambda: len(server.requests) > since + 180)
    at_second, second = finished(), len(server.requests)
    cluster.remove_node(cluster.machines.pop("b"), allow_graceful=False)
    server.delay = 0.02
    out, said = process.communicate(timeout=90)
    assert process.returncode == 3 and out == "", said
    assert same_files("one.jsonl", "out.jsonl") and not Path("out.jsonl.shards").exists()
    assert len(at_first) > 30 and not at_first.intersection(asked(server, first))
    assert len(at_second) > 120 and not at_second.intersection(asked(server, second))
    # a lost process had four requests in flight; the lost machine may have run both tasks
    assert len(server.requests) - since <= 600 + 3 * 4
    assert "a task's process or machine is lost" in said and said.count("\n") < 20
    kept, one = facts("out.jsonl"), facts("one.jsonl")
    for name in ("settings", "input", "output", "records", "rejected", "rejects", "models"):
        assert kept[name] == one[name], name
    assert set(kept["nodes"]) <= {"a", "b"} and "a" in kept["nodes"]


def finished() -> set[int]:
    """The records that the parts hold."""
    lines = [line for file in Path("out.jsonl.shards").glob("*.journal") for line in read(file)]
    return {line["i"] for line in lines if "i" in line}


def test_an_interrupt_keeps_journals_and_another_number_goes_on(
    rlkd, server, script, cluster
) -> None:
    write(Path("in.jsonl"), paths(80))
    assert rlkd(*SEGMENT, "--model", server.url, "-o", "one.jsonl", "-q").status == 3
    since, server.delay = len(server.requests), 0.2
    process = start(cluster, server)
    wait_until(lambda: len(server.requests) > since + 24, 60)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "same command again" in said and "Traceback" not in said
    Path("out.jsonl.shards/run-1234").touch()  # as a run that is killed leaves it
    done, since, server.delay = finished(), len(server.requests), 0.0
    assert 10 < len(done) < 80
    words = ["--launch", f"ray:{cluster.address}", "--num-processes", "1"]
    words += ["--gpus-per-process", "1"]
    result = rlkd(*SEGMENT, "--model", server.url, "-o", "out.jsonl", *words)
    assert result.status == 3 and "2 of 80 records rejected" in result.err
    assert asked(server, since) == sorted(set(range(80)) - done)
    assert same_files("one.jsonl", "out.jsonl") and not Path("out.jsonl.shards").exists()


def test_an_error_of_a_task_ends_the_run_with_its_status(rlkd, server, cluster) -> None:
    write(Path("in.jsonl"), paths(8))
    server.script = lambda request, number: Response(status=401)
    words = ["--launch", f"ray:{cluster.address}", "--num-processes", "2", "-o", "out.jsonl"]
    failed = rlkd(*SEGMENT, "--model", server.url, *words)
    assert failed.status == 1 and "HTTP 401" in failed.err and "shard" in failed.err
    devices = rlkd(*SEGMENT, "--model", server.url, *words, "--gpus-per-process", "3")
    assert devices.status == 2 and "--gpus-per-process 3: no machine" in devices.err


def test_a_cluster_that_is_not_there_is_said(rlkd, server) -> None:
    write(Path("in.jsonl"), paths(2))
    words = ["--launch", "ray:127.0.0.1:1", "--num-processes", "2", "-o", "out.jsonl"]
    refused = rlkd(*SEGMENT, "--model", server.url, *words)
    assert refused.status == 2 and "ray:127.0.0.1:1" in refused.err
    assert "Traceback" not in refused.err and not server.requests
