"""`rlkd eval`: its modes, what it asks, and what it says."""

import json
from pathlib import Path

import pytest

from tests.conftest import read, write
from tests.pipeline.test_evaluate import QUESTION, samples
from tests.pipeline.test_evaluate import graded as graded_file
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


def test_stop_goes_with_every_request_and_into_the_manifest(rlkd, server) -> None:
    server.script = lambda request, number: Response("so 4")
    write(Path("in.jsonl"), [{"id": 1, "problem": "p", "answer": "4"}])
    ends = ["--stop", "\nQuestion:", "--stop", "Problem"]
    for command in (["sample", "in.jsonl", "--n", "1"], ["eval", "--bench", "in.jsonl"]):
        flags = ["--model", server.url, "-o", f"{command[0]}.jsonl"]
        assert rlkd(*command, *flags, *ends).status == 0
        assert server.requests[-1]["stop"] == ["\nQuestion:", "Problem"]
        changed = rlkd(*command, *flags)
        assert changed.status == 2 and "stop" in changed.err
        empty = rlkd(*command, *flags, "--overwrite", "--stop", "")
        assert empty.status == 2 and "--stop" in empty.err
    assert len(server.requests) == 2
    assert rlkd("sample", "in.jsonl", "--n", "1", "--model", server.url).status == 0
    assert "stop" not in server.requests[-1]


def test_a_line_where_most_paths_hold_no_box(rlkd, server) -> None:
    write(Path("in.jsonl"), [{"id": i, "problem": "p", "answer": "4"} for i in range(3)])
    server.script = lambda request, number: Response("so \\boxed{4}" if number < 1 else "so 4")
    command = ["eval", "--bench", "in.jsonl", "--model", server.url]
    result = rlkd(*command, "--concurrency", "1")
    assert "2 of 3 paths hold no \\boxed{} answer" in result.err
    sampled = rlkd("sample", "in.jsonl", "--model", server.url, "--n", "1")
    assert "3 of 3 paths hold no" in sampled.err
    free = rlkd(*command, "--prompt-template", "{problem}")
    assert "hold no" not in free.err


def test_hostile_answers_cost_nobody_else(rlkd) -> None:
    hostile = [
        "9^{9^{9^9}}",
        "1" * 100_000,
        "{" * 300,
        r"\int_0^1 x^{99} \sin(x^{77}) dx",
        r"\prod_{k=1}^{999} \Gamma(k)",
    ]
    records = samples({f"q{i}": [1] for i in range(40)})
    records += [
        {"id": f"h{i}", "problem": "p", "answer": r"\frac{1}{3}", "path": f"\\boxed{{{h}}}"}
        for i, h in enumerate(hostile)
    ]
    result = rlkd(
        "eval", "--samples", write(Path("s.jsonl"), records), "--grade-timeout", "1", "-q"
    )
    assert result.status == 0 and sum(record["correct"] for record in result.records) == 40
    assert {record["verdict"] for record in result.records[40:]} <= {
        "wrong",
        "no_answer",
        "timeout",
        "unparsable",
    }


def test_several_files_share_a_plot(rlkd) -> None:
    a = graded_file(rlkd, "a.jsonl", {"1": [0, 1], "2": [1, 0]})
    write(Path("s.jsonl"), samples({"1": [1, 1], "2": [1, 0]}))
    for ending in ("png", "svg", "pdf"):
        words = ["eval", "--samples", "s.jsonl", "--k", "2", "--with", a, "--plot", f"p.{ending}"]
        words += ["-q"]
        assert rlkd(*words).status == 0
        assert Path(f"p.{ending}").stat().st_size > 2000
    assert rlkd("eval", "--samples", "s.jsonl", "--plot", "p.nonsense", "-q").status == 2


def test_benchmarks_are_found_in_a_folder_and_prompts_are_shown(
    rlkd, monkeypatch, tmp_path
) -> None:
    monkeypatch.setenv("RLKD_BENCH_DIR", str(tmp_path))
    write(tmp_path / "aime24.jsonl", [{"id": "1", "problem": "What is 3 + 4?", "answer": "007"}])
    shown = rlkd("eval", "--bench", "aime24", "--show-prompt").err
    assert "What is 3 + 4?" in shown and "\\boxed{}" in shown
    dry = rlkd("eval", "--bench", "aime24", "--dry-run", "--model", "hf/x")
    assert dry.status == 0 and "64" in dry.err  # the paper's number of runs


def test_a_finished_grading_is_shown_again(rlkd) -> None:
    write(Path("s.jsonl"), samples({"a": [1, 0]}))
    command = ["eval", "--samples", "s.jsonl", "-o", "out.jsonl"]
    first, again = rlkd(*command), rlkd(*command)
    assert (
        (first.status, again.status) == (0, 0)
        and "pass@1" in again.err
        and len(read(Path("out.jsonl"))) == 2
    )


def test_pass_at_k_and_its_refusal(rlkd) -> None:
    write(
        Path("in.jsonl"), [{"id": 1, "problem": "p", "answer": "5", "paths": [r"\boxed{5}", "x"]}]
    )
    metrics = json.loads(rlkd("eval", "--samples", "in.jsonl", "--k", "2", "--json").out)
    assert (metrics["pass@1"], metrics["pass@2"], metrics["share no_answer"]) == (0.5, 1.0, 0.5)
    refused = rlkd("eval", "--samples", "in.jsonl", "--k", "3", "--json")
    assert refused.status == 2 and "pass@3" in refused.err


def test_a_benchmark_file_through_a_tiny_model(rlkd, base) -> None:
    write(Path("bench.jsonl"), [{"id": 1, "problem": QUESTION, "answer": "8"}])
    flags = ["--model", f"hf/{base}", "--k", "4", "--max-tokens", "64"]
    flags += ["--prompt-template", "{problem}"]
    result = rlkd("eval", "--bench", "bench.jsonl", *flags, "--json")
    metrics = json.loads(result.out)
    assert (result.status, metrics["samples"]) == (0, 4) and 0 <= metrics["pass@1"] <= metrics[
        "pass@4"
    ] <= 1
