"""Training for real, on the tiny base model: a few steps each."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import BASE, ROOT, read

GSRM = ["--learning-rate", "1e-3", "--batch-size", "8", "--accumulation", "2", "--no-gradient-checkpointing", "--alpha", "2"]
STUDENT = [
    "--steps",
    "2",
    "--batch-size",
    "8",
    "--accumulation",
    "1",
    "--temperature",
    "1",
    "--max-tokens",
    "48",
    "--save-steps",
    "1",
]
STUDENT += ["--no-gradient-checkpointing", "--prompt-template", "{problem}", "--learning-rate", "1e-4"]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    command = [sys.executable, ROOT / "examples/tiny/world.py", "--out", folder, "--train", "16", "--test", "4", "--gsrm", "32"]
    subprocess.run(command, check=True)
    return folder


def weights(folder: Path):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_three_phases_make_a_gsrm_and_a_resumed_run_ends_the_same(rlkd, base, world) -> None:
    import torch

    flags = ["--model", base, *GSRM, "--save-steps", "3"]
    assert rlkd("train-gsrm", world / "gsrm.jsonl", "-o", "whole", *flags, "--plot", "p.png").status == 0
    entries = [entry for entry in read(Path("whole/metrics.jsonl")) if "phase" in entry]
    assert [entry["phase"] for entry in entries] == ["meta"] * 2 + ["solving"] * 2 + ["mixed"] * 2
    assert all(entry["loss_meta"] > 0 and entry["loss_solving"] > 0 for entry in entries)
    assert entries[-1]["a"] + entries[-1]["b"] == pytest.approx(entries[-2]["a"] + entries[-2]["b"])
    # the same run, as a kill after step 3 would have left it
    shutil.copytree("whole", "killed")
    for name in ("checkpoint-6", "model.safetensors", "gsrm.json"):
        shutil.rmtree(f"killed/{name}") if Path(f"killed/{name}").is_dir() else Path(f"killed/{name}").unlink()
    run = json.loads(Path("killed/run.json").read_text())
    Path("killed/run.json").write_text(json.dumps({**run, "finished": False}))
    assert rlkd("train-gsrm", world / "gsrm.jsonl", "-o", "killed", *flags).status == 0
    ours, theirs = weights(Path("whole")), weights(Path("killed"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    segmented = rlkd(
        "segment", world / "teacher.jsonl", "--model", "hf/whole", "--max-tokens", "64", "--limit", "2", "--rejects", "r"
    )
    assert segmented.status in (0, 3)


def test_the_split_of_a_batch_does_not_change_the_loss(rlkd, base, world) -> None:
    first: list[float] = []
    for name, batch, accumulation in (("a", "16", "1"), ("b", "4", "4")):
        flags = ["--model", base, "--learning-rate", "1e-3", "--no-gradient-checkpointing", "--batch-size", batch]
        assert rlkd("train-gsrm", world / "gsrm.jsonl", "-o", name, *flags, "--accumulation", accumulation).status == 0
        entries = read(Path(name, "metrics.jsonl"))
        first.append(entries[5]["loss_meta"])
    assert first[0] == pytest.approx(first[1], rel=1e-3)


def test_pairs_that_are_too_long_are_rejected_with_their_length(rlkd, base, world) -> None:
    result = rlkd("train-gsrm", world / "gsrm.jsonl", "-o", "g", "--model", base, *GSRM, "--max-length", "70")
    assert result.status in (1, 3) and "--max-length 70" in (
        result.err + Path("g/rejects.jsonl").read_text() if result.status == 3 else result.err
    )


@pytest.mark.parametrize("method", ["rlkd", "grpo", "sft", "rlad"])
def test_every_method_trains_a_student(rlkd, base, world, method: str) -> None:
    flags = ["--method", method, "--student", base, "--judge", "exact", *STUDENT]
    flags += ["--gsrm", f"hf/{base}", "--gsrm-max-tokens", "64", "--max-reward-failures", "1", "--teacher", base]
    assert rlkd("distill", world / "teacher.jsonl", "-o", "student", *flags).status == 0
    entries = [entry for entry in read(Path("student/metrics.jsonl")) if "loss" in entry]
    assert len(entries) == 2
    if method != "sft":
        assert "outcome_reward" in entries[0] and read(Path("student/completions.jsonl"))[0]["path"]
    assert weights(Path("student")).keys() == weights(BASE).keys()
    again = rlkd("distill", world / "teacher.jsonl", "-o", "student", *flags)
    assert again.status == 0 and "earlier run" in again.err
    other = rlkd("distill", world / "teacher.jsonl", "-o", "student", *flags, "--seed", "1")
    assert other.status == 2 and "seed" in other.err


def test_a_killed_distillation_ends_like_an_undisturbed_one(rlkd, base, world) -> None:
    import torch

    flags = ["--method", "grpo", "--student", base, *STUDENT, "--learning-rate", "1e-3"]
    assert rlkd("distill", world / "teacher.jsonl", "-o", "whole", *flags).status == 0
    shutil.copytree("whole", "killed")
    shutil.rmtree("killed/checkpoint-2")
    run = json.loads(Path("killed/run.json").read_text())
    Path("killed/run.json").write_text(json.dumps({**run, "finished": False}))
    assert rlkd("distill", world / "teacher.jsonl", "-o", "killed", *flags).status == 0
    ours, theirs = weights(Path("whole")), weights(Path("killed"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_missing_structured_reward_never_counts_as_zero() -> None:
    from rlkd_cli.training.rewards import Parts, Weights, total_rewards

    parts = [Parts(1.0, 2.0), Parts(0.0, None), Parts(1.0, 3.0), Parts(0.0, 0.0)]
    both = total_rewards(parts, [0, 0, 1, 1], Weights(10, 1))
    assert both == [1.0, 0.0, 31.0, 0.0]
    assert total_rewards(parts[:2], [0, 0], Weights(10, 0)) == [None, None]


def test_trrd_has_the_papers_values() -> None:
    import torch

    from rlkd_cli.training.trrd import anchor

    gaps = torch.tensor([0.0, 0.25, 0.5, 1.0, 3.0, -1.0, -9.0])
    old = torch.full_like(gaps, -2.0)
    ratio = torch.exp(old - anchor(old, old - gaps, 0.5))
    assert torch.allclose(ratio, torch.tensor([1.0, 1.133, 1.284, 1.649, 1.649, 0.607, 0.607]), atol=1e-3)
    assert torch.equal(anchor(old, old - gaps, 1.0), old)


def test_settings_that_cannot_work_are_refused_at_once(rlkd, base, world) -> None:
    data = world / "teacher.jsonl"
    for flags, word in (
        (["--method", "rlkd"], "--gsrm"),
        (["--method", "rlad"], "--teacher"),
        (["--method", "grpo", "--batch-size", "3", "--accumulation", "1"], "groups of 4"),
        (["--method", "nonsense"], "nonsense"),
    ):
        result = rlkd("distill", data, "-o", "s", "--student", base, *flags)
        assert result.status == 2 and word in result.err
