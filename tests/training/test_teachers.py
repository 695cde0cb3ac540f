"""A teacher's probabilities: each method against its definition, on the tiny base model."""

import json
import shutil
from pathlib import Path

import pytest

from rlkd_cli.training.methods.kdrl import annealed
from tests.conftest import BASE, read
from tests.training.test_trainings import STUDENT, weights

FLAGS = [*STUDENT, "--learning-rate", "1e-3", "--save-steps", "1"]


def killed(run: str) -> str:
    """The same run, as a kill after its first step would have left it."""
    shutil.copytree(run, "killed")
    shutil.rmtree("killed/checkpoint-2")
    manifest = json.loads(Path("killed/run.json").read_text())
    Path("killed/run.json").write_text(json.dumps({**manifest, "finished": False}))
    return "killed"


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("opd", ["--teacher-share", "0.5", "--divergence", "jsd", "--max-tokens", "96"]),
        ("self", ["--limit", "8", "--max-tokens", "96"]),
        ("kdrl", ["--limit", "2", "--teacher-weight", "0.5"]),
    ],
)
def test_a_resumed_run_ends_the_same(rlkd, base, teacher, world, method, more) -> None:
    """The last two have an epoch a step: a resumed run has to go on with the second order."""
    import torch

    flags = ["--method", method, "--student", base, "--teacher", teacher, *FLAGS, *more]
    data = world / "teacher.jsonl"
    status = rlkd("distill", data, "-o", "whole", *flags).status
    assert status in (0, 3)
    assert rlkd("distill", data, "-o", killed("whole"), *flags).status == status
    ours, theirs = weights(Path("whole")), weights(Path("killed"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    start = weights(BASE)
    assert not all(torch.equal(ours[name], start[name].float()) for name in ours)
    assert len([e for e in read(Path("whole/metrics.jsonl")) if "seconds_step" in e]) == 2


def test_a_teacher_that_is_the_student_leaves_nothing_to_learn(rlkd, base, world) -> None:
    flags = ["--method", "opd", "--student", base, "--teacher", base, *FLAGS, "--steps", "1"]
    assert rlkd("distill", world / "teacher.jsonl", "-o", "s", *flags).status == 0
    entry = read(Path("s/metrics.jsonl"))[0]
    assert abs(entry["loss"]) < 1e-6 and entry["grad_norm"] < 1e-4


def test_kdrl_with_beta_0_is_grpo_and_with_another_is_not(rlkd, base, teacher, world) -> None:
    import torch

    found = []
    for name, more in (
        ("grpo", []),
        ("kdrl", ["--teacher-weight", "0", "--teacher-weight-end", "0"]),
        ("kdrl", ["--teacher-weight", "1"]),
    ):
        folder = f"{name}{len(more)}"
        flags = ["--method", name, "--student", base, "--teacher", teacher, *FLAGS, *more]
        assert rlkd("distill", world / "teacher.jsonl", "-o", folder, *flags).status == 0
        found.append(weights(Path(folder)))
    grpo, zero, one = found
    assert all(torch.equal(grpo[key], zero[key]) for key in grpo)
    assert not all(torch.equal(grpo[key], one[key]) for key in grpo)
    entries = [e for e in read(Path("kdrl2/metrics.jsonl")) if "teacher_kl" in e]
    assert [e["teacher_weight"] for e in entries] == pytest.approx([1, 1e-3])
    assert entries[0]["teacher_kl"] > 0


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("kdrl", ["--outcome-weight", "0", "--format-weight", "1"]),
        ("kdrl", ["--recipe", "release", "--outcome-weight", "0"]),
        ("opd", []),
        ("self", ["--max-tokens", "96"]),
    ],
)
def test_the_split_into_micro_batches_changes_no_gradient(
    rlkd, base, teacher, world, method, more
) -> None:
    import torch

    found, settings = [], ["--steps", "1", "--max-grad-norm", "1000", "--teacher-weight", "1"]
    for name, batch, accumulation in (("a", 8, 1), ("b", 2, 4)):
        flags = ["--method", method, "--student", base, "--teacher", teacher, *FLAGS, *settings]
        flags += ["--batch-size", batch, "--accumulation", accumulation, *more]
        assert rlkd("distill", world / "teacher.jsonl", "-o", name, *flags).status == 0
        state = torch.load(Path(name, "checkpoint-1/optimizer.pt"), weights_only=True)["state"]
        found.append(torch.cat([s["exp_avg"].flatten() for s in state.values()]))
    assert found[0].norm() > 0 and (found[0] - found[1]).norm() < 1e-4 * found[0].norm()


