"""The HTTP engine against vLLM's own server, on CPU, with the tiny base model."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import ROOT, write

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(find_spec("vllm") is None, reason="no vLLM installed"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    counts = ["--train", "4", "--test", "2"]
    command = [sys.executable, ROOT / "examples/tiny/world.py", "--out", folder, *counts]
    subprocess.run(command, check=True)
    return folder


def test_a_server_segments_as_transformers_does(rlkd, base, vllm_url, world) -> None:
    flags = [world / "teacher.jsonl", "--max-tokens", "96", "-q"]
    served = rlkd(
        "segment", *flags, "--model", vllm_url, "--gsrm-prompt", "--no-verify", "--rejects", "a"
    )  # its one model is found
    local = rlkd("segment", *flags, "--model", f"hf/{base}", "--rejects", "b")
    assert [r["steps"] for r in served.records] == [r["steps"] for r in local.records]
    assert served.status == local.status


def test_samples_and_a_judge_come_over_http(rlkd, vllm_url, world) -> None:
    flags = ["--model", f"{vllm_url}#tiny", "--n", "2", "--max-tokens", "40", "-q"]
    sampled = rlkd("sample", world / "test.jsonl", *flags)
    assert sampled.status == 0 and len(sampled.records) == 4
    assert all(record["tokens"] for record in sampled.records)
    steps = [{"meta_reasoning": "one", "sub_problem": "two", "answer": "three"}]
    other = [{"meta_reasoning": "uno", "sub_problem": "due", "answer": "tre"}]
    write(Path("t.jsonl"), [{"id": 1, "steps": steps}])
    student = json.dumps({"id": 1, "steps": other})
    scored = rlkd("score", "t.jsonl", "-", "--judge", f"{vllm_url}#tiny", "-q", stdin=student)
    assert scored.status == 0
    assert isinstance(scored.records[0]["verdicts"][0]["meta_reasoning"], bool)


def test_a_model_that_the_server_does_not_have_stops_the_run(rlkd, vllm_url, world) -> None:
    result = rlkd("sample", world / "test.jsonl", "--model", f"{vllm_url}#other", "--n", "1")
    assert result.status == 1 and "other" in result.err
