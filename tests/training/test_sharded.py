"""Sharded trainings, for real, on CPU: DeepSpeed in one process, FSDP2 in two; they end as one
whole process does.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT, read, segmentation, wait_until, write
from tests.zoo.families import make

PATH = "<think>\nab</think>\nSo \\boxed{4}"
STEP = {"meta_reasoning": "Add.", "sub_problem": "2+2?", "answer": "4"}
SAME = ["--learning-rate", "1e-3", "--warmup", 0, "--no-gradient-checkpointing", "-q"]
SAME += ["--accumulation", 1]


def started(kind: str, *words: object) -> subprocess.Popen:
    """Starts `rlkd WORDS` sharded; FSDP2 in two processes."""
    torchrun = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m"]
    start = [sys.executable, "-m", *(torchrun if kind == "fsdp2" else []), "tests.training.sharded"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*start, kind, *map(str, words)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def sharded(kind: str, *words: object) -> None:
    """Runs `rlkd WORDS` sharded, to its end."""
    process = started(kind, *words)
    said = process.communicate(timeout=240)[1]
    assert process.returncode == 0, said[-3000:]


def killed(kind: str, folder: Path, *words: object) -> None:
    """Starts `rlkd WORDS` sharded and kills it when its first checkpoint is whole."""
    process = started(kind, *words)
    wait_until(lambda: (folder / "checkpoint-1/trainer_state.json").exists(), 200)
    launcher = psutil.Process(process.pid)
    for one in [launcher, *launcher.children(recursive=True)]:  # each has a session of its own
        one.kill()
    process.communicate(timeout=60)


def same(whole: Path, parts: Path) -> None:
    """The losses of each step and the saved weights, side by side."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    pairs = zip(read(whole / "metrics.jsonl"), read(parts / "metrics.jsonl"), strict=True)
    losses = [(a["loss"], b["loss"]) for a, b in pairs if "loss" in a]
    assert losses and all(a == pytest.approx(b, abs=1e-5) for a, b in losses), losses
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (whole, parts))
    assert ours.keys() == theirs.keys()
    # where the base is bfloat16, a difference in the last bit is one of rounding
    last = {torch.float32: 1e-5, torch.bfloat16: 2**-7}
    for name, mine in ours.items():
        assert torch.allclose(mine, theirs[name], atol=2e-5, rtol=last[mine.dtype]), name
    _, info = AutoModelForCausalLM.from_pretrained(parts, output_loading_info=True)
    assert not (info["missing_keys"] or info["unexpected_keys"])


def batch(kind: str, size: int) -> list[object]:
    return ["--batch-size", size // 2 if kind == "fsdp2" else size]


@pytest.mark.parametrize("kind", ["zero2", "zero3", "fsdp2"])
def test_a_sharded_lora_training_saves_merged_weights(rlkd, tmp_path, kind: str) -> None:
    if kind != "fsdp2" and find_spec("deepspeed") is None:
        pytest.skip("DeepSpeed is not installed")
    base = make("qwen2.5-base", tmp_path / "base")
    rows = [{"id": i, "problem": "2+2?", "path": PATH} for i in range(8)]
    data = write(tmp_path / "t.jsonl", rows)
    flags = ["--student", base, "--method", "sft", "--steps", 2, "--lora", 4, *SAME]
    flags += ["--max-tokens", 50, "--prompt-template", "{problem}"]
    assert rlkd("distill", data, "-o", "whole", *flags, *batch("", 8)).status == 0
    sharded(kind, "distill", data, "-o", "parts", *flags, *batch(kind, 8))
    same(Path("whole"), Path("parts"))


@pytest.mark.parametrize("kind", ["zero3", "fsdp2"])
def test_a_sharded_gsrm_is_the_unsharded_one(rlkd, tmp_path, kind: str) -> None:
    if kind != "fsdp2" and find_spec("deepspeed") is None:
        pytest.skip("DeepSpeed is not installed")
    base = make("mistral", tmp_path / "base")
    data = write(tmp_path / "g.jsonl", [segmentation(i, STEP, path="2+2=4") for i in range(8)])
    flags = ["--model", base, *SAME]
    assert rlkd("train-gsrm", data, "-o", "whole", *flags, *batch("", 8)).status == 0
    sharded(kind, "train-gsrm", data, "-o", "parts", *flags, *batch(kind, 8))
    same(Path("whole"), Path("parts"))


@pytest.mark.parametrize("kind", ["zero3", "fsdp2"])
def test_a_sharded_training_that_is_killed_goes_on(rlkd, tmp_path, kind: str) -> None:
    if kind != "fsdp2" and find_spec("deepspeed") is None:
        pytest.skip("DeepSpeed is not installed")
    base = make("llama3", tmp_path / "base")
    rows = [{"id": i, "problem": "2+2?", "path": PATH} for i in range(8)]
    data = write(tmp_path / "t.jsonl", rows)
    flags = ["--student", base, "--method", "sft", "--steps", 6, *SAME, "--save-steps", 1]
    flags += ["--max-tokens", 50, "--prompt-template", "{problem}"]
    assert rlkd("distill", data, "-o", "whole", *flags, *batch("", 8)).status == 0
    command = ["distill", data, "-o", "parts", *flags, *batch(kind, 8)]
    killed(kind, Path("parts"), *command)
    assert len(read(Path("parts/metrics.jsonl"))) < 6
    sharded(kind, *command)
    same(Path("whole"), Path("parts"))


@pytest.mark.parametrize(("method", "kind"), [("rlad", "zero3"), ("self", "fsdp2")])
def test_a_sharded_rollout_trains_and_saves(rlkd, tmp_path, method: str, kind: str) -> None:
    if kind != "fsdp2" and find_spec("deepspeed") is None:
        pytest.skip("DeepSpeed is not installed")
    base = make("llama3", tmp_path / "base")
    rows = [{"id": i, "problem": "2+2?", "path": PATH, "answer": "4"} for i in range(4)]
    data = write(tmp_path / "t.jsonl", rows)
    flags = ["--student", base, "--method", method, "--teacher", base, "--steps", 1, *SAME]
    flags += ["--max-tokens", 8, "--temperature", 0.01, "--prompt-template", "{problem}"]
    assert rlkd("distill", data, "-o", "whole", *flags, *batch("", 4)).status == 0
    sharded(kind, "distill", data, "-o", "parts", *flags, *batch(kind, 4))
    same(Path("whole"), Path("parts"))
