"""transformers in this process: replies that depend on nothing but their request."""

import asyncio
import json
import shutil
import time
from pathlib import Path

import pytest
import torch

from rlkd_cli.errors import ModelError, RecordError, UsageError
from rlkd_cli.models import Sampling, open_model, user
from rlkd_cli.models.local.hf import HfModel
from rlkd_cli.models.local.sampling import draw, generator
from tests.conftest import BASE, PROBLEM, replies, write
from tests.pipeline.test_evaluate import QUESTION


def copied(folder: Path, **generation: object) -> Path:
    """The base model with other generation settings."""
    shutil.copytree(BASE, folder)
    file = folder / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | generation))
    return folder


def test_rows_that_join_and_leave_write_what_generate_writes(base) -> None:
    model = HfModel(base, batch_size=3)
    texts = [
        f"hats = {i}. gems = hats + {i}. {'pens = 1. ' * (i % 4)}What is gems?" for i in range(17)
    ]
    limits = [3 + 11 * (i % 5) for i in range(17)]
    wanted = []
    for text, limit in zip(texts, limits, strict=True):
        ids = model._encoder(user(text))
        out = model._model.generate(torch.tensor([ids]), max_new_tokens=limit, do_sample=False,
                                    pad_token_id=1, eos_token_id=0)  # fmt: skip
        wanted.append(model._decode(out[0, len(ids) :].tolist()))
    asked = [(text, Sampling(max_tokens=limit)) for text, limit in zip(texts, limits, strict=True)]
    found = replies(model, *asked)
    assert [reply.text for reply in found] == wanted
    assert len({reply.finish_reason for reply in found}) == 2


@pytest.mark.parametrize("size", [1, 2, 16])
def test_a_reply_does_not_depend_on_its_batch(base, size: int) -> None:
    sampling = [Sampling(temperature=1.0, top_p=0.9, max_tokens=12 + i, seed=i) for i in range(9)]
    asked = [(f"hats = {i}. What is hats?", s) for i, s in enumerate(sampling)]
    alone = [replies(HfModel(base, batch_size=1), one)[0].text for one in asked]
    assert [r.text for r in replies(HfModel(base, batch_size=size), *asked)] == alone


def test_a_limit_is_a_requests_own(base) -> None:
    model = HfModel(base, batch_size=8)
    model.context = len(model._encoder(user("hats = 1. " * 40))) + 6
    long, short = replies(
        model, ("hats = 1. " * 40, Sampling(max_tokens=50)), (PROBLEM, Sampling(max_tokens=50))
    )
    assert long.completion_tokens <= 6 and short.completion_tokens > 6


