"""One model at several addresses: who is asked, who is left out, and where conversations go."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from rlkd_cli.errors import ModelError, RecordError, Unavailable, UsageError
from rlkd_cli.models import BatchOptions, HttpOptions, Sampling, open_model, user
from rlkd_cli.models.spec import addresses_of, engine_of, shown
from rlkd_cli.models.usage import open_bill
from tests.commands.test_shards import paths
from tests.conftest import replies, write
from tests.servers.scripted import Response, ScriptedServer


@pytest.fixture
def two() -> Iterator[tuple[ScriptedServer, ScriptedServer]]:
    with ScriptedServer() as one, ScriptedServer() as other:
        yield one, other


def spec(*servers: ScriptedServer) -> str:
    return ",".join(server.url.partition("#")[0] for server in servers) + "#m"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_addresses_are_told_apart_and_passwords_hidden() -> None:
    assert addresses_of("http://a/v1,http://b/v1#m") == ["http://a/v1#m", "http://b/v1#m"]
    assert addresses_of("gpu7:8000,gpu8:8000/v1") == ["gpu7:8000", "gpu8:8000/v1"]
    secret = "http://me:a,b@gpu7:8000/v1,http://you:c@gpu8:8000/v1#m"
    assert len(addresses_of(secret)) == 2 and engine_of(secret) == "http"
    assert shown(secret) == "http://gpu7:8000/v1,http://gpu8:8000/v1#m"
    assert engine_of("localhost:8000,localhost:8001") == "http"


def test_the_least_loaded_server_is_asked_first(two) -> None:
    slow, fast = two
    slow.script = lambda request, number: Response("slow", delay=0.5)
    fast.script = lambda request, number: Response("fast", delay=0.01)
    model = open_model(spec(slow, fast), HttpOptions(concurrency=4))
    assert (model.in_flight, model.name) == (4, spec(slow, fast))

    async def go() -> None:
        places = asyncio.Semaphore(4)

        async def one(number: int) -> None:
            async with places:
                await model.reply(user(f"question {number}"), Sampling())

        await asyncio.gather(*(one(i) for i in range(60)))
        await model.close()

    asyncio.run(go())
    assert len(slow.requests) + len(fast.requests) == 60
    assert 1 <= len(slow.requests) <= 12  # two at a time of four, until the slow one has them


def test_a_conversation_goes_on_where_its_beginning_is_cached(two) -> None:
    one, other = two
    model = open_model(spec(one, other), HttpOptions())

    async def go() -> None:
        for i in range(20):
            first = user(f"question {i}")
            await model.reply(first, Sampling())
            said = {"role": "assistant", "content": "no"}
            await model.reply([*first, said, *user("again")], Sampling())
            await model.reply(first, Sampling(temperature=0.7))
        await model.close()

    asyncio.run(go())
    for server in (one, other):
        asked = [request["messages"][0]["content"] for request in server.requests]
        assert 6 <= len(set(asked)) <= 14
        assert all(asked.count(question) == 3 for question in asked)


def test_a_server_that_is_away_is_left_out_until_it_answers(server) -> None:
    port = free_port()
    said: list[str] = []
    address = f"http://127.0.0.1:{port}/v1"
    model = open_model(f"{address},{server.url}", HttpOptions(), tell=said.append)

    async def ask(*numbers: int) -> None:
        for i in numbers:
            await model.reply(user(f"question {i}"), Sampling())

    async def go() -> None:
        await ask(*range(10))
        assert len(server.requests) == 10 and len(said) == 1 and address in said[0]
        with ScriptedServer(port) as back:
            await ask_until_back()
            since = len(server.requests), len(back.requests)
            await ask(*range(100, 120))
            assert len(back.requests) - since[1] == 10 and len(server.requests) - since[0] == 10
        await model.close()

    async def ask_until_back() -> None:
        for i in range(300):
            await asyncio.sleep(0.05)
            await ask(200 + i)
            if len(said) > 1:
                return

    asyncio.run(go())
    assert "left out until it answers" in said[0] and said[1].endswith(f"{address} is back")


def test_what_fails_at_one_server_is_asked_of_another(two) -> None:
    bad, good = two
    bad.script = lambda request, number: Response(status=500)
    good.script = lambda request, number: Response("good")
    said: list[str] = []
    model = open_model(spec(bad, good), HttpOptions(max_retries=1), tell=said.append)
    found = replies(model, *((f"question {i}", Sampling()) for i in range(30)))
    assert [reply.text for reply in found] == ["good"] * 30
    assert said[0].count("is left out") == 1 and "HTTP 500" in said[0]


def test_what_is_wrong_with_a_record_is_asked_once(two, rlkd) -> None:
    for server in two:
        server.script = lambda request, number: Response(
            status=400, body=b'{"error": {"code": "content_filter", "message": "no"}}'
        )
    write(Path("in.jsonl"), paths(3))
    words = ["segment", "in.jsonl", "--model", spec(*two), "--no-verify", "-o", "out.jsonl", "-q"]
    refused = rlkd(*words)
    assert refused.status == 3 and "content_filter 3" in refused.err
    assert sum(len(server.requests) for server in two) == 3


def test_servers_that_are_all_away_end_the_run_after_the_patience(rlkd) -> None:
    write(Path("in.jsonl"), paths(3))
    address = ",".join(f"http://127.0.0.1:{free_port()}/v1" for _ in range(2)) + "#m"
    words = ["segment", "in.jsonl", "--model", address, "--no-verify", "-o", "out.jsonl", "-q"]
    gone = rlkd(*words, "--server-timeout", "0.3")
    assert gone.status == 1 and "none of 2 addresses answers" in gone.err
    assert "run the same command again" in gone.err


def test_the_models_name_is_found_where_a_server_lists_one(server, rlkd) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/v1"
    write(Path("in.jsonl"), paths(5))
    both = f"{nowhere},{server.url.partition('#')[0]}"
    done = rlkd("segment", "in.jsonl", "--model", both, "--no-verify", "-q")
    assert (
        done.status == 0
        and len(done.records) == len(server.requests) == 5
        and server.requests[0]["model"] == "m"
    )
    with pytest.raises(UsageError, match="--batch asks one address"):
        open_model(f"{both}#m", batch=BatchOptions(Path("b"), 1.0, 1.0))


def refusal(status: int, message: str = "no", headers: tuple = ()) -> Response:
    body = f'{{"error": {{"message": "{message}"}}}}'.encode()
    return Response(status=status, body=body, headers=headers)


def test_too_many_requests_at_one_server_hold_no_other(two) -> None:
    good, busy = two
    good.script = lambda request, number: Response("good", delay=0.01)
    busy.script = lambda request, number: refusal(429, headers=(("Retry-After", "20"),))
    said: list[str] = []
    model = open_model(spec(good, busy), HttpOptions(concurrency=8), tell=said.append)
    found = replies(model, *((f"question {i}", Sampling()) for i in range(40)))
    assert [reply.text for reply in found] == ["good"] * 40
    assert len(busy.requests) <= 8 and len(said) <= 1  # those that were on their way at once


def test_a_busy_server_is_asked_again_when_its_pause_is_over(two) -> None:
    good, busy = two

    def script(request, number: int) -> Response:
        return refusal(429, headers=(("Retry-After", "0.3"),)) if number < 2 else Response("busy")

    busy.script = script
    good.script = lambda request, number: Response("good", delay=0.02)
    said: list[str] = []
    model = open_model(spec(good, busy), HttpOptions(concurrency=1), tell=said.append)
    texts: list[str] = []

    async def go() -> None:
        while "busy" not in texts and len(texts) < 300:
            reply = await model.reply(user(f"question {len(texts)}"), Sampling())
            texts.append(reply.text)
        await model.close()

    asyncio.run(go())
    assert texts[-1] == "busy" and not [line for line in said if "back" in line or "out" in line]


def test_servers_that_refuse_everything_for_too_long_end_the_run(two) -> None:
    for server in two:
        server.script = lambda request, number: refusal(429, headers=(("Retry-After", "60"),))
    model = open_model(spec(*two), HttpOptions(server_timeout=1))
    with pytest.raises(Unavailable, match=r"none of 2 addresses answers: .*HTTP 429"):
        replies(model, ("question", Sampling()))


@pytest.mark.parametrize(
    ("status", "message"), [(401, "no key"), (403, "no"), (404, "The model `m` does not exist")]
)
def test_a_wrong_server_is_left_out_for_good(two, status: int, message: str) -> None:
    good, wrong = two
    wrong.script = lambda request, number: refusal(status, message)
    said: list[str] = []
    model = open_model(spec(good, wrong), HttpOptions(), tell=said.append)
    assert len(replies(model, *((f"question {i}", Sampling()) for i in range(30)))) == 30
    place = wrong.url.partition("#")[0]
    (line,) = said
    assert line.endswith(f"{place} is left out for good: HTTP {status}: {message}")

    good.script = wrong.script
    model = open_model(spec(good, wrong), HttpOptions())
    with pytest.raises(ModelError, match=f"no address can be used: .*HTTP {status}.*{place}"):
        replies(model, ("question", Sampling()))


def test_what_one_server_refuses_is_asked_of_another_before_it_is_a_reject(two) -> None:
    good, other_build = two
    other_build.script = lambda request, number: refusal(400, "this build cannot")
    good.script = lambda request, number: Response("good")
    questions = [(f"question {i}", Sampling()) for i in range(10)]
    found = replies(open_model(spec(good, other_build), HttpOptions()), *questions)
    assert [reply.text for reply in found] == ["good"] * 10

    before = len(good.requests) + len(other_build.requests)
    good.script = other_build.script
    with pytest.raises(RecordError, match="http_400"):
        replies(open_model(spec(good, other_build), HttpOptions()), questions[0])
    assert len(good.requests) + len(other_build.requests) == before + 2


def test_servers_that_list_different_models_are_not_taken_for_one(two) -> None:
    two[1].about = {"id": "other"}
    places = [server.url.partition("#")[0] for server in two]
    with pytest.raises(UsageError) as refused:
        open_model(",".join(places))
    for line in (f"{places[0]} lists m", f"{places[1]} lists other"):
        assert line in str(refused.value)


def test_the_users_limit_is_the_models_and_not_a_servers(two) -> None:
    model = open_model(spec(*two), HttpOptions(concurrency=8, rpm=1200))
    began = monotonic()
    replies(model, *((f"question {i}", Sampling()) for i in range(20)))
    assert monotonic() - began >= 19 * 0.05 - 0.1  # 20 a second in all


def test_retries_stand_on_the_bill(two) -> None:
    bad, good = two
    bad.script = lambda request, number: Response(status=500) if number < 2 else Response("good")
    model = open_model(spec(bad, good), HttpOptions(concurrency=1))
    bill = open_bill()
    for i in range(12):
        replies(model, (f"question {i}", Sampling()))
    assert bill[model.name][:2] == (14, 2)
