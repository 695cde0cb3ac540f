"""`rlkd sample`: paths of a model."""

import json
from pathlib import Path

import pytest

from tests.conftest import read, write
from tests.pipeline.test_run import paths
from tests.servers.scripted import Response


def test_more_samples_can_be_added_to_a_finished_file(rlkd, server) -> None:
    write(Path("in.jsonl"), [{"id": i, "problem": f"path of {i}."} for i in range(3)])
    command = ["sample", "in.jsonl", "--model", server.url, "-o", "out.jsonl"]
    assert rlkd(*command, "--n", "2").status == 0
    assert rlkd(*command, "--n", "5").status == 0
    assert len(server.requests) == 15
    assert [(r["id"], r["sample"]) for r in read(Path("out.jsonl"))] == [
        (i, k) for i in range(3) for k in range(5)
    ]
    assert (
        json.loads(Path("out.jsonl.run.json").read_text())["models"][server.url]["requests"] == 15
    )
    fewer = rlkd(*command, "--n", "3")
    assert fewer.status == 2 and "n = 5" in fewer.err


def test_thinking_that_a_server_gives_apart_is_part_of_the_path(rlkd, server) -> None:
    message = {
        "role": "assistant",
        "content": "So \\boxed{4}",
        "reasoning_content": "2 and 2 make 4",
    }
    body = {"id": "x", "object": "chat.completion", "created": 0, "model": "m"}
    body |= {
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"completion_tokens": 20},
    }
    server.script = lambda request, number: Response(body=json.dumps(body).encode())
    words = ["sample", write(Path("in.jsonl"), [{"id": 1, "problem": "p"}])]
    words += ["--model", server.url, "--n", "1"]
    result = rlkd(*words)
    assert result.records[0]["path"] == "<think>\n2 and 2 make 4\n</think>\n\nSo \\boxed{4}"
    assert 0 < result.records[0]["thinking_tokens"] < 20


def test_a_dry_run_counts_tokens_with_the_models_own_tokenizer(rlkd, base, monkeypatch) -> None:
    from tokenizers import Tokenizer

    write(Path("in.jsonl"), paths(3))
    template = ["--prompt-template", "{problem}", "--dry-run", "--n", "1"]

    def tokens_read(model: str) -> int:
        said = rlkd("sample", "in.jsonl", "--model", model, *template).err
        line = next(line for line in said.splitlines() if "tokens read" in line)
        return int("".join(c for c in line.partition("about")[2] if c.isdigit()))

    tokenizer = Tokenizer.from_file(f"{base}/tokenizer.json")
    text = "\n".join(text for r in paths(3) for text in (r["problem"], ""))
    expected = 27 * len(tokenizer.encode(text).ids) / len(text)
    assert tokens_read(f"hf/{base}") == pytest.approx(expected, abs=1)
    assert tokens_read("hf/not-here") == round(27 / 4)
