"""`segment` as a data factory: weather, deaths, budgets, batches, against a server whose
behaviour each test writes down.
"""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import read, wait_until, write
from tests.servers.scripted import STEPS, Response

FENCED = f"```text\n{STEPS}\n```"
WEATHER = [
    Response(status=429, headers=(("Retry-After", "0.01"),)),
    Response(status=500),
    Response(delay=4.0),
    Response(cut=True),
    Response(body=b"<html>busy</html>"),
    Response(body=b'{"choices": []}'),
    Response("[Meta-reasoning 1]: Choose a.\n[Answer 1]: 1"),
    Response(FENCED),
]


def paths(count: int) -> list[dict]:
    return [{"id": i, "problem": f"problem {i}", "path": f"path of {i}."} for i in range(count)]


def identity(request: dict) -> int:
    """Which record a request is for."""
    return int(request["messages"][0]["content"].rpartition("path of ")[2].partition(".")[0])


def test_in_bad_weather_every_record_is_accounted_for(rlkd, server) -> None:
    draws, hopeless = random.Random(0), set(range(0, 2000, 100))

    def script(request: dict, number: int) -> Response:
        if identity(request) in hopeless:
            return Response("no steps")
        return draws.choice(WEATHER) if draws.random() < 0.3 else Response()

    server.script = script
    write(Path("in.jsonl"), paths(2000))
    flags = "--no-verify -o out.jsonl --concurrency 256 --timeout 3 --max-retries 2 -q".split()
    result = rlkd("segment", "in.jsonl", "--model", server.url, *flags)
    done = [record["id"] for record in read(Path("out.jsonl"))]
    lost = [record["id"] for record in read(Path("out.jsonl.rejects.jsonl"))]
    assert result.status == 3 and sorted(done + lost) == list(range(2000))
    assert (
        hopeless <= set(lost) and done == sorted(done) and lost == sorted(lost) and len(lost) < 200
    )
    ledger = json.loads(Path("out.jsonl.run.json").read_text())
    assert sum(ledger["rejects"].values()) == len(lost)
    assert ledger["models"][server.url]["requests"] == len(server.requests)
    assert ledger["models"][server.url]["retries"] > 100


def start(server, output: str, *flags: str, **more) -> subprocess.Popen:
    command = [sys.executable, "-m", "rlkd_cli", "segment", "in.jsonl", "--model", server.url]
    command += ["--no-verify", "-o", output, *flags]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ, **more)


