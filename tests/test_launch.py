"""Several processes: what is launched, and that two CPU processes train as one does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlkd_cli.errors import UsageError
from rlkd_cli.training.launch import launcher
from tests.conftest import ROOT, read

BASE = str(ROOT / "examples/tiny/base")


def run(*words: object, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "rlkd_cli", *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def test_what_is_launched(monkeypatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert launcher(None, None, ["x"], True) is None and launcher(None, 1, ["x"], False) is None
    on_cpu = launcher(None, 2, ["train-gsrm", "in"], False)
    assert on_cpu is not None and on_cpu[-4:] == ["-m", "rlkd_cli", "train-gsrm", "in"] and "torch.distributed.run" in on_cpu
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


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    command = [sys.executable, ROOT / "examples/tiny/world.py", "--out", folder, "--train", "16", "--test", "4", "--gsrm", "16"]
    subprocess.run(command, check=True)
    return folder


def metrics(folder: Path) -> list[dict]:
    return [entry for entry in read(folder / "metrics.jsonl") if "loss" in entry]


def test_two_processes_train_a_gsrm_as_one_does(tmp_path, world) -> None:
    flags = ["--model", BASE, "--learning-rate", "1e-3", "--no-gradient-checkpointing", "--alpha", "2", "-q"]
    one = run("train-gsrm", world / "gsrm.jsonl", "-o", "one", *flags, "--batch-size", 4, "--accumulation", 2, cwd=tmp_path)
    flags += ["--batch-size", 4, "--accumulation", 1, "--num-processes", 2]
    two = run("train-gsrm", world / "gsrm.jsonl", "-o", "two", *flags, cwd=tmp_path)
    assert (one.returncode, two.returncode) == (0, 0), two.stderr[-2000:]
    first, second = metrics(tmp_path / "one"), metrics(tmp_path / "two")
    assert len(first) == len(second) == 6
    for a, b in zip(first, second, strict=True):
        for name in ("loss_meta", "loss_solving", "a", "b"):
            assert a[name] == pytest.approx(b[name], rel=2e-3), (a["step"], name)
    assert (tmp_path / "two/gsrm.json").exists() and (tmp_path / "two/model.safetensors").exists()


def test_two_processes_distil_with_the_same_rewards_as_one(tmp_path, world) -> None:
    flags = ["--student", BASE, "--gsrm", f"hf/{BASE}", "--judge", "exact", "--gsrm-max-tokens", 64, "--max-reward-failures", 1]
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
    flags += ["--no-gradient-checkpointing", "--prompt-template", "{problem}", "--learning-rate", "1e-5"]
    one = run("distill", world / "teacher.jsonl", "-o", "one", *flags, "--batch-size", 8, cwd=tmp_path)
    two = run("distill", world / "teacher.jsonl", "-o", "two", *flags, "--batch-size", 4, "--num-processes", 2, cwd=tmp_path)
    assert (one.returncode, two.returncode) == (0, 0), two.stderr[-2000:]
    for a, b in zip(metrics(tmp_path / "one"), metrics(tmp_path / "two"), strict=True):
        for name in ("total_reward", "outcome_reward", "structured_reward"):
            assert a.get(name) == pytest.approx(b.get(name), abs=1e-4), (a["step"], name)
