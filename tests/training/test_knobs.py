"""What a user can set, see and rely on beside the methods themselves."""

import json
from pathlib import Path

import pytest

from rlkd_cli.errors import UsageError
from tests.conftest import read, step, write

PATH = "<think>\nab</think>\nSo \\boxed{4}"
SHORT = ["--steps", 2, "--batch-size", 4, "--accumulation", 1, "--max-tokens", 40, "--warmup", 0]
SHORT += ["--no-gradient-checkpointing", "--prompt-template", "{problem}", "-q"]


def problems(count: int, **more: object) -> list[dict]:
    return [{"id": i, "problem": "2+2?", "path": PATH, "answer": "4", **more} for i in range(count)]


def test_any_argument_of_trl_can_be_set_by_flag_and_by_file(rlkd, zoo) -> None:
    data, student = write(Path("t.jsonl"), problems(4)), zoo("qwen3")
    flags = ["--method", "grpo", "--student", student, *SHORT]
    for given, said in (
        ("betta=1", "nearest: beta"),
        ("temperature=1", "rlkd sets it (--temperature)"),
        ("beta", "NAME=VALUE"),
    ):
        result = rlkd("distill", data, "-o", "s", *flags, "--trl", given)
        assert result.status == 2 and said in result.err and not Path("s").exists()
    Path("rlkd.toml").write_text('[distill.trl]\nbeta = 0.04\nloss_type = "bnpo"\n')
    assert rlkd("distill", data, "-o", "s", *flags).status == 0
    assert "kl" in read(Path("s/metrics.jsonl"))[0]  # a KL term was computed
    manifest = json.loads(Path("s/run.json").read_text())["settings"]
    assert manifest["trl"] == ["beta=0.04", "loss_type=bnpo"]
    result = rlkd("distill", data, "-o", "s", *flags, "--trl", "beta=0.1")
    assert result.status == 2 and "trl" in result.err
    more = ["--trl", "loss_type=grpo", "--trl", "epsilon=0.1", "--steps", 1]
    assert rlkd("distill", data, "-o", "m", *flags, *more).status == 0
    manifest = json.loads(Path("m/run.json").read_text())["settings"]
    assert manifest["trl"] == ["beta=0.04", "loss_type=grpo", "epsilon=0.1"]


def test_rlad_takes_no_kl_term_beside_its_anchor(rlkd, zoo) -> None:
    data, student = write(Path("t.jsonl"), problems(4)), zoo("qwen3")
    flags = ["--method", "rlad", "--student", student, "--teacher", student, *SHORT]
    assert rlkd("distill", data, "-o", "s", *flags, "--trl", "beta=0.1").status == 2


def test_some_checkpoints_of_the_whole_training_stay_and_the_best(rlkd, zoo) -> None:
    from rlkd_cli.training.checkpoints import milestones

    assert sorted(milestones(100, 10, 4)) == [30, 50, 80, 100]
    data, student = write(Path("t.jsonl"), problems(4)), zoo("qwen3")
    flags = ["--method", "sft", "--student", student, *SHORT, "--steps", 8, "--save-steps", 1]
    flags += ["--save-limit", 1, "--keep-checkpoints", 2, "--learning-rate", 1]  # worse each step
    flags += ["--eval", data, "--eval-every", 1]
    assert rlkd("distill", data, "-o", "s", *flags).status == 0
    evaluated = {
        e["step"]: e["eval_loss"] for e in read(Path("s/metrics.jsonl")) if "eval_loss" in e
    }
    best = min(evaluated, key=evaluated.__getitem__)
    found = {int(f.name.split("-")[1]) for f in Path("s").glob("checkpoint-*")}
    assert found == {4, 8, best}
    assert rlkd("distill", data, "-o", "x", *flags, "--save-steps", 3).status == 2


