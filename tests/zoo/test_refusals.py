"""Chat templates that refuse, and tokenizers that know more than their model."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import segmentation, step, write
from tests.training.test_knobs import SHORT
from tests.zoo.families import CHATML
from tests.zoo.test_trainings import problems

NEEDS_SYSTEM = (
    "{% if messages[0].role != 'system' %}{{ raise_exception('A system message is required') }}"
    "{% endif %}"
)
ASKS_LAST = NEEDS_SYSTEM.replace("[0].role !=", "[-1].role ==").replace("'system'", "'assistant'")


def templated(model: Path, folder: Path, template: str) -> Path:
    """A model with another chat template."""
    shutil.copytree(model, folder)
    (folder / "chat_template.jinja").write_text(template)
    return folder


@pytest.mark.parametrize("method", ["sft", "grpo"])
def test_a_template_that_wants_a_system_message_is_given_one(rlkd, zoo, method: str) -> None:
    student = templated(zoo("qwen2.5-base"), Path("base").absolute(), NEEDS_SYSTEM + CHATML)
    data = write(Path("t.jsonl"), problems(4))
    words = ["distill", data, "-o", "s", "--method", method, "--student", student, *SHORT]
    for more in ([], ["--dry-run"]):
        result = rlkd(*words, *more)
        assert result.status == 2 and not Path("s").exists()
        (line,) = result.err.splitlines()
        assert "A system message is required" in line and "--system" in line
    assert rlkd(*words, "--system", "Be brief.", "--steps", 1).status == 0
    result = rlkd(*words, "--system", "Be brief.", "--dry-run")
    assert "<|im_end|> (258)" in result.err


def test_a_template_that_wants_a_question_last_still_says_what_ends_a_reply(rlkd, zoo) -> None:
    student = templated(zoo("qwen2.5-base"), Path("base").absolute(), ASKS_LAST + CHATML)
    data = write(Path("t.jsonl"), problems(4))
    words = ["--method", "sft", "--student", student, *SHORT, "--steps", 1]
    assert rlkd("distill", data, "-o", "s", *words).status == 0
    assert json.loads(Path("s/generation_config.json").read_text())["eos_token_id"][0] == 258


def test_an_engine_says_why_a_template_refuses(rlkd, zoo) -> None:
    model = templated(zoo("qwen2.5-base"), Path("base").absolute(), NEEDS_SYSTEM + CHATML)
    data = write(Path("t.jsonl"), problems(1))
    words = ["sample", data, "--model", f"hf/{model}", "--n", 1, "--max-tokens", 4, "-q"]
    result = rlkd(*words)
    assert result.status == 2 and "A system message is required" in result.err
    assert len(rlkd(*words, "--system", "Be brief.").records) == 1


def test_a_token_without_a_place_in_the_embedding_is_named_before_loading(rlkd, zoo) -> None:
    from transformers import AutoTokenizer

    model = templated(zoo("qwen2.5-base"), Path("base").absolute(), CHATML)
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_tokens(["<|new|>"], special_tokens=True)
    tokenizer.save_pretrained(model)
    data, pairs = write(Path("t.jsonl"), problems(4)), [segmentation(1, step("a"))]
    words = ["--method", "sft", "--student", model, *SHORT, "--steps", 1]
    assert rlkd("distill", data, "-o", "unused", *words).status == 0  # nothing is written with it
    (model / "chat_template.jinja").write_text(CHATML + "<|new|>")
    gsrm = ["train-gsrm", write(Path("g.jsonl"), pairs), "-o", "s", "--model", model, "-q"]
    for command in (["distill", data, "-o", "s", *words], gsrm):
        for more in ([], ["--dry-run"]):
            result = rlkd(*command, *more)
            assert result.status == 2 and not Path("s").exists()
            assert "'<|new|>' as 259, but its embedding has 259 tokens" in result.err
