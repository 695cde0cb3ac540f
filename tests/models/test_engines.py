"""Engines in this process, on the tiny base model."""

import asyncio
import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from rlkd_cli.errors import RecordError
from rlkd_cli.models import Sampling, open_model, user
from tests.conftest import BASE, ROOT, read, write

PROBLEM = "eggs = 3. cups = eggs + 4. gems = cups + 1. hats = 2. What is gems?"


def reply(model, *requests: tuple[str, Sampling]):
    async def go():
        return await asyncio.gather(
            *(model.reply(user(text), sampling) for text, sampling in requests)
        )

    return asyncio.run(go())


def hf(base: str):
    return open_model(f"hf/{base}")


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


def test_a_seeded_sample_does_not_depend_on_its_batch(base) -> None:
    sampling = Sampling(temperature=1.0, top_p=0.95, max_tokens=40, seed=7)
    alone = reply(hf(base), (PROBLEM, sampling))[0]
    others = [
        (f"hats = {i}. What is hats?", Sampling(temperature=1.0, max_tokens=40, seed=i))
        for i in range(5)
    ]
    together = reply(hf(base), *others, (PROBLEM, sampling))[-1]
    assert together.text == alone.text
    different = {
        reply(hf(base), (PROBLEM, Sampling(temperature=1.0, max_tokens=40, seed=seed)))[0].text
        for seed in range(6)
    }
    assert len(different) > 1


def test_the_labelled_head_scores_and_trains_like_the_full_logits(base) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from rlkd_cli.models.local.labelled_head import LabelledHead

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    ids = torch.randint(5, 90, (3, 20), generator=torch.Generator().manual_seed(0))
    labelled = torch.zeros(3, 20, dtype=torch.bool)
    labelled[0, 5:9], labelled[1, 0:20:3] = (
        True,
        True,
    )  # the first token has no prediction; the third row no label
    full = (
        model(input_ids=ids).logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
        * labelled[:, 1:]
    )
    full.sum().backward()
    wanted = {name: weights.grad.clone() for name, weights in model.named_parameters()}
    model.zero_grad()
    seen = []
    head = LabelledHead(model)
    model.base_model.register_forward_hook(
        lambda module, args, output: seen.append(output.last_hidden_state.shape)
    )
    found = head.log_probs(model, {"input_ids": ids}, labelled)
    found.sum().backward()
    assert torch.allclose(found, full, atol=1e-5) and seen[0][:2] == (1, int(labelled[:, 1:].sum()))
    assert all(
        torch.allclose(weights.grad, wanted[name], atol=1e-5)
        for name, weights in model.named_parameters()
    )
    assert model(input_ids=ids).logits.shape == (
        3,
        20,
        model.config.vocab_size,
    )  # as before, without labels


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
    cut = reply(open_model(f"{engine}/{thinker}"), (PROBLEM, Sampling(max_tokens=5)))[0]
    assert (cut.text, cut.finish_reason) == ("", "length") and cut.thinking


def test_a_path_that_never_closed_its_thinking_has_no_answer(rlkd, thinker) -> None:
    write(Path("bench.jsonl"), [{"id": 1, "problem": PROBLEM, "answer": "8"}])
    flags = [
        "--model",
        f"hf/{thinker}",
        "--max-tokens",
        "5",
        "-q",
        "--prompt-template",
        "{problem}",
    ]
    graded = rlkd("eval", "--bench", "bench.jsonl", *flags).records[0]
    assert graded["path"].startswith("<think>\n") and graded["verdict"] == "truncated"


def test_thinking_is_told_from_the_answer() -> None:
    from rlkd_cli.core.thinking import split

    assert split("Hm.\n</think>\n\n\\boxed{8}", True) == ("Hm.", "\\boxed{8}")
    assert split("So \\boxed{8}, or", True) == ("So \\boxed{8}, or", "")


def test_length_context_and_choices(base) -> None:
    model = hf(base)
    cut = reply(model, (PROBLEM, Sampling(max_tokens=5)))[0]
    assert (cut.finish_reason, cut.completion_tokens) == ("length", 5)
    with pytest.raises(RecordError, match="too_long"):
        reply(model, ("eggs " * 5000, Sampling(max_tokens=5)))
    assert reply(model, ("yes or no?", Sampling(choices=("yes", "no"))))[0].text in ("yes", "no")


def test_real_text_that_the_tiny_model_cannot_segment_is_rejected_with_reasons(rlkd, base) -> None:
    paths = [
        {"id": i, "problem": "p", "path": "Let $x^2 = 4$, so $x = \\pm 2$. " * (1 + 400 * (i == 2))}
        for i in range(3)
    ]
    result = rlkd(
        "segment",
        write(Path("in.jsonl"), paths),
        "--model",
        f"hf/{base}",
        "--max-tokens",
        "32",
        "--rejects",
        "r",
    )
    rejects = read(Path("r"))
    assert result.status == 3 and len(result.records) + len(rejects) == 3
    assert rejects[-1]["error"] == "too_long" and all(r["detail"] for r in rejects)


def test_a_benchmark_file_through_a_tiny_model(rlkd, base) -> None:
    write(Path("bench.jsonl"), [{"id": 1, "problem": PROBLEM, "answer": "8"}])
    flags = [
        "--model",
        f"hf/{base}",
        "--k",
        "4",
        "--max-tokens",
        "64",
        "--prompt-template",
        "{problem}",
    ]
    result = rlkd("eval", "--bench", "bench.jsonl", *flags, "--json")
    metrics = json.loads(result.out)
    assert (result.status, metrics["samples"]) == (0, 4) and 0 <= metrics["pass@1"] <= metrics[
        "pass@4"
    ] <= 1


def test_a_model_that_is_not_there_is_said_plainly(rlkd) -> None:
    write(Path("in.jsonl"), [{"id": 1, "problem": "p", "path": "x"}])
    result = rlkd("segment", "in.jsonl", "--model", "hf/nowhere/at-all", "--no-verify")
    assert (
        result.status == 1
        and "nowhere/at-all" in result.err
        and len(result.err.strip().splitlines()) == 1
    )


@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="no vLLM installed")
def test_vllm_agrees_with_transformers(base) -> None:
    greedy = Sampling(max_tokens=40)
    requests = [(PROBLEM, greedy), ("hats = 4. gems = hats + 1. What is gems?", greedy)]
    assert [r.text for r in reply(open_model(f"vllm/{base}"), *requests)] == [
        r.text for r in reply(hf(base), *requests)
    ]


def test_examples_in_prompts_are_parsed() -> None:
    from rlkd_cli.core.steps import parse

    for domain in ("math", "code", "science", "puzzle"):
        text = (ROOT / f"rlkd_cli/prompts/segment_{domain}.txt").read_text("utf-8")
        examples = [part.split("\n\nExample")[0] for part in text.split("Steps:\n")[1:]]
        assert len(examples) >= 2 and all(len(parse(example)) >= 2 for example in examples)
