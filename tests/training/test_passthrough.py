"""`--trl`: what cannot be is refused before anything is made or loaded, in a dry run too."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import segmentation, step, write
from tests.training.test_knobs import SHORT, problems

REFUSED = {
    "beta=abc": "valid number",
    "beta=": "valid number",
    "beta=true": "valid number",
    "top_k=five": "valid integer",
    "top_p=5": "from 0 to 1",
    "dataloader_num_workers=x": "valid integer",
    "mask_truncated_completions=1": "valid boolean",
    "loss_type=foo": "one of grpo, dr_grpo",
    "scale_rewards=maybe": "one of group, batch",
    "optim=nonsense": "one of adamw_torch",
    "generation_kwargs=[1]": "object",
    'generation_kwargs={"temperature": 1}': "temperature: rlkd sets it (--temperature)",
    'generation_kwargs={"top_pp": 1}': "GenerationConfig has no top_pp",
    "load_best_model_at_end=true": "eval strategy",
    "eval_on_start=true": "--eval",
    "auto_find_batch_size=true": "not supported by GRPO",
    "lr_scheduler_type=cosine_with_min_lr": "min_lr",
    "model_init_kwargs={}": "the model that rlkd loads itself",
    'chat_template_kwargs={"enable_thinking": false}': "chat template",
    "save_strategy=no": "--save-steps",
    "logging_strategy=no": "metrics.jsonl",
    "hub_token=hf_secret": "HF_TOKEN",
}


@pytest.mark.parametrize("given", REFUSED)
def test_a_value_that_cannot_be_is_refused_by_name(rlkd, zoo, given: str) -> None:
    data = write(Path("t.jsonl"), problems(4))
    words = ["distill", data, "-o", "s", "--method", "grpo", "--student", zoo("qwen3"), *SHORT]
    for more in ([], ["--dry-run"]):
        result = rlkd(*words, "--trl", given, *more)
        assert result.status == 2 and not Path("s").exists()
        (line,) = result.err.splitlines()
        assert f"--trl {given.partition('=')[0]}" in line and REFUSED[given] in line
        assert "secret" not in line


def test_what_a_model_is_taught_to_end_with_is_no_argument_of_sft(rlkd, zoo) -> None:
    data = write(Path("t.jsonl"), problems(4))
    words = ["distill", data, "-o", "s", "--method", "sft", "--student", zoo("qwen3"), *SHORT]
    for given, said in (("eos_token=<|im_start|>", "chat template"), ("loss_type=nlll", "one of")):
        result = rlkd(*words, "--trl", given)
        assert result.status == 2 and said in result.err and not Path("s").exists()


def test_the_arguments_of_a_gsrms_training_are_checked_alike(rlkd, zoo) -> None:
    data = write(Path("g.jsonl"), [segmentation(1, step("a"))])
    words = ["train-gsrm", data, "-o", "g", "--model", zoo("qwen3"), "-q"]
    for given, said in (
        ("adam_beta1=x", "valid number"),
        ("weight_decay=1", "--weight-decay"),
        ("lr_scheduler_type=cosine_with_min_lr", "min_lr"),
    ):
        result = rlkd(*words, "--trl", given)
        assert result.status == 2 and said in result.err and not Path("g").exists()


def test_settings_of_generation_stand_beside_the_end_tokens_that_vllm_is_told(zoo) -> None:
    from rlkd_cli.training.methods.grpo import grpo_arguments
    from rlkd_cli.training.methods.options import Distillation
    from rlkd_cli.training.model import Setting

    own = Distillation(output=Path("s"), student=str(zoo("qwen2.5-base")), method="grpo")
    vllm = replace(own, vllm="colocate")
    ends = grpo_arguments(vllm, Setting(0)).generation_kwargs["stop_token_ids"]
    more = {"generation_kwargs": {"top_p": 0.5, "stop_token_ids": [7]}}
    told = grpo_arguments(vllm, Setting(0, more)).generation_kwargs
    assert ends and told == {"top_p": 0.5, "stop_token_ids": [*ends, 7]}
