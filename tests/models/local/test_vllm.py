"""vLLM in this process writes what transformers writes, by the same rules."""

import asyncio
import io
import sys
from importlib.util import find_spec

import pytest

from rlkd_cli.models import Sampling, open_model, user
from tests.conftest import PROBLEM, replies


@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="no vLLM installed")
def test_stop_texts_end_a_reply_alike_in_both_engines(base) -> None:
    found = []
    for engine in ("hf", "vllm"):
        model = open_model(f"{engine}/{base}")
        sampling = Sampling(max_tokens=40, stop=("cups", "never"))
        reply = asyncio.run(model.reply(user(PROBLEM), sampling))
        found.append((reply.text, reply.finish_reason))
    assert found[0] == found[1] and "cups" not in found[0][0] and found[0][1] == "stop"


@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="no vLLM installed")
def test_vllm_agrees_with_transformers(base) -> None:
    greedy = Sampling(max_tokens=40)
    requests = [(PROBLEM, greedy), ("hats = 4. gems = hats + 1. What is gems?", greedy)]
    assert [r.text for r in replies(open_model(f"vllm/{base}"), *requests)] == [
        r.text for r in replies(open_model(f"hf/{base}"), *requests)
    ]


@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="no vLLM installed")
def test_two_engines_at_once_and_a_third_where_standard_error_is_no_file(base, monkeypatch) -> None:
    together = [open_model(f"vllm/{base}") for _ in range(2)]
    request = (PROBLEM, Sampling(max_tokens=20))
    texts = [replies(model, request)[0].text for model in together]
    monkeypatch.setattr(sys, "stderr", io.StringIO())  # as in a notebook
    assert texts == [replies(open_model(f"vllm/{base}"), request)[0].text] * 2
