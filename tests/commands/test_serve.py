"""`rlkd serve` as a process: what it refuses, a death under load, an end that loses nothing."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT, segmentation, step, wait_until, write
from tests.reward.peers import asked, paths, script, teacher_file

NOT_ASKED = ["--judge", "exact", "--gsrm", "http://127.0.0.1:1/v1#m"]


@contextmanager
def serve(*words: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """The command in another process, and the address that it says it listens on."""
    command = [sys.executable, "-m", "rlkd_cli", "serve", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr
        line = process.stderr.readline()
        assert "listening on http" in line, line
        try:
            yield process, line.split()[-1]
        finally:
            process.kill()


def post(url: str, body: dict) -> tuple[int, object]:
    request = urllib.request.Request(url, json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_clients_that_ask_again_get_their_rewards_over_a_death_of_the_server(
    server, tmp_path
) -> None:
    server.script = script(delay=0.05)
    port = free_port()
    words = [str(teacher_file(tmp_path)), "--gsrm", server.url, "--judge", server.url]
    words += ["--structure-weight", "1", "--outcome-weight", "1", "--port", str(port)]
    words += ["--verdict-cache", str(tmp_path / "verdicts.db"), "-q"]
    url = f"http://127.0.0.1:{port}/slime"

    def client(number: int) -> object:
        case, text, _ = paths(48)[number]
        body = {"prompt": "", "response": text, "label": json.dumps({"id": f"case-{case}"})}
        for _ in range(200):
            try:
                status, said = post(url, body)
            except OSError:
                status, said = 0, None
            if status == 200:
                return said
            time.sleep(0.05)
        return None

    with ThreadPoolExecutor(12) as pool:
        with serve(*words) as (first, _):
            answers = [pool.submit(client, number) for number in range(48)]
            wait_until(lambda: sum(answer.done() for answer in answers) >= 8)
            first.send_signal(signal.SIGKILL)
        assert not all(answer.done() for answer in answers)
        with serve(*words) as (second, _):
            totals = [total for _, _, total in paths(48)]
            assert [answer.result() for answer in answers] == totals
            second.send_signal(signal.SIGTERM)
            assert second.wait(30) == 0
    assert 0 < asked(server, "judge") < 48 * 9


def test_sigterm_answers_what_is_under_way(server, tmp_path) -> None:
    server.script = script(delay=0.5)
    words = [str(teacher_file(tmp_path)), "--gsrm", server.url, "--judge", server.url]
    with serve(*words, "--port", "0") as (process, address), ThreadPoolExecutor(1) as pool:
        body = {"items": [{"id": "case-0", "path": "<think>[aa]</think> \\boxed{7}"}]}
        answer = pool.submit(post, f"{address}/v1/reward", body)
        wait_until(lambda: len(server.requests) > 0)
        process.send_signal(signal.SIGTERM)
        status, said = answer.result()
        assert status == 200 and said["scores"][0]["structured"] == 1.0  # type: ignore[index]
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "0.0.0.0"], "--token-file FILE says who may"),
        (["--host", "rewards.example"], "--token-file FILE says who may"),
        (["--token-file", "empty"], "it is empty"),
        (["--token-file", "none"], "no such file"),
        (["--token-file", "."], "directory"),
        (["--token-file", "bytes"], "no text in UTF-8"),
        (["--structure-weight", "0", "--outcome-weight", "0"], "nothing is rewarded"),
        (["--gsrm", ""], "--gsrm is missing"),
        (["--threshold", "0.5"], "only answers yes or no"),
        (["--gsrm", "openai/some-model"], "OPENAI_API_KEY"),
    ],
)
def test_what_cannot_be_served_is_said_before_anything_listens(rlkd, words, said) -> None:
    Path("empty").touch()
    Path("bytes").write_bytes(b"\xff\xfe")
    write(Path("t.jsonl"), [segmentation(1, step("a"))])
    refused = rlkd("serve", "t.jsonl", *NOT_ASKED, *words)
    assert refused.status == 2 and said in refused.err and len(refused.err.splitlines()) == 1


def test_a_bad_record_of_the_teacher_is_named(rlkd) -> None:
    write(Path("t.jsonl"), [segmentation(1, step("a")), {"id": 2, "path": "x"}])
    refused = rlkd("serve", "t.jsonl", "--judge", "exact", "--structure-weight", "0")
    assert refused.status == 2 and "t.jsonl:2: steps: missing" in refused.err


def test_a_port_that_is_taken_is_an_error_of_one_line(rlkd) -> None:
    write(Path("t.jsonl"), [segmentation(1, step("a"))])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = rlkd("serve", "t.jsonl", *NOT_ASKED, "--port", port)
    assert refused.status == 1 and f"127.0.0.1:{port}: " in refused.err
    assert len(refused.err.splitlines()) == 1


def test_a_dry_run_shows_what_would_be_served(rlkd) -> None:
    write(Path("t.jsonl"), [segmentation(i, step("a")) for i in range(3)])
    shown = rlkd("serve", "t.jsonl", *NOT_ASKED, "--port", "8901", "--dry-run")
    assert shown.status == 0 and "127.0.0.1:8901" in shown.err and " 3 " in shown.err
