"""What cannot be trained is said before there is a folder, in a dry run too."""

import json
from pathlib import Path

import pytest

from tests.conftest import segmentation, step, write
from tests.training.test_knobs import SHORT, problems


def refused(rlkd, *words: object) -> str:
    """The one line that a training and its dry run end with; neither leaves a folder."""
    lines = set()
    for more in ([], ["--dry-run"]):
        result = rlkd(*words, "-o", "s", *more)
        assert result.status == 2 and not Path("s").exists(), result.err
        lines |= {*result.err.splitlines()}
    (line,) = lines
    return line


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--method", "rlad", "--recipe", "release"], "--recipe release: rlad's ratio"),
        (["--method", "rlad", "--trl", "beta=0.1"], "--trl beta: rlad's ratio"),
        (["--method", "rlad", "--trl", "off_policy_mask_threshold=1"], "--trl off_policy_mask"),
        (["--method", "ppo", "--launch", "zero3"], "--launch ddp, or one device"),
        (["--method", "ppo", "--launch", "fsdp2"], "--launch ddp, or one device"),
    ],
)
def test_methods_say_early_what_they_do_not_go_with(rlkd, zoo, flags: list, said: str) -> None:
    data, student = write(Path("t.jsonl"), problems(32)), zoo("qwen3")
    words = ["distill", data, "--student", student, "--teacher", student, *SHORT, *flags]
    assert said in refused(rlkd, *words)


SERVED = ["http://127.0.0.1:9/v1#m", "openai/gpt-4o", "replay/x.jsonl"]


@pytest.mark.parametrize("spec", SERVED)
def test_a_servers_model_is_not_trained(rlkd, spec: str) -> None:
    data = write(Path("t.jsonl"), problems(4))
    words = ["distill", data, "--method", "sft", *SHORT]
    assert f"--student {spec}" in refused(rlkd, *words, "--student", spec)
    pairs = write(Path("g.jsonl"), [segmentation(1, step("a"))])
    assert f"--model {spec}" in refused(rlkd, "train-gsrm", pairs, "--model", spec)


@pytest.mark.parametrize("spec", SERVED[1:])
def test_a_teacher_behind_a_server_has_an_address_that_gives_probabilities(
    rlkd, zoo, spec: str
) -> None:
    data = write(Path("t.jsonl"), problems(4))
    rlad = ["distill", data, "--method", "rlad", "--student", zoo("qwen3"), *SHORT]
    assert f"--teacher {spec}" in refused(rlkd, *rlad, "--teacher", spec)


def test_an_adapter_says_how_it_becomes_a_model(rlkd, zoo) -> None:
    data = write(Path("t.jsonl"), problems(4))
    sft = ["distill", data, "--method", "sft", *SHORT, "--steps", 1]
    lora = ["--student", zoo("qwen3"), "--lora", 2, "--keep-adapter"]
    assert rlkd(*sft, "-o", "adapter", *lora).status == 0
    assert "merge" in refused(rlkd, *sft, "--student", "adapter")
    pairs = write(Path("g.jsonl"), [segmentation(1, step("a"))])
    assert "merge" in refused(rlkd, "train-gsrm", pairs, "--model", "hf/adapter")


def test_processes_are_those_that_this_machine_launches(monkeypatch) -> None:
    from rlkd_cli.models.device import has_accelerator
    from rlkd_cli.training.launcher import processes

    monkeypatch.delenv("RANK", raising=False)
    assert processes("ddp", None) == (8 if has_accelerator() else 1)
    assert processes("ddp", 3) == 3


def test_what_is_saved_has_the_bases_type_and_writes_with_a_cache(rlkd, zoo) -> None:
    from safetensors.torch import load_file

    data = write(Path("t.jsonl"), problems(4))
    words = ["distill", data, "--method", "sft", *SHORT, "--max-tokens", 60, "--save-steps", 1]
    for family, dtype in (("llama3", "bfloat16"), ("qwen3", "float32")):
        assert rlkd(*words, "-o", family, "--student", zoo(family)).status == 0
        weights = load_file(Path(family, "model.safetensors"))
        assert {str(weight.dtype) for weight in weights.values()} == {f"torch.{dtype}"}
        for folder in (Path(family), Path(family, "checkpoint-1")):
            assert json.loads((folder / "config.json").read_text())["use_cache"] is True
        assert json.loads(Path(family, "config.json").read_text())["dtype"] == dtype


def test_a_gsrm_that_is_down_is_waited_for_as_long_as_its_rewards(rlkd, zoo) -> None:
    data = write(Path("t.jsonl"), problems(4))
    words = ["distill", data, "-o", "s", "--student", zoo("qwen3"), *SHORT, "--judge", "exact"]
    words += ["--gsrm", "http://127.0.0.1:9/v1#g"]
    result = rlkd(*words, "--reward-timeout", 0.5)
    assert result.status == 1 and "waited 0.5 s for the server" in result.err
    result = rlkd(*words, "--reward-timeout", 0.5, "--server-timeout", 1)
    assert result.status == 1 and "waited 1 s for the server" in result.err
    result = rlkd(*words, "--dry-run")
    assert result.status == 0 and "waited 2 s for the server" in " ".join(result.err.split())