def test_beta_falls_on_a_line() -> None:
    assert [annealed(5e-3, 1e-3, step, 5) for step in range(6)] == pytest.approx(
        [5e-3, 4e-3, 3e-3, 2e-3, 1e-3, 1e-3]
    )


def full_logits(model, prompt, completion):
    """Log-probabilities over the whole vocabulary at each token of the completion, (T, V)."""
    import torch

    ids = torch.cat([prompt, completion])[None]
    logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1]
    return torch.log_softmax(logits.float(), -1)


@pytest.mark.parametrize("divergence", ["forward", "reverse", "jsd"])
@pytest.mark.parametrize("method", ["opd", "self"])
def test_the_divergence_is_its_definition(base, teacher, world, method, divergence) -> None:
    import torch

    trainer, student, other = built(base, teacher, world, method, divergence)
    batch = trainer._generate_and_score_completions([trainer.train_dataset[i] for i in range(3)])
    with torch.no_grad():
        loss = trainer.compute_loss(trainer.model, batch, num_items_in_batch=None).item()
        asked = batch["informed_ids"] if method == "self" else batch["prompt_ids"]
        seen = batch["informed_mask"] if method == "self" else batch["prompt_mask"]
        total = 0.0
        for i, mask in enumerate(batch["completion_mask"].bool()):
            done = batch["completion_ids"][i][mask]
            p = full_logits(student, batch["prompt_ids"][i][batch["prompt_mask"][i].bool()], done)
            q = full_logits(other, asked[i][seen[i].bool()], done)
            total += kl(p, q, divergence).sum().item()
    assert loss == pytest.approx(total / batch["completion_mask"].sum().item(), rel=1e-4)
    assert loss > 0


def kl(p, q, divergence: str):
    """Of student p and teacher q, log-probabilities (T, V)."""
    if divergence == "reverse":
        return (p.exp() * (p - q)).sum(-1)
    if divergence == "forward":
        return (q.exp() * (q - p)).sum(-1)
    mean = ((p.exp() + q.exp()) / 2).log()
    return kl(p, mean, "reverse") / 2 + kl(q, mean, "reverse") / 2


def built(base: str, teacher: str, world: Path, method: str, divergence: str, **more):
    """A trainer of the method, and the models whose distributions it compares."""
    from rlkd_cli.models.local.loading import load_causal
    from rlkd_cli.training.methods import METHODS
    from rlkd_cli.training.methods.options import Distillation
    from rlkd_cli.training.model import Setting

    options = Distillation(
        output=Path("unused"), student=base, method=method, teacher_model=teacher,
        divergence=divergence, batch_size=3, accumulation=1, max_tokens=24, temperature=1.0,
        gradient_checkpointing=False, bf16=False, prompt_template="{problem}", **more,
    )  # fmt: skip
    records = read(world / "teacher.jsonl")[:3]
    trainer, _ = METHODS[method].build(options, records, None, Setting(512))
    other = load_causal(teacher) if method == "opd" else trainer.model
    trainer.model.train()
    return trainer, trainer.model, other


def test_a_step_on_the_teachers_paths_has_these_for_completions(base, teacher, world) -> None:
    trainer, _, _ = built(base, teacher, world, "opd", "forward", teacher_share=1.0)
    rows = [trainer.train_dataset[i] for i in (2, 0, 1)]
    batch = trainer._generate_and_score_completions(rows)
    records = read(world / "teacher.jsonl")
    for row, ids in zip(rows, batch["completion_ids"], strict=True):
        text = trainer.processing_class.decode(ids, skip_special_tokens=True)
        assert text == records[row["row"]]["path"]