def test_rewards_are_evaluated_during_training(rlkd, zoo) -> None:
    data, student = write(Path("t.jsonl"), problems(4)), zoo("qwen3")
    flags = ["--method", "grpo", "--student", student, *SHORT, "--max-tokens", 8]
    flags += ["--save-steps", 1, "--eval", write(Path("e.jsonl"), problems(2))]
    assert rlkd("distill", data, "-o", "s", *flags, "--eval-every", 1).status == 0
    assert [e["step"] for e in read(Path("s/metrics.jsonl")) if "eval_reward" in e] == [1, 2]


def test_a_steps_parts_add_up_and_the_card_says_what_was_done(rlkd, zoo) -> None:
    data, student = (
        write(Path("t.jsonl"), [{**p, "steps": [step("a")]} for p in problems(4)]),
        zoo("qwen3"),
    )
    flags = ["--student", student, *SHORT, "--gsrm", f"hf/{student}", "--gsrm-max-tokens", 8]
    flags += ["--judge", "exact", "--max-reward-failures", 1, "--lora", 2, "--accumulation", 2]
    assert rlkd("distill", data, "-o", "s", *flags, "--gradient-checkpointing").status == 0
    for entry in (e for e in read(Path("s/metrics.jsonl")) if "loss" in e):
        parts = ("generation", "reward", "loss", "optimizer", "other")
        total = sum(entry[f"seconds_{part}"] for part in parts)
        assert total == pytest.approx(entry["seconds_step"], abs=1e-6)
        assert entry["seconds_other"] >= 0
    card = Path("s/README.md").read_text()
    assert all(text in card for text in ("| GSRM | hf/", "| judge | exact", "| LoRA rank | 2"))
    assert "mean of the last steps" in card and "seconds" not in card
    assert json.loads(Path("s/config.json").read_text())["use_cache"] is True
    assert json.loads(Path("s/tokenizer_config.json").read_text()).get("padding_side") != "left"


def test_an_adapter_can_be_kept_as_one(rlkd, zoo) -> None:
    from transformers import AutoModelForCausalLM

    data = write(Path("t.jsonl"), problems(4))
    flags = ["--method", "sft", "--student", zoo("qwen3"), *SHORT, "--lora", 2, "--keep-adapter"]
    assert rlkd("distill", data, "-o", "s", *flags).status == 0
    assert Path("s/adapter_config.json").exists() and not Path("s/model.safetensors").exists()
    assert "not merged" in Path("s/README.md").read_text()
    assert AutoModelForCausalLM.from_pretrained("s")
    alone = [*flags[: flags.index("--lora")], "--keep-adapter"]
    assert rlkd("distill", data, "-o", "x", *alone).status == 2


@pytest.mark.parametrize("method", ["grpo", "ppo", "rlad", "sft", "grpo release"])
def test_the_split_into_micro_batches_changes_no_gradient(rlkd, zoo, method: str) -> None:
    import torch

    rows = [{**row, "path": PATH + "!" * i} for i, row in enumerate(problems(8))]
    data, student, found = write(Path("t.jsonl"), rows), zoo("mistral"), []
    for name, batch, accumulation in (("a", 8, 1), ("b", 2, 4)):
        flags = ["--method", method.split()[0], "--student", student, *SHORT, "--teacher", student]
        flags += ["--recipe", "release"] if "release" in method else []
        flags += ["--batch-size", batch, "--accumulation", accumulation, "--save-steps", 1]
        flags += ["--format-weight", 1, "--max-grad-norm", 1000, "--steps", 1]
        assert rlkd("distill", data, "-o", name, *flags).status == 0
        file = Path(name, "checkpoint-1", "critic.pt" if method == "ppo" else "optimizer.pt")
        state = torch.load(file, weights_only=True)
        state = state["optimizer"] if method == "ppo" else state
        found.append(torch.cat([s["exp_avg"].flatten() for s in state["state"].values()]))
    gap = (found[0] - found[1]).norm() / found[0].norm().clamp(min=1e-12)
    assert gap < 1e-5


