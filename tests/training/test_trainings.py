"""Training for real, on the tiny base model: a few steps each."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import BASE, read

GSRM = [
    "--learning-rate",
    "1e-3",
    "--batch-size",
    "8",
    "--accumulation",
    "2",
    "--no-gradient-checkpointing",
    "--alpha",
    "2",
]
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
STUDENT += [
    "--no-gradient-checkpointing",
    "--prompt-template",
    "{problem}",
    "--learning-rate",
    "1e-4",
]


def weights(folder: Path):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_three_phases_make_a_gsrm_and_a_resumed_run_ends_the_same(rlkd, base, world) -> None:
    import torch

    flags = ["--model", base, *GSRM, "--save-steps", "3"]
    assert (
        rlkd("train-gsrm", world / "gsrm.jsonl", "-o", "whole", *flags, "--plot", "p.png").status
        == 0
    )
    entries = [entry for entry in read(Path("whole/metrics.jsonl")) if "phase" in entry]
    assert [entry["phase"] for entry in entries] == ["meta"] * 2 + ["solving"] * 2 + ["mixed"] * 2
    assert all(entry["loss_meta"] > 0 and entry["loss_solving"] > 0 for entry in entries)
    assert entries[-1]["a"] + entries[-1]["b"] == pytest.approx(entries[-2]["a"] + entries[-2]["b"])
    # the same run, as a kill after step 3 would have left it
    shutil.copytree("whole", "killed")
    for name in ("checkpoint-6", "model.safetensors", "gsrm.json"):
        shutil.rmtree(f"killed/{name}") if Path(f"killed/{name}").is_dir() else Path(
            f"killed/{name}"
        ).unlink()
    run = json.loads(Path("killed/run.json").read_text())
    Path("killed/run.json").write_text(json.dumps({**run, "finished": False}))
    assert rlkd("train-gsrm", world / "gsrm.jsonl", "-o", "killed", *flags).status == 0
    ours, theirs = weights(Path("whole")), weights(Path("killed"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    segmented = rlkd(
        "segment",
        world / "teacher.jsonl",
        "--model",
        "hf/whole",
        "--max-tokens",
        "64",
        "--limit",
        "2",
        "--rejects",
        "r",
    )
    assert (segmented.status, len(segmented.records)) == (0, 2)


def test_the_split_of_a_batch_does_not_change_the_loss(rlkd, base, world) -> None:
    first: list[float] = []
    for name, batch, accumulation in (("a", "16", "1"), ("b", "4", "4")):
        flags = [
            "--model",
            base,
            "--learning-rate",
            "1e-3",
            "--no-gradient-checkpointing",
            "--batch-size",
            batch,
        ]
        assert (
            rlkd(
                "train-gsrm",
                world / "gsrm.jsonl",
                "-o",
                name,
                *flags,
                "--accumulation",
                accumulation,
            ).status
            == 0
        )
        entries = read(Path(name, "metrics.jsonl"))
        first.append(entries[5]["loss_meta"])
    assert first[0] == pytest.approx(first[1], rel=1e-3)


def test_pairs_that_are_too_long_are_rejected_with_their_length(rlkd, base, world) -> None:
    result = rlkd(
        "train-gsrm", world / "gsrm.jsonl", "-o", "g", "--model", base, *GSRM, "--max-length", "70"
    )
    rejects = read(Path("g/rejects.jsonl"))
    assert result.status == 3 and 0 < len(rejects) < 32
    assert all("--max-length 70" in reject["detail"] for reject in rejects)


@pytest.mark.parametrize("method", ["rlkd", "grpo", "ppo", "sft", "rlad"])
def test_every_method_trains_a_student(rlkd, base, world, method: str) -> None:
    flags = ["--method", method, "--student", base, "--judge", "exact", *STUDENT]
    flags += [
        "--gsrm",
        f"hf/{base}",
        "--gsrm-max-tokens",
        "64",
        "--max-reward-failures",
        "1",
        "--teacher",
        base,
    ]
    done = 3 if method == "sft" else 0  # some teacher's paths are longer than --max-tokens
    assert rlkd("distill", world / "teacher.jsonl", "-o", "student", *flags).status == done
    entries = [entry for entry in read(Path("student/metrics.jsonl")) if "loss" in entry]
    assert len(entries) == 2
    if method != "sft":
        assert "outcome_reward" in entries[0] and read(Path("student/completions.jsonl"))[0]["path"]
    assert weights(Path("student")).keys() == weights(BASE).keys()
    again = rlkd("distill", world / "teacher.jsonl", "-o", "student", *flags)
    assert again.status == done and "earlier run" in again.err
    other = rlkd("distill", world / "teacher.jsonl", "-o", "student", *flags, "--seed", "1")
    assert other.status == 2 and "seed" in other.err


@pytest.mark.parametrize("method", ["grpo", "ppo"])
def test_a_killed_distillation_ends_like_an_undisturbed_one(rlkd, base, world, method: str) -> None:
    import torch

    flags = ["--method", method, "--student", base, *STUDENT, "--learning-rate", "1e-3"]
    assert rlkd("distill", world / "teacher.jsonl", "-o", "whole", *flags).status == 0
    shutil.copytree("whole", "killed")
    shutil.rmtree("killed/checkpoint-2")
    run = json.loads(Path("killed/run.json").read_text())
    Path("killed/run.json").write_text(json.dumps({**run, "finished": False}))
    assert rlkd("distill", world / "teacher.jsonl", "-o", "killed", *flags).status == 0
    ours, theirs = weights(Path("whole")), weights(Path("killed"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_missing_reward_is_left_out_and_takes_nothing_from_its_neighbours() -> None:
    from rlkd_cli.reward.total import Parts, Weights, total_reward

    parts = [Parts(1.0, 2.0), Parts(0.0, None), Parts(None, 3.0), Parts(0.0, 0.0)]
    totals = [total_reward(part, Weights(10, 1)) for part in parts]
    assert totals == [21.0, None, None, 0.0]
    assert total_reward(parts[1], Weights(0, 1)) == 0.0
    assert Weights(10, 1).of({"answer": None}) == Weights(10, 0)
    assert total_reward(parts[1], Weights(0, 0)) is None


def test_trrd_has_the_papers_values() -> None:
    import torch

    from rlkd_cli.training.methods.rlad import anchor

    gaps = torch.tensor([0.0, 0.25, 0.5, 1.0, 3.0, -1.0, -9.0])
    old = torch.full_like(gaps, -2.0)
    ratio = torch.exp(old - anchor(old, old - gaps, 0.5))
    assert torch.allclose(
        ratio, torch.tensor([1.0, 1.133, 1.284, 1.649, 1.649, 0.607, 0.607]), atol=1e-3
    )
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


def test_gae_has_the_values_of_its_definition() -> None:
    import torch

    from rlkd_cli.training.methods.ppo import advantages_of

    generator = torch.Generator().manual_seed(0)
    values, mask = torch.randn(3, 5, generator=generator), torch.ones(3, 5)
    mask[1, 3:] = 0
    mask[2, 1:] = 0
    rewards, lam = torch.tensor([1.0, -0.5, 2.0]), 0.95
    advantages, returns = advantages_of(rewards, values, mask, lam)
    for row, length in enumerate((5, 3, 1)):
        v = [*values[row, :length].tolist(), 0.0]
        deltas = [
            (rewards[row].item() if t == length - 1 else 0.0) + v[t + 1] - v[t]
            for t in range(length)
        ]
        for t in range(length):
            expected = sum(lam ** (s - t) * deltas[s] for s in range(t, length))
            assert advantages[row, t].item() == pytest.approx(expected, abs=1e-5)
            assert returns[row, t].item() == pytest.approx(expected + v[t], abs=1e-5)
        assert not advantages[row, length:].any()


def test_rows_without_padding_give_the_same_losses(rlkd, base, world) -> None:
    for name, extra in (("padded", []), ("packed", ["--packing"])):
        flags = ["--model", base, *GSRM, *extra]
        assert rlkd("train-gsrm", world / "gsrm.jsonl", "-o", name, *flags).status == 0
    for a, b in zip(
        read(Path("padded/metrics.jsonl")), read(Path("packed/metrics.jsonl")), strict=True
    ):
        for part in {"loss_meta", "loss_solving"} & a.keys():
            assert a[part] == pytest.approx(b[part], rel=1e-3)


def test_a_long_pair_loses_its_paths_end_and_never_its_steps(base, world) -> None:
    from transformers import AutoTokenizer

    from rlkd_cli.core.loss_weights import END
    from rlkd_cli.errors import RecordError
    from rlkd_cli.training.gsrm.data import encode

    tokenizer = AutoTokenizer.from_pretrained(base)
    raw = {**read(world / "gsrm.jsonl")[0], "path": "First cups: 3 + 4 = 7. " * 50}
    whole = encode(raw, tokenizer, "Convert: {path}", 10_000)
    cut = encode(raw, tokenizer, "Convert: {path}", 200, truncate=True)
    labelled = [token for token, role in zip(whole.ids, whole.roles, strict=True) if role >= 0]
    assert len(whole.ids) > 500 and 190 <= len(cut.ids) <= 200
    assert [
        token for token, role in zip(cut.ids, cut.roles, strict=True) if role >= 0
    ] == labelled and cut.roles[-1] == END
    with pytest.raises(RecordError, match="too_long"):
        encode(raw, tokenizer, "Convert: {path}", 200)
    with pytest.raises(RecordError, match="too_long"):
        encode(raw, tokenizer, "Convert: {path}", len(labelled), truncate=True)


def test_a_held_out_check_before_and_after(rlkd, base, world) -> None:
    flags = ["--model", base, *GSRM, "--eval-fraction", "0.25"]
    result = rlkd("train-gsrm", world / "gsrm.jsonl", "-o", "g", *flags)
    facts = json.loads(Path("g/held_out.json").read_text())
    assert (
        result.status == 0 and len(facts) == 6 and all(0 <= value <= 1 for value in facts.values())
    )
    assert (
        "exact steps held out after" in result.err
        and "exact steps held out after" in Path("g/README.md").read_text()
    )
    entries = [entry for entry in read(Path("g/metrics.jsonl")) if "phase" in entry]
    assert len(entries) == 6 and all(
        entry["tokens_per_second"] > 0 for entry in entries
    )  # 24 pairs: 2 steps an epoch


def test_the_rope_base_is_overridden_and_saved(rlkd, base, world) -> None:
    flags = [
        "--model",
        base,
        *GSRM,
        "--rope-theta",
        "300000",
        "--max-length",
        "4000",
        "--phases",
        "meta",
    ]
    assert rlkd("train-gsrm", world / "gsrm.jsonl", "-o", "g", *flags).status == 0
    config = json.loads(Path("g/config.json").read_text())
    assert (
        config["rope_parameters"]["rope_theta"] == 300000
        and config["max_position_embeddings"] >= 4000
    )


def test_lora_adapters_are_merged(rlkd, base, world) -> None:
    assert (
        rlkd(
            "train-gsrm",
            world / "gsrm.jsonl",
            "-o",
            "g",
            "--model",
            base,
            *GSRM,
            "--lora",
            "4",
            "--phases",
            "mixed",
            "--eval-fraction",
            "0.2",
        ).status
        == 0
    )
    assert weights(Path("g")).keys() == weights(BASE).keys()
    flags = ["--method", "grpo", "--student", base, *STUDENT, "--lora", "4"]
    assert rlkd("distill", world / "teacher.jsonl", "-o", "s", *flags).status == 0
    assert weights(Path("s")).keys() == weights(BASE).keys()


def test_training_waits_for_a_judge_that_is_away_and_trains_on_no_zero(
    rlkd, base, world, server
) -> None:
    from tests.servers.scripted import Response

    down = iter([True] * 8)
    server.script = lambda request, number: (
        Response(status=503) if next(down, False) else Response("yes")
    )
    flags = [
        "--method",
        "rlkd",
        "--student",
        base,
        "--gsrm",
        f"hf/{base}",
        "--gsrm-max-tokens",
        "64",
        *STUDENT,
    ]
    flags += ["--judge", server.url, "--max-retries", "0", "--max-reward-failures", "1"]
    result = rlkd("distill", world / "teacher.jsonl", "-o", "s", *flags)
    assert result.status == 0 and "wait for a server" in result.err


def test_training_stops_with_a_checkpoint_where_rewards_stay_away(
    rlkd, base, world, server
) -> None:
    from tests.servers.scripted import Response

    up = iter([True] * 40)
    server.script = lambda request, number: (
        Response("yes") if next(up, False) else Response(status=503)
    )
    flags = [
        "--method",
        "rlkd",
        "--student",
        base,
        "--gsrm",
        f"hf/{base}",
        "--gsrm-max-tokens",
        "64",
        *STUDENT,
    ]
    flags += [
        "--judge",
        server.url,
        "--max-retries",
        "0",
        "--reward-timeout",
        "0",
        "--max-reward-failures",
        "0.2",
        "--save-steps",
        "9",
    ]
    flags[flags.index("--steps") + 1] = "30"
    result = rlkd("distill", world / "teacher.jsonl", "-o", "s", *flags)
    assert result.status == 1 and "--max-reward-failures 0.2" in result.err
    logged = len([entry for entry in read(Path("s/metrics.jsonl")) if "loss" in entry])
    assert logged == 0 or Path(f"s/checkpoint-{logged}").is_dir()


def test_where_a_steps_time_goes_is_logged(rlkd, base, world) -> None:
    flags = [
        "--method",
        "rlkd",
        "--student",
        base,
        "--gsrm",
        f"hf/{base}",
        "--gsrm-max-tokens",
        "64",
        *STUDENT,
    ]
    flags += ["--judge", "exact", "--max-reward-failures", "1"]
    assert rlkd("distill", world / "teacher.jsonl", "-o", "s", *flags).status == 0
    entry = next(entry for entry in read(Path("s/metrics.jsonl")) if "loss" in entry)
    for part in ("generation", "reward", "segmenting", "judging", "outcome", "loss", "optimizer"):
        assert entry[f"seconds_{part}"] >= 0, part
    sample = read(Path("s/completions.jsonl"))[0]
    assert {
        "path",
        "steps",
        "verdicts",
        "structured_reward",
        "outcome_reward",
        "total_reward",
    } <= sample.keys()


def test_an_interrupted_distillation_leaves_its_last_step_and_ends_like_an_undisturbed_one(
    rlkd, base, world
) -> None:
    import torch

    flags = [
        *STUDENT,
        "--method",
        "grpo",
        "--student",
        base,
        "--learning-rate",
        "1e-3",
        "--save-steps",
        "50",
    ]
    flags[flags.index("--steps") + 1] = "8"
    command = ["distill", str(world / "teacher.jsonl"), *flags]
    process = subprocess.Popen(
        [sys.executable, "-m", "rlkd_cli", *command, "-o", "stopped"],
        stderr=subprocess.PIPE,
        text=True,
    )
    log = Path("stopped/metrics.jsonl")
    while process.poll() is None and not (log.exists() and log.read_text().count("\n") >= 2):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "same command again" in said
    assert not Path("stopped/README.md").exists()  # a card says what is finished
    assert any(
        1 <= int(folder.name.split("-")[1]) < 8 for folder in Path("stopped").glob("checkpoint-*")
    )
    assert rlkd(*command, "-o", "stopped").status == 0
    assert rlkd(*command, "-o", "whole").status == 0
    ours, theirs = weights(Path("whole")), weights(Path("stopped"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert [e["step"] for e in read(log) if "loss" in e] == list(range(1, 9))


def test_rlad_with_alpha_1_is_grpo(rlkd, base, world) -> None:
    for method, extra in (("grpo", []), ("rlad", ["--teacher", base, "--trrd-alpha", "1"])):
        flags = ["--method", method, "--student", base, *STUDENT, "--learning-rate", "1e-3", *extra]
        assert rlkd("distill", world / "teacher.jsonl", "-o", method, *flags).status == 0
    for a, b in zip(
        read(Path("grpo/metrics.jsonl")), read(Path("rlad/metrics.jsonl")), strict=True
    ):
        for name in {"loss", "grad_norm", "total_reward"} & a.keys():
            assert a[name] == pytest.approx(b[name], abs=1e-6), name


def test_a_teacher_with_another_vocabulary_is_refused(rlkd, base, world) -> None:
    from transformers import AutoTokenizer

    shutil.copytree(BASE, "other")
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens(["zebra"])
    tokenizer.save_pretrained("other")
    flags = ["--method", "rlad", "--student", base, "--teacher", "other", *STUDENT]
    result = rlkd("distill", world / "teacher.jsonl", "-o", "s", *flags)
    assert (
        result.status == 2
        and "vocabulary" in result.err
        and len(result.err.strip().splitlines()) == 1
    )


@pytest.mark.parametrize("lora", [None, 4])
def test_bf16_computes_over_float32_weights_and_is_what_is_saved(
    base, world, tmp_path, lora: int | None
) -> None:
    import torch

    from rlkd_cli import prompts
    from rlkd_cli.training.gsrm.options import GsrmTraining
    from rlkd_cli.training.gsrm.trainer import train

    records, prompt = read(world / "gsrm.jsonl"), prompts.load("gsrm")
    settings = {"model": base, "batch_size": 8, "accumulation": 1, "learning_rate": 1e-5}
    for name, bf16 in (("half", True), ("full", False)):
        options = GsrmTraining(output=tmp_path / name, bf16=bf16, lora=lora, **settings)
        train(options, records, prompt, lambda entry: None)
    half, full = (read(tmp_path / name / "metrics.jsonl")[:-1] for name in ("half", "full"))
    for a, b in zip(half, full, strict=True):
        assert a["loss_meta"] == pytest.approx(b["loss_meta"], rel=0.1)
    assert {tensor.dtype for tensor in weights(tmp_path / "half").values()} == {torch.bfloat16}
    assert {tensor.dtype for tensor in weights(tmp_path / "full").values()} == {torch.float32}
    if lora is None:  # a tenth of the steps' size would vanish in bfloat16 weights
        state = torch.load(
            next((tmp_path / "half").glob("checkpoint-*/optimizer.pt")), weights_only=True
        )["state"]
        assert {entry["exp_avg"].dtype for entry in state.values()} == {torch.float32}
