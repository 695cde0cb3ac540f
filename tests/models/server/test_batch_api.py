"""The Batch API in bad weather: nothing is rejected for what no request is to blame for."""

import asyncio
import json
from pathlib import Path

import pytest

from rlkd_cli.errors import ModelError, RecordError, Unavailable
from rlkd_cli.models import BatchOptions, HttpOptions, Sampling, open_model, user
from tests.servers.scripted import Response


@pytest.fixture
def kept(tmp_path) -> Path:
    return tmp_path / "batches.jsonl"


def ask(url: str, kept: Path, count: int = 4, lines: list[str] | None = None) -> list:
    options = BatchOptions(kept, poll=0.05, gather=0.05)
    model = open_model(url, HttpOptions(max_retries=1), batch=options)
    model.tell = (lines if lines is not None else []).append

    async def go() -> list:
        asked = (model.reply(user(f"question {i}"), Sampling()) for i in range(count))
        try:
            return await asyncio.gather(*asked, return_exceptions=True)
        finally:
            await model.close()

    return asyncio.run(go())


def number(request: dict) -> int:
    return int(request["messages"][0]["content"].split()[1])


def test_a_failed_batch_says_why_and_is_submitted_again_by_the_next_run(server, kept) -> None:
    server.batches.status = "failed"
    server.batches.errors = {"data": [{"code": "queue_full", "message": "Too many are waiting."}]}
    lines: list[str] = []
    found = ask(server.url, kept, lines=lines)
    assert all(isinstance(error, Unavailable) for error in found)
    assert "Too many are waiting." in str(found[0]) and len(lines) == 1
    server.batches.status, server.batches.errors = "completed", None
    assert all(reply.text for reply in ask(server.url, kept)) and len(server.batches.batches) == 2


def test_what_an_expired_batch_finished_is_kept(server, kept) -> None:
    server.batches.status, server.batches.partial = "expired", 3
    found = ask(server.url, kept)
    assert [isinstance(reply, Exception) for reply in found].count(True) == 1
    server.batches.status = "completed"
    assert all(reply.text for reply in ask(server.url, kept))
    last = server.batches.files[server.batches.batches[-1]["input_file_id"]]
    assert len(last.split(b"\n")) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_requests_that_had_bad_luck_are_submitted_again(server, kept, status: int) -> None:
    server.script = lambda request, line: Response(
        status=status if number(request) == 2 else 200,
        body=b'{"error": {"message": "Busy"}}' if number(request) == 2 else None,
    )
    found = ask(server.url, kept)
    assert isinstance(found[2], Unavailable) and "Busy" in str(found[2])
    assert all(found[i].text for i in (0, 1, 3))
    server.script = lambda request, line: Response()
    assert all(reply.text for reply in ask(server.url, kept))


def test_what_a_record_is_to_blame_for_rejects_it(server, kept) -> None:
    flagged = b'{"error": {"message": "flagged", "code": "content_policy_violation"}}'
    server.script = lambda request, line: (
        Response(status=400, body=flagged)
        if number(request) == 1
        else Response("Half", finish_reason="content_filter" if number(request) == 2 else "stop")
    )
    found = ask(server.url, kept)
    codes = [error.code for error in found if isinstance(error, RecordError)]
    assert codes == ["content_filter", "content_filter"] and found[0].text == "Half"


def test_a_wrong_key_in_a_batch_ends_the_run(server, kept) -> None:
    body = b'{"error": {"message": "no", "code": "insufficient_quota"}}'
    server.script = lambda request, line: Response(status=429, body=body)
    assert all(isinstance(error, ModelError) for error in ask(server.url, kept))


def test_what_a_model_refuses_is_learnt_and_submitted_anew(server, kept) -> None:
    refusal = (
        b'{"error": {"message": "Unsupported parameter", "param": "temperature", '
        b'"code": "unsupported_parameter"}}'
    )
    server.script = lambda request, line: (
        Response(status=400, body=refusal) if "temperature" in request else Response("four")
    )
    lines: list[str] = []
    assert [reply.text for reply in ask(server.url, kept, lines=lines)] == ["four"] * 4
    assert len(lines) == 1 and len(server.batches.batches) == 2


def test_a_torn_line_loses_no_batch_and_breaks_no_later_run(server, kept) -> None:
    server.batches.looks = 1
    assert all(reply.text for reply in ask(server.url, kept, 2))
    with kept.open("a") as out:
        out.write('{"batch": "batch-9", "requ')
    assert all(reply.text for reply in ask(server.url, kept, 4))
    assert [len(json.loads(line)["requests"]) for line in kept.read_text().splitlines()[::2]] == [
        2,
        2,
    ]
    server.batches.batches.clear()
    found = ask(server.url, kept, 4)  # all known; but the server knows none of the batches any more
    assert all(isinstance(error, Exception) for error in found)
