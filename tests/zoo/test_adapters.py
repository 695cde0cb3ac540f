"""Adapters on models of every family: loaded with what training left beside them, by any engine."""

from pathlib import Path

import pytest

from rlkd_cli.models.local.loading import load_causal
from tests.conftest import segmentation, write
from tests.zoo.test_trainings import FLAGS, STEP, problems
from tests.zoo.test_vllm import ask, pytestmark

SFT = ["--method", "sft", "--steps", 1, "--batch-size", 4, "--accumulation", 1, *FLAGS]
ENDS = [258, 256]  # <|im_end|>, which the template ends with, before the base's own


def test_an_adapter_and_its_checkpoints_stop_where_training_ended_replies(rlkd, zoo) -> None:
    data = write(Path("t.jsonl"), problems(4))
    flags = [*SFT, "--student", zoo("qwen2.5-base"), "--lora", 2, "--save-steps", 1]
    assert rlkd("distill", data, "-o", "s", *flags, "--keep-adapter").status == 0
    for folder in ("s", "s/checkpoint-1"):
        assert not Path(folder, "config.json").exists()
        assert load_causal(folder).generation_config.eos_token_id == ENDS
    refused = rlkd("distill", data, "-o", "x", *SFT, "--student", "s")
    assert (
        refused.status == 2
        and "an adapter without its base" in refused.err
        and not Path("x").exists()
    )


def test_a_gsrm_kept_as_an_adapter_stops(rlkd, zoo) -> None:
    data = write(Path("g.jsonl"), [segmentation(i, STEP, path="2+2=4") for i in range(4)])
    flags = ["--model", zoo("qwen2.5-base"), "--phases", "mixed", "--batch-size", 4, "--lora", 2]
    flags += ["--no-gradient-checkpointing", "--keep-adapter", "-q"]
    assert rlkd("train-gsrm", data, "-o", "g", *flags).status == 0
    assert load_causal("g").generation_config.eos_token_id == ENDS


def test_a_checkpoint_keeps_changed_positions_and_an_adapter_alone_refuses_them(rlkd, zoo) -> None:
    data = write(Path("t.jsonl"), problems(4))
    flags = [*SFT, "--student", zoo("qwen2.5-base"), "--lora", 2, "--save-steps", 1, "--yarn", 4]
    refused = rlkd("distill", data, "-o", "s", *flags, "--keep-adapter")
    assert refused.status == 2 and "--yarn" in refused.err and not Path("s").exists()
    assert rlkd("distill", data, "-o", "s", *flags).status == 0
    config = load_causal("s/checkpoint-1").config
    assert config.rope_parameters["factor"] == 4 and config.max_position_embeddings == 4096
    assert config.use_cache is True


@pytest.mark.vllm
@pytest.mark.skipif(pytestmark[1].args[0], reason="no vLLM installed")
def test_an_adapter_says_the_same_in_both_engines(rlkd, zoo) -> None:
    data, student = write(Path("t.jsonl"), problems(4)), Path("s").absolute()
    flags = [*SFT, "--student", zoo("qwen2.5-base"), "--lora", 8, "--learning-rate", "1e-1"]
    result = rlkd("distill", data, "-o", student, *flags, "--steps", 3, "--keep-adapter")
    assert result.status == 0, result.err
    wanted, _ = ask(f"hf/{student}")
    assert ask(f"vllm/{student}")[0] == wanted
