"""`rlkd segment`: who writes and judges the steps, and what it costs."""

from pathlib import Path

import pytest

from tests.conftest import read, write
from tests.pipeline.test_run import paths
from tests.servers.scripted import Response


@pytest.mark.parametrize(
    ("flags", "model", "verifier"),
    [
        ([], "openai/gpt-6-luna", "deepseek/deepseek-flash"),
        (["--preset", "paper"], "openai/gpt-4o", "deepseek/deepseek-chat"),
        (["--preset", "paper", "--verifier", "hf/x"], "openai/gpt-4o", "hf/x"),
        (["--preset", "open"], "Qwen/Qwen3-32B", "openai/gpt-oss-20b"),
    ],
)
def test_a_preset_names_the_pair(rlkd, flags: list[str], model: str, verifier: str) -> None:
    write(Path("in.jsonl"), paths(2))
    said = rlkd("segment", "in.jsonl", "--dry-run", *flags).err
    calls = [line for line in said.splitlines() if "calls of" in line]
    assert len(calls) == 2 and model in calls[0] and verifier in calls[1]


def test_the_same_pair_by_preset_or_by_name_is_one_output(rlkd, server) -> None:
    write(Path("in.jsonl"), paths(1))
    flags = ["--model", server.url, "--no-verify", "-o", "out.jsonl"]
    assert rlkd("segment", "in.jsonl", *flags).status == 0
    assert rlkd("segment", "in.jsonl", *flags, "--preset", "open").status == 0
    assert len(server.requests) == 1


def test_a_price_that_is_not_known_is_said_before_the_run(rlkd, server, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url.partition("#")[0])
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    write(Path("in.jsonl"), paths(1))
    server.script = lambda request, number: Response(status=401)
    command = ["segment", "in.jsonl", "--no-verify", "--model", "openai/some-new-model"]
    assert "no known price for openai/some-new-model" in rlkd(*command).err
    prices = ["--price-in", "1", "--price-out", "1"]
    assert "price of" not in rlkd(*command, *prices).err


def test_prices_have_a_date_in_the_help(rlkd) -> None:
    from rlkd_cli.models.providers import PRICES_OF

    assert PRICES_OF in " ".join(rlkd("segment", "--help").out.split())


def test_real_text_that_the_tiny_model_cannot_segment_is_rejected_with_reasons(rlkd, base) -> None:
    paths = [
        {"id": i, "problem": "p", "path": "Let $x^2 = 4$, so $x = \\pm 2$. " * (1 + 400 * (i == 2))}
        for i in range(3)
    ]
    words = ["segment", write(Path("in.jsonl"), paths), "--model", f"hf/{base}"]
    words += ["--max-tokens", "32", "--rejects", "r"]
    result = rlkd(*words)
    rejects = read(Path("r"))
    assert result.status == 3 and len(result.records) + len(rejects) == 3
    assert rejects[-1]["error"] == "too_long" and all(r["detail"] for r in rejects)
