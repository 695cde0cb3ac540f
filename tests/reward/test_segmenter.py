"""`segment` and `sample` over HTTP, against a server whose behaviour each test writes down."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import read, wait_until, write
from tests.servers.scripted import STEPS, Response

PATHS = [
    {"id": i, "note": {"é": i}, "problem": f"problem {i}", "path": f"path {i}"} for i in range(12)
]


def asked_to_verify(request: dict) -> bool:
    return "You check whether" in request["messages"][0]["content"]


def test_steps_are_added_and_fields_pass_through_in_order(rlkd, server) -> None:
    server.script = lambda request, number: Response(delay=0.05 if number % 3 == 0 else 0.0)
    result = rlkd(
        "segment", write(Path("in.jsonl"), PATHS), "--model", server.url, "--no-verify", "-q"
    )
    assert result.status == 0
    assert [r["id"] for r in result.records] == list(range(12))
    first = result.records[0]
    assert list(first)[:4] == ["id", "note", "problem", "path"] and first["note"] == {"é": 0}
    assert first["steps"] == [
        {"meta_reasoning": "Choose a.", "sub_problem": "What is a?", "answer": "1"}
    ]
    assert (first["attempts"], first["verified"], first["segmenter"]) == (1, False, server.url)


def test_feedback_goes_back_to_the_generator(rlkd, server) -> None:
    verdicts = iter(["Verdict: fail\nStep 1 hides its answer.", "Verdict: pass"])
    server.script = lambda request, number: Response(
        next(verdicts) if asked_to_verify(request) else STEPS
    )
    words = ["segment", write(Path("in.jsonl"), PATHS[:1]), "--model", server.url]
    words += ["--verifier", server.url]
    result = rlkd(*words)
    assert (result.records[0]["attempts"], result.records[0]["verified"]) == (2, True)
    generations = [r for r in server.requests if not asked_to_verify(r)]
    assert "Step 1 hides its answer." in generations[1]["messages"][-1]["content"]


def test_three_re_generations_then_discarded_with_the_feedback(rlkd, server) -> None:
    server.script = lambda request, number: Response(
        "Verdict: fail\nno" if asked_to_verify(request) else STEPS
    )
    words = ["segment", write(Path("in.jsonl"), PATHS[:1]), "--model", server.url]
    words += ["--verifier", server.url, "--rejects", "r"]
    result = rlkd(*words)
    assert (result.status, len(server.requests)) == (3, 8)
    reject = read(Path("r"))[0]
    assert {k: reject[k] for k in PATHS[0]} == PATHS[0] and (reject["error"], reject["detail"]) == (
        "not_verified",
        "no",
    )


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (Response(status=500), "http_500"),
        (Response(body=b"<html>"), "bad_response"),
        (Response(body=b'{"choices": []}'), "bad_response"),
        (Response(""), "empty_reply"),
        (Response(cut=True), "no_connection"),
        (Response("nothing"), "unparsable_steps"),
        (Response(finish_reason="length"), "cut_off"),
        (Response(delay=1.5), "timeout"),
    ],
)
def test_bad_weather_is_a_reject(rlkd, server, response: Response, error: str) -> None:
    server.script = lambda request, number: response
    flags = ["--no-verify", "--max-retries", "1", "--timeout", "0.5", "--rejects", "r"]
    result = rlkd("segment", write(Path("in.jsonl"), PATHS[:2]), "--model", server.url, *flags)
    assert (result.status, result.out) == (3, "")
    assert [r["error"] for r in read(Path("r"))] == [error, error]


def test_overload_is_waited_out(rlkd, server) -> None:
    server.script = lambda request, number: (
        Response(status=429, headers=(("Retry-After", "0.05"),)) if number < 3 else Response()
    )
    result = rlkd(
        "segment", write(Path("in.jsonl"), PATHS), "--model", server.url, "--no-verify", "-q"
    )
    assert (result.status, len(result.records)) == (0, 12)


def test_a_wrong_key_stops_the_run_and_is_not_shown(rlkd, server, monkeypatch) -> None:
    monkeypatch.setenv("RLKD_API_KEY", "sk-secret")
    server.script = lambda request, number: Response(
        status=401, body=b'{"error": {"message": "bad key sk-secret"}}'
    )
    result = rlkd("segment", write(Path("in.jsonl"), PATHS), "--model", server.url, "--no-verify")
    assert result.status == 1 and "sk-secret" not in result.err


def test_no_key_says_so_in_one_line(rlkd) -> None:
    result = rlkd("segment", write(Path("in.jsonl"), PATHS))
    assert result.status == 2 and "OPENAI_API_KEY" in result.err and "replay/FILE" in result.err
    assert len(result.err.strip().splitlines()) == 1


def test_recorded_replies_answer_without_a_server(rlkd, server) -> None:
    write(Path("in.jsonl"), PATHS[:3])
    words = ["segment", "in.jsonl", "--model", server.url, "--no-verify"]
    words += ["--record", "replies.jsonl", "-q"]
    live = rlkd(*words)
    again = rlkd("segment", "in.jsonl", "--model", "replay/replies.jsonl", "--no-verify", "-q")
    strip = [{k: v for k, v in r.items() if k != "segmenter"} for r in again.records]
    assert strip == [{k: v for k, v in r.items() if k != "segmenter"} for r in live.records]


def test_samples_are_numbered_and_seeded(rlkd, server) -> None:
    result = rlkd(
        "sample", write(Path("in.jsonl"), PATHS[:2]), "--model", server.url, "--n", "3", "-q"
    )
    assert [(r["id"], r["sample"]) for r in result.records] == [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 1),
        (1, 2),
    ]
    assert len({request["seed"] for request in server.requests}) == 6


def test_settings_that_differ_stop_the_command(rlkd, server) -> None:
    write(Path("in.jsonl"), PATHS)
    command = ["segment", "in.jsonl", "--model", server.url, "--no-verify", "-o", "out.jsonl"]
    assert rlkd(*command).status == 0
    asked = len(server.requests)
    assert rlkd(*command).status == 0 and len(server.requests) == asked
    changed = rlkd(*command, "--temperature", "1")
    assert changed.status == 2 and "temperature" in changed.err
    assert rlkd(*command, "--temperature", "1", "--overwrite").status == 0


def segment_process(server, output: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "rlkd_cli", "segment", "in.jsonl", "--model", server.url]
    command += ["--no-verify", "-o", output]
    return subprocess.Popen(
        [*command, "--concurrency", "4"], stderr=subprocess.PIPE, text=True, env=os.environ
    )


@pytest.mark.parametrize(("how", "status"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_killed_run_resumes_and_asks_for_nothing_twice(
    rlkd, server, how: signal.Signals, status: int
) -> None:
    write(Path("in.jsonl"), PATHS)
    server.script = lambda request, number: Response(delay=0.15)
    process = segment_process(server, "out.jsonl")
    wait_until(lambda: len(server.requests) >= 7)
    process.send_signal(how)
    assert process.wait(20) == status
    assert process.stderr is not None
    assert how == signal.SIGKILL or "same command again" in process.stderr.read()
    assert not Path("out.jsonl").exists()
    finished = Path("out.jsonl.journal").read_text().count('"r":')
    asked = len(server.requests)
    assert segment_process(server, "out.jsonl").wait(30) == 0
    assert len(server.requests) - asked == len(PATHS) - finished
    assert segment_process(server, "whole.jsonl").wait(30) == 0
    assert Path("out.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()


def test_a_line_that_death_cut_short_is_done_again(rlkd, server) -> None:
    write(Path("in.jsonl"), PATHS)
    process = segment_process(server, "out.jsonl")
    server.script = lambda request, number: Response(delay=0.1)
    journal = Path("out.jsonl.journal")
    wait_until(lambda: journal.exists() and journal.read_text().count('"r":') >= 4)
    process.kill()
    process.wait()
    journal.write_bytes(journal.read_bytes()[:-9])
    assert segment_process(server, "out.jsonl").wait(30) == 0
    assert [r["id"] for r in read(Path("out.jsonl"))] == list(range(12))


def test_a_retired_model_is_asked_for_by_its_successors_name(rlkd, server, monkeypatch) -> None:
    monkeypatch.setenv("DEEPSEEK_BASE_URL", server.url.partition("#")[0])
    monkeypatch.setenv("DEEPSEEK_API_KEY", "secret")
    server.script = lambda request, number: Response(
        "Verdict: pass" if asked_to_verify(request) else STEPS
    )
    file = write(Path("in.jsonl"), PATHS[:1])
    flags = ["--model", server.url, "--verifier", "deepseek/deepseek-chat"]
    result = rlkd("segment", file, *flags)
    verifying = server.requests[1]
    assert (verifying["model"], verifying["thinking"]) == ("deepseek-flash", {"type": "disabled"})
    assert (
        result.status == 0 and "deepseek-chat: retired" in result.err and "secret" not in result.err
    )


def test_a_model_that_calls_the_limit_otherwise_is_asked_in_its_own_words(
    rlkd, server, monkeypatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url.partition("#")[0])
    monkeypatch.setenv("OPENAI_API_KEY", "secret")

    def refusal(code: str, message: str) -> Response:
        return Response(
            status=400, body=json.dumps({"error": {"message": message, "code": code}}).encode()
        )

    def newer(request: dict, number: int) -> Response:
        said = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead."
        )
        return refusal("unsupported_parameter", said) if "max_tokens" in request else Response()

    server.script = newer
    command = ["segment", write(Path("in.jsonl"), PATHS[:3]), "--model", "openai/x"]
    command += ["--no-verify", "--concurrency", "1"]
    assert (
        rlkd(*command).status == 0
        and len(server.requests) == 4
        and server.requests[-1]["max_completion_tokens"] == 16_384
    )
    server.script = lambda request, number: refusal(
        "unsupported_value", "'temperature' does not support 0 with this model."
    )
    refused = rlkd(*command)
    assert refused.status == 1 and "temperature" in refused.err


@pytest.mark.parametrize(
    ("verdict", "passes"),
    [
        ("<think>Verdict: PASS unless a step hides its answer.</think>Verdict: FAIL\nno", False),
        ("Weighing it (a verdict: pass would need more)\n**Verdict: fail**\nno", False),
        ("<think>\n\n</think>\n\nVerdict: pass", True),
        ("Verdict: PASS\n\nWait, step 1 asks what the path does not.\n\nVerdict: FAIL\nno", False),
        ("Verdict: PASS or FAIL?\nVerdict: FAIL\nno", False),
        ("A verdict: pass if step 1 were right. It is not, so verdict: fail.", False),
        ("Verdict: FAIL?\nI looked again.\nVerdict: PASS\nNo verdict: fail is due.", True),
        ("<think>Verdict: fail? No: every step stands.</think>\n\nVerdict: PASS.", True),
    ],
)
def test_a_verdict_is_what_stands_after_the_thinking(
    rlkd, server, verdict: str, passes: bool
) -> None:
    server.script = lambda request, number: Response(verdict if asked_to_verify(request) else STEPS)
    flags = ["--verifier", server.url, "--max-attempts", "1", "-q", "--rejects", "r"]
    file = write(Path("in.jsonl"), PATHS[:1])
    result = rlkd("segment", file, "--model", server.url, *flags)
    assert result.status == (0 if passes else 3), result.err
    assert passes or read(Path("r"))[0]["error"] == "not_verified"


@pytest.mark.parametrize("more", [["--no-verify"], ["--no-verify", "--gsrm-prompt"]])
def test_steps_drafted_in_the_thinking_are_no_steps(rlkd, server, more: list[str]) -> None:
    draft = STEPS.replace("Choose a", "A draft").replace("[Answer 1]: 1", "")
    server.script = lambda request, number: Response(f"<think>{draft}</think>\n\n{STEPS}")
    result = rlkd("segment", write(Path("in.jsonl"), PATHS[:1]), "--model", server.url, *more)
    assert result.records[0]["steps"][0]["meta_reasoning"] == "Choose a."
    server.script = lambda request, number: Response(f"<think>{STEPS}</think>\n\nI cannot do it.")
    more = [*more, "--rejects", "r", "--max-attempts", "1"]
    result = rlkd("segment", write(Path("in.jsonl"), PATHS[:1]), "--model", server.url, *more)
    assert result.status == 3 and read(Path("r"))[0]["error"] == "unparsable_steps"
    assert "I cannot do it." in read(Path("r"))[0]["reply"]


TAGGED = "[Meta-reasoning 1]: a\n[Sub-problem 1]: b\n[Answer 1]: ends </think> so\n"
TAGGED += "[Meta-reasoning 2]: c\n[Sub-problem 2]: d\n[Answer 2]: e"


@pytest.mark.parametrize("before", ["", "<think>\n\n</think>\n\n", "Well.\n"])
@pytest.mark.parametrize("tag", ["</think>", "<think>"])
def test_a_tag_in_a_step_splits_no_gsrms_reply(rlkd, server, before: str, tag: str) -> None:
    said = before + TAGGED.replace("</think>", tag)
    server.script = lambda request, number: Response(said)
    more = ["--no-verify", "--gsrm-prompt"]
    result = rlkd("segment", write(Path("in.jsonl"), PATHS[:1]), "--model", server.url, *more)
    answers = [step["answer"] for step in result.records[0]["steps"]]
    assert answers == [f"ends {tag} so", "e"]


def test_what_a_server_takes_for_a_gsrms_thinking_is_put_back(rlkd, server) -> None:
    thinking, _, text = TAGGED.partition("</think>")
    message = {"role": "assistant", "content": text, "reasoning_content": thinking}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    body = json.dumps({"choices": [choice]}).encode()
    server.script = lambda request, number: Response(body=body)
    more = ["--no-verify", "--gsrm-prompt"]
    result = rlkd("segment", write(Path("in.jsonl"), PATHS[:1]), "--model", server.url, *more)
    assert result.records[0]["steps"][0]["answer"] == "ends </think> so"


def test_a_gsrm_whose_template_opened_the_thinking_is_read(rlkd, server) -> None:
    server.script = lambda request, number: Response(f"<think>\n{STEPS}")
    more = ["--no-verify", "--gsrm-prompt"]
    result = rlkd("segment", write(Path("in.jsonl"), PATHS[:1]), "--model", server.url, *more)
    assert len(result.records[0]["steps"]) == 1
