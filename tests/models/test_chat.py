"""Chat templates: the ids of a tokenizer, and thinking that a template opens."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from rlkd_cli.models import Sampling, open_model
from rlkd_cli.models.base import request_key
from tests.conftest import BASE, PROBLEM, replies, write


def test_the_saved_tokenizer_gives_the_ids_of_training(base) -> None:
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    text = f"<|user|>{PROBLEM}<|assistant|>First cups: eggs + 4 = 3 + 4 = 7.\n[Answer 1]: é∑ 7"
    own = (
        Tokenizer.from_file(str(BASE / "tokenizer.json")).encode(text, add_special_tokens=False).ids
    )
    tokenizer = AutoTokenizer.from_pretrained(base)
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == own
    assert tokenizer.decode(own) == text


@pytest.fixture(scope="module")
def thinker(tmp_path_factory) -> str:
    """The base model under a chat template that opens the thinking, as DeepSeek-R1's does."""
    folder = tmp_path_factory.mktemp("models") / "thinker"
    shutil.copytree(BASE, folder)
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|assistant|>", "<|assistant|><think>\n"))
    return str(folder)


ENGINES = [
    "hf",
    pytest.param(
        "vllm", marks=pytest.mark.skipif(find_spec("vllm") is None, reason="no vLLM installed")
    ),
]


@pytest.mark.parametrize("engine", ENGINES)
def test_thinking_that_the_template_opens_is_thinking(thinker, engine: str) -> None:
    cut = replies(open_model(f"{engine}/{thinker}"), (PROBLEM, Sampling(max_tokens=5)))[0]
    assert (cut.text, cut.finish_reason) == ("", "length") and cut.thinking


@pytest.mark.parametrize("engine", ENGINES)
def test_a_whole_reply_is_never_split(thinker, engine: str) -> None:
    whole = replies(
        open_model(f"{engine}/{thinker}"), (PROBLEM, Sampling(max_tokens=5, whole=True))
    )
    assert whole[0].text and not whole[0].thinking


def test_how_a_reply_is_read_is_no_part_of_what_a_recording_is_found_by() -> None:
    assert request_key([], Sampling(whole=True)) == request_key([], Sampling())


def test_a_path_that_never_closed_its_thinking_has_no_answer(rlkd, thinker) -> None:
    write(Path("bench.jsonl"), [{"id": 1, "problem": PROBLEM, "answer": "8"}])
    flags = ["--model", f"hf/{thinker}", "--max-tokens", "5", "-q"]
    flags += ["--prompt-template", "{problem}"]
    graded = rlkd("eval", "--bench", "bench.jsonl", *flags).records[0]
    assert graded["path"].startswith("<think>\n") and graded["verdict"] == "truncated"
