"""Every training over models of every family: what is saved loads whole, stops by itself, says what
was taught.
"""

import asyncio
from pathlib import Path

import pytest

from tests.conftest import read, segmentation, write
from tests.zoo.families import FAMILIES

PATH = "<think>\nab</think>\nSo \\boxed{4}"
FLAGS = ["--no-gradient-checkpointing", "--prompt-template", "{problem}", "--warmup", 0, "-q"]
STEP = {"meta_reasoning": "Add.", "sub_problem": "2+2?", "answer": "4"}


def problems(count: int, **more: object) -> list[dict]:
    return [{"id": i, "problem": "2+2?", "path": PATH, "answer": "4", **more} for i in range(count)]


def loaded(folder: Path):
    """Model and tokenizer as anyone loads them; every key of the model is in the files, and no
    other.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, info = AutoModelForCausalLM.from_pretrained(
        folder, output_loading_info=True, dtype=torch.float32
    )
    assert not (info["missing_keys"] or info["unexpected_keys"] or info["mismatched_keys"])
    return model, AutoTokenizer.from_pretrained(folder)


def said(folder: Path, limit: int = 60) -> tuple[str, str]:
    """(what a saved model writes by its own settings, the token that it ends with)."""
    import torch

    from rlkd_cli.models.chat import encode_chat

    model, tokenizer = loaded(folder)
    ids = torch.tensor([encode_chat(tokenizer, [{"role": "user", "content": "2+2?"}])])
    room = model.config.get_text_config().max_position_embeddings - ids.shape[1]
    mask = torch.ones_like(ids)
    out = model.generate(ids, attention_mask=mask, max_new_tokens=min(limit, room))
    reply = out[0, ids.shape[1] :].tolist()
    return tokenizer.decode(reply[:-1]), tokenizer.decode(reply[-1:])


@pytest.mark.parametrize("name", FAMILIES)
def test_sft_teaches_the_whole_path_and_its_end(rlkd, zoo, name: str) -> None:
    data, student = write(Path("t.jsonl"), problems(8)), zoo(name)
    flags = ["--method", "sft", "--student", f"hf/{student}", "--steps", 60, "--batch-size", 8]
    flags += ["--accumulation", 1, "--learning-rate", "1e-2", "--max-grad-norm", 1, *FLAGS]
    result = rlkd("distill", data, "-o", "s", *flags, "--max-tokens", 50)
    assert result.status == 0, result.err
    text, end = said(Path("s"))
    opened = name == "r1-distill"
    assert text == (PATH.removeprefix("<think>\n") if opened else PATH)
    assert end == FAMILIES[name].end


@pytest.mark.parametrize("name", FAMILIES)
def test_a_gsrm_segments_after_training(rlkd, zoo, name: str) -> None:
    from rlkd_cli import prompts
    from rlkd_cli.models.base import Sampling
    from rlkd_cli.models.local.hf import HfModel
    from rlkd_cli.reward.segmenter import Segmenter

    if name == "gpt2":
        pytest.skip("the GSRM's prompt is longer than its context of 64")
    data = write(Path("g.jsonl"), [segmentation(i, STEP, path="2+2=4") for i in range(8)])
    flags = ["--model", zoo(name), "--phases", ",".join(["mixed"] * 40), "--batch-size", 8]
    flags += ["--accumulation", 1, "--learning-rate", "1e-2", "--warmup", 0, "-q"]
    result = rlkd("train-gsrm", data, "-o", "g", *flags, "--no-gradient-checkpointing")
    assert result.status == 0, result.err
    loaded(Path("g"))
    segmenter = Segmenter(HfModel("g"), Sampling(max_tokens=120), prompts.load("gsrm"), None, 1)
    found = asyncio.run(segmenter({"id": 1, "problem": "p", "path": "2+2=4"}))
    assert found["steps"] == [STEP]


@pytest.mark.parametrize("method", ["rlkd", "grpo", "ppo", "rlad"])
@pytest.mark.parametrize("name", FAMILIES)
def test_rollouts_are_rewarded_and_the_student_is_saved(
    rlkd, zoo, server, name: str, method: str
) -> None:
    data, student = write(Path("t.jsonl"), problems(4, steps=[STEP])), zoo(name)
    flags = ["--method", method, "--student", student, "--steps", 1, "--batch-size", 4]
    flags += ["--accumulation", 1, "--max-tokens", 12, "--save-steps", 1, *FLAGS]
    flags += ["--gsrm", server.url, "--judge", "exact"] if method == "rlkd" else []
    result = rlkd("distill", data, "-o", "s", *flags, "--teacher", student, "--lora", 2)
    assert result.status == 0, result.err
    loaded(Path("s"))
    first = read(Path("s/metrics.jsonl"))[0]
    assert first["loss"] is not None
    if method == "rlkd":  # the server finds other steps in every path
        assert first["structured_reward"] == 0 and len(server.requests) >= 4
