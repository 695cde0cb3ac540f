"""The modes of `rlkd eval` beside sampling and grading."""

import json
from pathlib import Path

import pytest

from tests.conftest import read, write
from tests.servers.scripted import Response


def graded(count: int, right: int) -> list[dict]:
    return [
        {"id": q, "sample": s, "problem": "p", "path": "x", "answer": "1", "correct": s < right}
        for q in range(3)
        for s in range(count)
    ]


def test_table_1_from_graded_files(rlkd) -> None:
    write(Path("a.jsonl"), graded(8, 2))
    write(Path("b.jsonl"), graded(8, 4))
    shown = rlkd("eval", "--table", "a.jsonl", "b.jsonl").out
    assert shown.startswith("| ") and "25.0" in shown and "50.0" in shown
    assert "\\toprule" in rlkd("eval", "--table", "a.jsonl", "b.jsonl", "--format", "latex").out
    rlkd("eval", "--table", "a.jsonl", "--format", "csv", "-o", "t.csv", "--plot", "t.png")
    assert Path("t.csv").read_text().startswith("name,") and Path("t.png").stat().st_size > 1000
    refused = rlkd("eval", "--table")
    assert refused.status == 2 and "--table" in refused.err
    refused = rlkd("eval", "a.jsonl", "--samples", "b.jsonl")
    assert refused.status == 2 and "--table" in refused.err


def test_doubtful_grades_are_listed(rlkd) -> None:
    pair = {"id": 1, "problem": "p", "path": "x", "answer": "x(x+1)", "correct": True}
    write(
        Path("g.jsonl"),
        [{**pair, "prediction": "x^2+x"}, {**pair, "id": 2, "prediction": "x(x+1)"}],
    )
    (found,) = rlkd("eval", "--doubtful", "g.jsonl").records
    assert (found["id"], found["accepted_by"]) == (1, "algebra")


def test_a_protocol_asks_samples_and_reads_as_its_tool_does(rlkd, server) -> None:
    server.script = lambda request, number: Response("<think>\\boxed{7}</think> So it is 7.")
    write(Path("b.jsonl"), [{"id": 1, "problem": "What is 3 + 4?", "answer": "7"}])
    words = ["eval", "--bench", "b.jsonl", "--model", server.url, "-q"]
    for name, temperature, correct in (("deepseek", 0.6, False), ("nemo-skills", 0.7, True)):
        (record,) = rlkd(*words, "--protocol", name).records
        assert record["correct"] is correct
        assert server.requests[-1]["temperature"] == temperature
    asked = [request["messages"][0]["content"] for request in server.requests]
    assert len(set(asked)) == 2
    rlkd(*words, "--protocol", "nemo-skills", "--temperature", "0.1", "--prompt", "So: {problem}")
    assert server.requests[-1]["temperature"] == 0.1
    assert server.requests[-1]["messages"][0]["content"] == "So: What is 3 + 4?"
    refused = rlkd(*words, "--prompt", "no place")
    assert refused.status == 2 and "{problem}" in refused.err
    unknown = rlkd(*words, "--protocol", "mine")
    assert unknown.status == 2 and "nemo-skills" in unknown.err


@pytest.mark.parametrize(("grader", "correct"), [(None, True), ("exact", False), ("math", True)])
def test_a_grader_is_chosen(rlkd, grader: str | None, correct: bool) -> None:
    write(Path("s.jsonl"), [{"id": 1, "problem": "p", "path": r"\boxed{0.5}", "answer": "1/2"}])
    more = ["--grader", grader] if grader else []
    (record,) = rlkd("eval", "--samples", "s.jsonl", "-q", *more).records
    assert record["correct"] is correct


def test_a_rejected_sample_does_not_cost_the_metric(rlkd, server) -> None:
    server.script = lambda request, number: (
        Response(finish_reason="content_filter") if number == 2 else Response(r"\boxed{7}")
    )
    write(Path("b.jsonl"), [{"id": i, "problem": "p", "answer": "7"} for i in range(2)])
    words = ["eval", "--bench", "b.jsonl", "--model", server.url, "--runs", "4", "--k", "4"]
    result = rlkd(*words, "-o", "o.jsonl", "--concurrency", "1", "--json")
    metrics = json.loads(result.out)
    assert result.status == 3 and metrics["missing samples"] == 1
    assert metrics["pass@3"] == 1.0 and metrics["pass@1"] == 1.0
    again = rlkd(*words, "-o", "o.jsonl", "--json")
    assert again.status == 3 and json.loads(again.out) == metrics
    server.script = lambda request, number: Response(r"\boxed{7}")
    mended = rlkd(*words, "-o", "o.jsonl", "--json", "--retry-rejects", "all")
    assert mended.status == 0 and json.loads(mended.out)["pass@4"] == 1.0


def test_results_are_exported(rlkd, server, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("RLKD_BENCH_DIR", str(tmp_path))
    server.script = lambda request, number: Response(r"\boxed{7}")
    write(Path("aime25.jsonl"), [{"id": 1, "problem": "p", "answer": "7"}])
    words = ["eval", "--bench", "aime25", "--model", server.url, "--runs", "2", "-q"]
    assert rlkd(*words, "-o", "o.jsonl", "--export", "r.json").status == 0
    assert json.loads(Path("r.json").read_text())["results"]["all"]["pass@1"] == 1.0
    assert len(read(Path("o.jsonl"))) == 2
    refused = rlkd("eval", "--samples", "o.jsonl", "--export", "r.json")
    assert refused.status == 2 and "--export needs --bench" in refused.err


def test_a_password_in_an_address_is_written_nowhere(rlkd, server) -> None:
    write(Path("b.jsonl"), [{"id": 1, "problem": "p", "answer": "7", "path": "x"}])
    spec = server.url.replace("http://", "http://me:secret@")
    for words in (
        ["eval", "--bench", "b.jsonl", "--model", spec, "-o", "o.jsonl"],
        ["segment", "b.jsonl", "--model", spec, "--verifier", spec, "-o", "s.jsonl"],
        ["sample", "b.jsonl", "--model", spec, "--n", "1", "-o", "p.jsonl"],
        ["score", "s.jsonl", "s.jsonl", "--judge", spec, "-o", "r.jsonl"],
    ):
        result = rlkd(*words)
        assert "secret" not in result.err + result.out, words
    for file in Path(".").iterdir():
        assert "secret" not in file.read_text(), file