def test_a_text_ends_before_a_stop_text(base) -> None:
    model = HfModel(base, batch_size=4)
    whole = replies(model, (PROBLEM, Sampling(max_tokens=60)))[0].text
    stop = whole[len(whole) // 2 : len(whole) // 2 + 3]
    found = replies(model, (PROBLEM, Sampling(max_tokens=60, stop=(stop, "never"))))[0]
    assert found.text == whole[: whole.index(stop)] and found.finish_reason == "stop"


def test_equal_greedy_requests_are_written_once(base) -> None:
    model = HfModel(base, batch_size=8)
    seen: list[int] = []
    model._model.register_forward_hook(lambda module, args, output: seen.append(len(output.logits)))
    found = replies(model, *[(PROBLEM, Sampling(max_tokens=8))] * 20)
    assert len({reply.text for reply in found}) == 1 and max(seen) == 1


def test_what_nobody_waits_for_is_not_written_on(base) -> None:
    model = HfModel(base, batch_size=4)
    model._ends = model._writer._writer._ends = frozenset()  # replies as long as their limit

    async def go() -> tuple[float, list]:
        asked = [
            asyncio.create_task(
                model.reply(user(f"hats = {i}."), Sampling(max_tokens=5 if i == 0 else 100_000))
            )
            for i in range(4)
        ]
        first = await asked[0]
        started = time.monotonic()
        for task in asked:
            task.cancel()
        ended = await asyncio.gather(*asked, return_exceptions=True)
        await model.close()
        return time.monotonic() - started, [first, *ended[1:]]

    model.context = 0
    seconds, found = asyncio.run(go())
    assert seconds < 20 and found[0].completion_tokens == 5
    assert all(isinstance(error, asyncio.CancelledError) for error in found[1:])


def test_inherited_settings_have_no_effect_and_are_named_once(base, tmp_path) -> None:
    settings = {"repetition_penalty": 1.5, "no_repeat_ngram_size": 2, "num_beams": 3}
    folder = copied(tmp_path / "m", **settings, stop_strings=["is"])
    model, lines = open_model(f"hf/{folder}"), list[str]()
    model.tell = lines.append
    request = (PROBLEM, Sampling(max_tokens=40))
    assert replies(model, request)[0].text == replies(HfModel(base), request)[0].text
    assert len(lines) == 1 and "repetition_penalty=1.5" in lines[0]
    assert all(name in lines[0] for name in ("ngram_size=2", "num_beams=3", "stop_strings=['is']"))


def test_special_tokens_of_thinking_stay_in_the_text(base) -> None:
    model = HfModel(base)
    model._tokenizer.add_special_tokens({"additional_special_tokens": ["<think>"]})
    think, end = model._tokenizer.convert_tokens_to_ids("<think>"), next(iter(model._ends))
    assert model._decode([think, 272, end]) == "<think> is"


def test_a_draw_is_from_the_softmax_and_the_nucleus() -> None:
    shares = torch.tensor([0.5, 0.3, 0.15, 0.05])
    for top_p, wanted in ((1.0, shares), (0.7, torch.tensor([0.625, 0.375, 0, 0]))):
        sampling = Sampling(temperature=1.0, top_p=top_p, seed=3)
        numbers = generator(sampling)
        draws = [draw(shares.log()[None], [sampling], [numbers])[0] for _ in range(4000)]
        found = torch.bincount(torch.tensor(draws), minlength=4) / 4000
        assert torch.allclose(found, wanted, atol=0.03), top_p


def test_a_nucleus_of_more_than_a_thousand_tokens_is_whole() -> None:
    logits = torch.zeros(2, 5000)
    logits[1, 7] = 100.0
    samplings = [Sampling(temperature=1.0, top_p=0.9, seed=s) for s in (1, 2)]
    numbers = [generator(sampling) for sampling in samplings]
    draws = [draw(logits, samplings, numbers) for _ in range(3000)]
    first = {row[0] for row in draws}
    assert len(first) > 1800 and {row[1] for row in draws} == {7}


def tiny(kind: str, folder: Path) -> str:
    """A model of another family, with random weights and the base model's tokenizer."""
    import transformers as t

    shape = {"vocab_size": 440, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
             "intermediate_size": 128, "num_key_value_heads": 2, "head_dim": 16, "eos_token_id": 0,
             "pad_token_id": 1, "bos_token_id": 2}  # fmt: skip
    if kind == "gpt2":
        config = t.GPT2Config(
            vocab_size=440, n_embd=64, n_layer=2, n_head=4, eos_token_id=0, bos_token_id=2
        )
    elif kind == "gemma3":
        config = t.Gemma3TextConfig(
            **shape, sliding_window=8, layer_types=["sliding_attention", "full_attention"]
        )
    elif kind == "mamba":
        config = t.MambaConfig(
            vocab_size=440, hidden_size=64, num_hidden_layers=2, eos_token_id=0, pad_token_id=1
        )
    else:
        config = t.Qwen3Config(**shape)
    torch.manual_seed(0)
    t.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(BASE / name, folder)
    return str(folder)


@pytest.mark.parametrize("kind", ["gpt2", "qwen3", "gemma3", "mamba"])
def test_models_of_every_memory_write_the_same_alone_and_together(kind: str, tmp_path) -> None:
    folder = tiny(kind, tmp_path / "m")
    asked = [
        (
            f"hats = {i}. {'pens = 1. ' * (i % 3)}",
            Sampling(temperature=float(i % 2), max_tokens=4 + 3 * i, seed=i),
        )
        for i in range(6)
    ]
    alone = [replies(HfModel(folder, batch_size=1), one)[0] for one in asked]
    together = replies(HfModel(folder, batch_size=4), *asked)
    assert [r.text for r in together] == [r.text for r in alone]
    assert [r.completion_tokens for r in together] == [r.completion_tokens for r in alone]


def test_what_cannot_be_loaded_is_said_whole_and_on_one_line(tmp_path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama", "vocab_size": 10}')
    for name in (str(tmp_path), "nowhere/at-all"):
        with pytest.raises(ModelError) as error:
            HfModel(name)
        assert name in str(error.value) and "\n" not in str(error.value)


def test_gguf_files_are_loaded_or_say_what_to_do(tmp_path) -> None:
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(UsageError, match=r"a\.gguf, b\.gguf"):
        HfModel(str(tmp_path))
    with pytest.raises((UsageError, ModelError)) as error:
        HfModel(str(tmp_path / "a.gguf"))
    assert "a.gguf" in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(UsageError, match="no such file"):
        HfModel(str(tmp_path / "c.gguf"))


def test_likelihood_is_that_of_the_whole_softmax(base) -> None:
    import asyncio

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from rlkd_cli.models import user
    from rlkd_cli.models.chat import encode_chat
    from rlkd_cli.models.local.hf import HfModel

    tokenizer, model = (
        AutoTokenizer.from_pretrained(base),
        AutoModelForCausalLM.from_pretrained(base),
    )
    engine = HfModel(base)
    texts = ["First cups: 3 + 4 = 7.", "eggs"]

    async def go() -> list[float]:
        return list(
            await asyncio.gather(*(engine.log_likelihood(user(QUESTION), text) for text in texts))
        )

    for text, found in zip(texts, asyncio.run(go()), strict=True):
        start = encode_chat(tokenizer, user(QUESTION))
        ids = torch.tensor([start + tokenizer(text, add_special_tokens=False)["input_ids"]])
        logps = (
            model(ids)
            .logits.log_softmax(-1)[0, len(start) - 1 : -1]
            .gather(1, ids[0, len(start) :, None])
        )
        assert found == pytest.approx(float(logps.mean().detach()), abs=1e-4)


def test_length_context_and_choices(base) -> None:
    model = open_model(f"hf/{base}")
    cut = replies(model, (PROBLEM, Sampling(max_tokens=5)))[0]
    assert (cut.finish_reason, cut.completion_tokens) == ("length", 5)
    with pytest.raises(RecordError, match="too_long"):
        replies(model, ("eggs " * 5000, Sampling(max_tokens=5)))
    assert replies(model, ("yes or no?", Sampling(choices=("yes", "no"))))[0].text in ("yes", "no")


def test_a_model_that_is_not_there_is_said_plainly(rlkd) -> None:
    write(Path("in.jsonl"), [{"id": 1, "problem": "p", "path": "x"}])
    result = rlkd("segment", "in.jsonl", "--model", "hf/nowhere/at-all", "--no-verify")
    assert (
        result.status == 1
        and "nowhere/at-all" in result.err
        and len(result.err.strip().splitlines()) == 1
    )
