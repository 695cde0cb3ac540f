"""Recorded replies: written by one run, read by the next."""

import asyncio
from pathlib import Path

import pytest

from rlkd_cli.errors import InputError, RecordError, UsageError
from rlkd_cli.models import Sampling, open_model
from tests.conftest import replies
from tests.servers.scripted import Response


def test_replies_come_back_in_their_order_and_the_last_one_again(server, tmp_path: Path) -> None:
    server.script = lambda request, number: Response(f"reply {number}")
    file = tmp_path / "r.jsonl"
    recording = open_model(server.url, record=file)
    texts = [replies(recording, ("q", Sampling()))[0].text for _ in range(2)]
    asyncio.run(recording.close())
    asked = len(server.requests)
    replayed = open_model(f"replay/{file}")
    found = [replies(replayed, ("q", Sampling()))[0] for _ in range(3)]
    assert texts == ["reply 0", "reply 1"]
    assert [reply.text for reply in found] == [*texts, "reply 1"]
    assert found[0].completion_tokens == 7 and len(server.requests) == asked
    with pytest.raises(RecordError, match="not_recorded"):
        replies(replayed, ("q", Sampling(temperature=0.5)))


def test_a_file_that_holds_no_replies(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        open_model(f"replay/{tmp_path}/none.jsonl")
    for line in ("{broken", "{}", '{"key": "k", "reply": {"nonsense": 1}}'):
        (tmp_path / "r.jsonl").write_text(f"\n{line}\n")
        with pytest.raises(InputError, match=r"r\.jsonl:2"):
            open_model(f"replay/{tmp_path}/r.jsonl")
