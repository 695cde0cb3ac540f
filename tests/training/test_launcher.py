"""Several processes: what is launched, and that two CPU processes train as one does."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rlkd_cli.errors import UsageError
from rlkd_cli.training.launcher import launcher
from tests.conftest import ROOT, read

BASE = str(ROOT / "examples/tiny/base")


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def run(*words: object, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "rlkd_cli", *map(str, words)]
    return subprocess.run(
        command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=300
    )


def test_what_is_launched(monkeypatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert launcher(None, None, ["x"], True) is None and launcher(None, 1, ["x"], False) is None
    on_cpu = launcher(None, 2, ["train-gsrm", "in"], False)
    assert (
        on_cpu is not None
        and on_cpu[-4:] == ["-m", "rlkd_cli", "train-gsrm", "in"]
        and on_cpu[0] == "torch.distributed.run"
    )
    shipped = launcher("fsdp2", 8, ["x"], True)
    assert shipped is not None and shipped[-5:-2] == ["--num_processes", "8", "-m"]
    assert Path(shipped[shipped.index("--config_file") + 1]).is_file()
    for config, accelerator in (("zero3", False), ("nonsense", True)):
        with pytest.raises(UsageError, match=config):
            launcher(config, 2, ["x"], accelerator)
    monkeypatch.setenv("RLKD_LAUNCHED", "1")
    assert launcher(None, 2, ["x"], False) is None


@pytest.mark.parametrize("name", ["ddp", "zero2", "zero3", "fsdp2"])
def test_shipped_configurations_are_accelerates_own(name: str) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(ROOT / f"rlkd_cli/training/configs/{name}.yaml"))
    assert config.num_processes == 8


def metrics(folder: Path) -> list[dict]:
    return [entry for entry in read(folder / "metrics.jsonl") if "loss" in entry]


GSRM = [
    "--model",
    BASE,
    "--learning-rate",
    "1e-3",
    "--no-gradient-checkpointing",
    "--alpha",
    "2",
    "-q",
]


def test_two_processes_train_a_gsrm_as_one_does_and_end_with_its_status(tmp_path, world) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text((world / "gsrm.jsonl").read_text() + "no JSON\n")
    flags = [pairs, *GSRM, "--batch-size", 4, "--skip-invalid", "--eval-fraction", "0.25"]
    one = run("train-gsrm", *flags, "-o", "one", "--accumulation", 2, cwd=tmp_path)
    flags += ["-o", "two", "--accumulation", 1, "--num-processes", 2]
    two = run("train-gsrm", *flags, cwd=tmp_path)
    assert (one.returncode, two.returncode) == (3, 3), two.stderr[-2000:]
    assert read(tmp_path / "one/rejects.jsonl") == read(tmp_path / "two/rejects.jsonl")
    assert (
        "Traceback" not in two.stderr and run("train-gsrm", *flags, cwd=tmp_path).returncode == 3
    )  # finished before
    first, second = metrics(tmp_path / "one"), metrics(tmp_path / "two")
    assert len(first) == len(second) == 9
    for a, b in zip(first, second, strict=True):
        for name in ("loss_meta", "loss_solving", "a", "b"):
            assert a[name] == pytest.approx(b[name], rel=2e-3), (a["step"], name)
    checks = [
        json.loads((tmp_path / name / "held_out.json").read_text()) for name in ("one", "two")
    ]
    assert checks[0] == pytest.approx(checks[1], abs=0.2) and len(checks[1]) == 6
    assert (tmp_path / "two/gsrm.json").exists() and (tmp_path / "two/model.safetensors").exists()


def test_two_processes_that_are_interrupted_end_like_undisturbed_ones(tmp_path, world) -> None:
    from safetensors.torch import load_file

    words = [
        "train-gsrm",
        world / "gsrm.jsonl",
        *GSRM,
        "--batch-size",
        2,
        "--accumulation",
        1,
        "--num-processes",
        2,
    ]
    command = [sys.executable, "-m", "rlkd_cli", *map(str, words), "-o", "stopped"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    log = tmp_path / "stopped/metrics.jsonl"
    while process.poll() is None and not (log.exists() and log.read_text().count("\n") >= 3):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the launcher and both processes
    said = process.communicate(timeout=90)[1]
    assert (
        process.returncode == 130
        and said.count("same command again") == 1
        and "Traceback" not in said
    ), said
    assert any(
        1 <= int(folder.name.split("-")[1]) < 24
        for folder in (tmp_path / "stopped").glob("checkpoint-*")
    )
    for folder in ("stopped", "whole"):
        done = run(*words, "-o", folder, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-2000:]
    ours, theirs = (
        load_file(tmp_path / folder / "model.safetensors") for folder in ("whole", "stopped")
    )
    assert all(bool((ours[name] == theirs[name]).all()) for name in ours)


def test_a_process_that_fails_gives_the_command_its_status(tmp_path, world) -> None:
    failed = run(
        "train-gsrm",
        world / "gsrm.jsonl",
        "-o",
        "x",
        "--model",
        "no/such",
        "--num-processes",
        2,
        "-q",
        cwd=tmp_path,
    )
    assert (
        failed.returncode == 1
        and "no/such: cannot be loaded" in failed.stderr
        and "Traceback" not in failed.stderr
    )


def test_two_processes_distil_with_the_same_rewards_as_one(tmp_path, world) -> None:
    flags = [
        "--student",
        BASE,
        "--gsrm",
        f"hf/{BASE}",
        "--judge",
        "exact",
        "--gsrm-max-tokens",
        64,
        "--max-reward-failures",
        1,
    ]
    flags += [
        "--steps",
        2,
        "--accumulation",
        1,
        "--temperature",
        0.01,
        "--max-tokens",
        48,
        "--group",
        4,
        "-q",
        "--sample-every",
        1,
    ]
    flags += [
        "--no-gradient-checkpointing",
        "--prompt-template",
        "{problem}",
        "--learning-rate",
        "1e-5",
    ]
    one = run(
        "distill", world / "teacher.jsonl", "-o", "one", *flags, "--batch-size", 8, cwd=tmp_path
    )
    two = run(
        "distill",
        world / "teacher.jsonl",
        "-o",
        "two",
        *flags,
        "--batch-size",
        4,
        "--num-processes",
        2,
        cwd=tmp_path,
    )
    assert (one.returncode, two.returncode) == (0, 0), two.stderr[-2000:]
    for a, b in zip(metrics(tmp_path / "one"), metrics(tmp_path / "two"), strict=True):
        for name in ("total_reward", "outcome_reward", "structured_reward"):
            assert a.get(name) == pytest.approx(b.get(name), abs=1e-4), (a["step"], name)


SHARDED = """
import sys
import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from transformers import AutoModelForCausalLM
from rlkd_cli.models.local.labelled_head import LabelledHead

def losses(sharded):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
    head = LabelledHead(model)
    if sharded:
        for layer in model.model.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    found = []
    for _ in range(3):
        ids = torch.randint(5, 90, (2, 24))
        labelled = torch.rand(2, 24) < 0.3
        loss = -head.log_probs(model, {"input_ids": ids}, labelled).sum() / labelled.sum()
        found.append(loss.item())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return found

mesh = init_device_mesh("cpu", (2,))
whole, parts = losses(False), losses(True)
assert all(abs(a - b) < 1e-4 for a, b in zip(whole, parts)) and whole[0] != whole[2], (whole, parts)
"""


def test_the_labelled_head_works_on_a_sharded_model(tmp_path) -> None:
    (tmp_path / "sharded.py").write_text(SHARDED)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        "2",
        "sharded.py",
        BASE,
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