def test_logits_that_no_token_has_are_cut_off() -> None:
    from transformers import AutoModelForCausalLM

    from rlkd_cli.errors import UsageError
    from rlkd_cli.training.methods.opd import of_one_size

    student, wide = (AutoModelForCausalLM.from_pretrained(BASE) for _ in range(2))
    size = student.config.vocab_size
    wide.resize_token_embeddings(size + 8)
    assert of_one_size(wide, student).get_output_embeddings().weight.shape[0] == size
    wide.resize_token_embeddings(size - 8)
    with pytest.raises(UsageError, match="fewer"):
        of_one_size(wide, student)


def test_a_stage_begins_where_another_ended_and_says_so(rlkd, base, teacher, world) -> None:
    import torch

    data, long = world / "teacher.jsonl", ["--max-tokens", "96"]
    flags = [*FLAGS, "--steps", "1", "--teacher", teacher]
    first = rlkd("distill", data, "-o", "a", "--method", "opd", "--student", base, *flags)
    second = rlkd("distill", data, "-o", "b", "--method", "grpo", "--from", "a", *flags)
    third = rlkd("distill", data, "-o", "c", "--method", "self", "--from", "b", *flags, *long)
    assert (first.status, second.status, third.status) == (0, 0, 0)
    stages = json.loads(Path("c/run.json").read_text())["stages"]
    assert [stage["method"] for stage in stages] == ["opd", "grpo"]
    a, b = weights(Path("a")), weights(Path("b"))
    assert all(torch.equal(a[key], b[key]) for key in a)  # a warm-up step of learning rate 0
    for other, said in (
        (["--from", "c", "--student", base], "without --student"),
        (["--from", "none"], "another run"),
    ):
        refused = rlkd("distill", data, "-o", "d", "--method", "grpo", *other, *flags)
        assert refused.status == 2 and said in refused.err


def test_rewards_that_need_no_gsrm(rlkd, base, teacher, world) -> None:
    data = world / "teacher.jsonl"
    flags = ["--student", base, *FLAGS, "--embedder", "lexical", "--steps", "1"]
    for reward, more in (("embedding", []), ("sequence", ["--teacher", teacher])):
        command = ["distill", data, "-o", reward, "--reward", reward, *flags, *more]
        assert rlkd(*command).status == 0
        entry = read(Path(reward, "metrics.jsonl"))[0]
        assert 0 < entry[f"{reward}_reward"] < 1 and f"{reward}_reward/group_deviation" in entry
        assert ("teacher_kl" in entry) == bool(more)


def test_how_alike_paths_are() -> None:
    from rlkd_cli.training.similarity import open_similarity, step_similarity

    teacher = "First a is 3.\nThen b is 4. So c is 7."
    assert step_similarity(teacher, teacher) == 1
    assert step_similarity(teacher, "First a is 3.") == pytest.approx(1 / 3)
    assert step_similarity(teacher, "First a is 5.") == pytest.approx(2 * 3 / 8 / 3)
    assert step_similarity(teacher, "") == 0 and step_similarity("", "") == 0
    same, other, none = open_similarity("embedding", "lexical")(
        [teacher] * 3, [f"<think>\n{teacher}\n</think>\n7", "First a goes home.", ""]
    )
    assert same == pytest.approx(1) and 0 < other < 1 and none == 0


def test_what_a_method_needs_is_in_the_help_and_is_asked_for(rlkd, base, world) -> None:
    shown = rlkd("distill", "--help").out
    for line in ("opd: the student writes", "self: the student writes, and grades itself"):
        assert line in " ".join(shown.split())
    data = world / "teacher.jsonl"
    for name in ("opd", "kdrl"):
        refused = rlkd("distill", data, "-o", "s", "--method", name, "--student", base)
        assert refused.status == 2 and "--teacher MODEL" in refused.err
    refused = rlkd(
        "distill", data, "-o", "s", "--method", "self", "--student", base, "--trl", "beta=1"
    )
    assert refused.status == 2 and "--divergence" in refused.err