def test_twenty_deaths_change_nothing(rlkd, server) -> None:
    server.script = lambda request, number: Response(
        STEPS.replace("Choose a", f"Choose {identity(request)}"), delay=0.03, finish_reason="stop"
    )
    write(Path("in.jsonl"), paths(400))
    draws, done = random.Random(1), set[int]()
    for _ in range(20):
        asked = len(server.requests)
        process = start(server, "out.jsonl", "--concurrency", "4")
        wait_until(lambda: len(server.requests) > asked or process.poll() is not None)  # noqa: B023
        time.sleep(draws.random() * 0.15)
        process.kill()
        process.wait()
        journal = Path("out.jsonl.journal")
        whole = (
            [line for line in journal.read_bytes().split(b"\n")[1:] if line.endswith(b"}")]
            if journal.exists()
            else []
        )
        finished = {json.loads(line)["i"] for line in whole}
        assert not done & {identity(request) for request in server.requests[asked:]}
        done = finished
    assert 20 < len(done) < 400
    assert start(server, "out.jsonl").wait(60) == 0
    assert start(server, "whole.jsonl").wait(60) == 0
    assert Path("out.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()


def test_a_full_disk_is_said_and_loses_nothing(rlkd, server) -> None:
    write(Path("in.jsonl"), paths(200))
    room = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # noqa: E731
    process = start(server, "out.jsonl", preexec_fn=room)
    said = process.communicate(timeout=60)[1]
    assert (
        process.returncode == 1 and "what is finished is kept" in said and "Traceback" not in said
    )
    asked = len(server.requests)
    finished = Path("out.jsonl.journal").read_text().count('"r":')
    assert start(server, "out.jsonl").wait(60) == 0
    assert finished > 20 and len(server.requests) - asked == 200 - finished
    assert [record["id"] for record in read(Path("out.jsonl"))] == list(range(200))


def test_the_ledger_counts_over_all_runs(rlkd, server) -> None:
    write(Path("in.jsonl"), paths(40))
    server.script = lambda request, number: Response(delay=0.1)
    process = start(
        server, "out.jsonl", "--concurrency", "4", "--price-in", "2", "--price-out", "10"
    )
    wait_until(lambda: len(server.requests) >= 13)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    flags = ["--no-verify", "-o", "out.jsonl", "--price-in", "2", "--price-out", "10"]
    result = rlkd("segment", "in.jsonl", "--model", server.url, *flags)
    assert result.status == 0 and "cost: $0.0032" in result.err
    ledger = json.loads(Path("out.jsonl.run.json").read_text())
    spent = ledger["models"][server.url]
    assert (spent["tokens_in"], spent["tokens_out"]) == (40 * 5, 40 * 7)
    assert ledger["cost"] == pytest.approx((200 * 2 + 280 * 10) / 1e6)


def test_a_budget_stops_a_run_in_good_order(rlkd, server) -> None:
    write(Path("in.jsonl"), paths(60))
    prices = ["--price-in", "0", "--price-out", "1000"]  # 0.007 a record
    flags = ["--no-verify", "-o", "out.jsonl", *prices, "--concurrency", "4"]
    stopped = rlkd("segment", "in.jsonl", "--model", server.url, *flags, "--max-cost", "0.1")
    assert (
        stopped.status == 1
        and "--max-cost 0.1" in stopped.err
        and "what is finished is kept" in stopped.err
    )
    assert 5 < len(server.requests) <= 14
    assert rlkd("segment", "in.jsonl", "--model", server.url, *flags, "--max-cost", "1").status == 0
    assert len(server.requests) == 60
    unknown = rlkd("segment", "in.jsonl", "--model", server.url, "--no-verify", "--max-cost", "1")
    assert unknown.status == 2 and "--price-in" in unknown.err


def test_a_dry_run_estimates_calls_tokens_and_cost(rlkd, server, monkeypatch) -> None:
    write(Path("in.jsonl"), paths(500))
    result = rlkd("segment", "in.jsonl", "--dry-run", "--preset", "paper")
    assert (
        result.status == 0
        and "calls of openai/gpt-4o" in result.err
        and "calls of deepseek/deepseek-chat" in result.err
    )
    assert "$" in result.err and result.out == "" and not server.requests
    prices = ["--price-in", "1", "--price-out", "1"]
    half = rlkd(
        "segment", "in.jsonl", "--dry-run", "--batch", "-o", "o", *prices, "--no-verify"
    ).err
    whole = rlkd("segment", "in.jsonl", "--dry-run", *prices, "--no-verify").err
    dollars = [float(text.partition("at most $")[2].split()[0]) for text in (half, whole)]
    assert dollars[0] == pytest.approx(dollars[1] / 2, abs=0.01)


def test_batches_are_submitted_collected_and_picked_up_again(rlkd, server) -> None:
    write(Path("in.jsonl"), paths(30))
    server.batches.looks = 10**9  # never done, in the first run
    flags = ["--batch", "--batch-poll", "0.1"]
    process = start(server, "out.jsonl", *flags)
    kept = Path("out.jsonl.batches.jsonl")
    wait_until(lambda: bool(server.batches.batches) and kept.exists())
    time.sleep(0.3)
    process.kill()
    process.wait()
    server.batches.looks = server.batches.batches[0]["looks"] + 2
    priced = [*flags, "--no-verify", "-o", "out.jsonl", "--price-in", "2", "--price-out", "10"]
    assert rlkd("segment", "in.jsonl", "--model", server.url, *priced).status == 0
    assert len(server.batches.batches) == 1 and not server.requests
    assert [record["id"] for record in read(Path("out.jsonl"))] == list(range(30))
    ledger = json.loads(Path("out.jsonl.run.json").read_text())
    assert ledger["cost"] == pytest.approx(30 * (5 * 2 + 7 * 10) / 2e6)


def test_a_batch_that_expired_ends_the_run_and_is_submitted_anew_by_the_next(rlkd, server) -> None:
    write(Path("in.jsonl"), paths(3))
    server.batches.status = "expired"
    command = ["segment", "in.jsonl", "--model", server.url, "--no-verify", "--batch"]
    command += ["--batch-poll", "0.1", "-o", "out.jsonl"]
    expired = rlkd(*command)
    assert expired.status == 1 and "expired" in expired.err and "again" in expired.err
    server.batches.status = "completed"
    assert rlkd(*command).status == 0
    assert len(server.batches.batches) == 2


def test_a_verifier_and_a_generator_in_batches(rlkd, server) -> None:
    write(Path("in.jsonl"), paths(5))
    judge = lambda request: "You check whether" in request["messages"][0]["content"]  # noqa: E731
    server.script = lambda request, number: Response("Verdict: pass" if judge(request) else STEPS)
    flags = ["--batch", "--batch-poll", "0.1", "-o", "out.jsonl"]
    assert (
        rlkd("segment", "in.jsonl", "--model", server.url, "--verifier", server.url, *flags).status
        == 0
    )
    assert len(server.batches.batches) == 2 and all(
        record["verified"] for record in read(Path("out.jsonl"))
    )


def test_what_exceeds_the_context_is_refused_before_it_is_sent(rlkd, server) -> None:
    server.about = {"max_model_len": 6000}
    records = [*paths(2), {"id": 2, "problem": "p", "path": "word " * 30_000}]
    flags = ["--no-verify", "--rejects", "r", "--max-tokens", "5000"]
    result = rlkd("segment", write(Path("in.jsonl"), records), "--model", server.url, *flags)
    assert (result.status, len(server.requests)) == (3, 2)
    assert read(Path("r"))[0]["error"] == "too_long" and "6000" in read(Path("r"))[0]["detail"]
    assert (
        "max_tokens" not in server.requests[0]
    )  # prompt and reply might not fit together: the server sets the limit


def test_one_slow_request_holds_up_nobody(rlkd, server) -> None:
    overtaken = threading.Event()

    def script(request: dict, number: int) -> Response:
        if identity(request) == 0:
            assert overtaken.wait(60)
        elif number == 250:
            overtaken.set()
        return Response()

    server.script = script
    write(Path("in.jsonl"), paths(300))
    result = rlkd(
        "segment", "in.jsonl", "--model", server.url, "--no-verify", "--concurrency", "8", "-q"
    )
    assert result.status == 0 and [record["id"] for record in result.records] == list(range(300))