def test_processes_are_counted_from_the_accelerate_file(tmp_path, monkeypatch) -> None:
    from rlkd_cli.training.launcher import processes

    monkeypatch.delenv("RANK", raising=False)
    (tmp_path / "own.yaml").write_text("num_processes: 3\n")
    assert processes("zero3", None) == 8 and processes("zero3", 4) == 4
    assert processes(str(tmp_path / "own.yaml"), None) == 3 and processes(None, None) == 1
    with pytest.raises(UsageError, match="nonsense"):
        processes("nonsense", None)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "5")
    assert processes("zero3", None) == 5


def test_an_engine_that_every_process_would_start_is_refused_with_the_way_out(rlkd, zoo) -> None:
    data = write(Path("t.jsonl"), problems(4))
    flags = ["--student", zoo("qwen3"), *SHORT, "--gsrm", "vllm/x", "--num-processes", 2]
    result = rlkd("distill", data, "-o", "s", *flags, "--judge", "exact")
    assert result.status == 2 and "vllm serve x --port 8001" in result.err


def test_a_set_without_a_phase_starts_from_its_own_losses() -> None:
    from rlkd_cli.core.loss_weights import LossBalance

    balance = LossBalance()
    balance.update("meta", 0.02, 2.0)
    assert (balance.a, balance.b) == (0.02, 2.0)
    balance.update("mixed", 0.01, 1.5)
    assert (balance.a, balance.b) == (0.02, 1.5)
    balance.update("mixed", 9.0, 9.0)
    assert (balance.a, balance.b) == (0.02, 1.5)
    assert LossBalance(**balance.state()) == balance


def test_alarms_tell_each_thing_once() -> None:
    from rlkd_cli.training.alarms import Alarms

    told: list[str] = []
    alarms = Alarms(told.append)
    fine = {"completions/mean_length": 50.0, "entropy": 1.0, "outcome_reward": 0.5}
    alarms({"step": 1, **fine})
    assert not told
    bad = {"completions/mean_length": 101.0, "completions/clipped_ratio": 0.6, "entropy": 0.09}
    for number in range(2, 12):
        alarms({"step": number, **bad, "frac_reward_zero_std": 0.9, "outcome_reward": 0.5})
    words = ("cut off", "tokens long", "entropy fell", "rewards are equal", "outcome_reward was")
    assert len(told) == 5 and all(any(word in line for line in told) for word in words)
    alarms({"step": 12, **fine, "unsegmentable": 0.72, "reward_failures": 0.4})
    assert "72% of the completions" in told[5] and "missing" in told[6] and len(told) == 7


def test_the_releases_recipe_is_one_word(rlkd, zoo) -> None:
    from rlkd_cli.models.chat import opens_thinking
    from rlkd_cli.reward.total import tag_reward
    from rlkd_cli.training.model import load_tokenizer

    student = zoo("r1-distill")
    assert opens_thinking(load_tokenizer(str(student)))
    assert not opens_thinking(load_tokenizer(str(student), "release"))
    assert tag_reward("<think>\na\n</think>\n<answer>\n4\n</answer>") == 1
    data = write(Path("t.jsonl"), problems(4))
    flags = ["--method", "grpo", "--student", student, *SHORT, "--recipe", "release"]
    assert rlkd("distill", data, "-o", "s", *flags).status == 0
    assert "kl" in read(Path("s/metrics.jsonl"))[0]
    assert not opens_thinking(load_tokenizer("s"))


def test_a_dry_run_shows_what_the_student_will_be_asked_and_how_it_ends(rlkd, zoo) -> None:
    data, student = write(Path("t.jsonl"), problems(4)), zoo("qwen2.5-base")
    flags = ["--method", "grpo", "--student", student, *SHORT, "--dry-run"]
    result = rlkd("distill", data, "-o", "s", *flags)
    assert result.status == 0 and not Path("s").exists()
    for text in ("<|im_start|>user", "<|im_end|> (258)", "the model, if it thinks", "1,024"):
        assert text in result.err, text
