"""The reward behind HTTP: each trainer's own bodies, faults of models, a full queue, an end."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from rlkd_cli.reward.engine import Engine
from rlkd_cli.reward.rewarding import Rewarding
from rlkd_cli.reward.server.app import Place, RewardServer
from rlkd_cli.reward.teacher import Teacher
from tests.reward.peers import PROBLEMS, asked, hang, options, path, paths, script
from tests.servers.scripted import Response

TEXT = path(1, "aa bb")  # worth 2 by its steps and 1 by its answer
LABEL = '{"id": "case-1"}'
BODIES = {
    "/v1/reward": {"items": [{"id": "case-1", "path": TEXT}]},
    "/openrlhf": {"query": [f"<user>{TEXT}<|im_end|>"], "prompts": ["<user>"], "labels": [LABEL]},
    "/slime": {"prompt": "any", "response": f"{TEXT}<|im_end|>", "label": LABEL},
    "/verify": {
        "responses_create_params": {"input": [{"role": "user", "content": PROBLEMS[1]}]},
        "response": {
            "output": [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "[aa bb]"}]},
                {"type": "message", "content": [{"type": "output_text", "text": "\\boxed{7}"}]},
            ]
        },
        "agent_ref": "kept",
    },
}
VERIFY = BODIES["/verify"]
SINGLE = [name for name in BODIES if name != "/v1/reward"]
Post = Callable[..., Awaitable[tuple[int, object, dict]]]


@asynccontextmanager
async def serving(own: dict, **place: object) -> AsyncIterator[tuple[RewardServer, Post]]:
    """A server of the reward, and what posts (or gets) and gives status, body and headers."""
    chosen = Rewarding.of(**own)
    engine = Engine(chosen, Teacher.read(chosen))
    server = RewardServer(engine, Place("127.0.0.1", 0, **place))  # type: ignore[arg-type]
    address = await server.start()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:

        async def post(name: str, body: object = None, **more: object) -> tuple:
            more = {"headers": {}} | more
            if body is not None:
                more["data"] = body if isinstance(body, bytes) else json.dumps(body)
            how = "GET" if body is None else "POST"
            url = more.pop("address", address)
            async with session.request(how, f"{url}{name}", **more) as response:
                text = await response.text()
                is_json = "json" in response.headers["Content-Type"]
                return response.status, json.loads(text) if is_json else text, response.headers

        try:
            yield server, post
        finally:
            await server.stop()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, server) -> None:
    monkeypatch.chdir(tmp_path)
    server.script = script()


def test_every_trainer_is_answered_in_its_own_words(server) -> None:
    async def go() -> None:
        async with serving(options(server)) as (_, post):
            _, scored, _ = await post("/v1/reward", BODIES["/v1/reward"])
            (record,) = scored["scores"]
            assert (record["total"], record["structured"], record["outcome"]) == (3.0, 2.0, 1.0)
            assert record["matched_steps"] == 2 and len(record["verdicts"]) == 2
            assert (await post("/slime", BODIES["/slime"]))[:2] == (200, 3.0)
            logs = {"structured": [2.0], "outcome": [1.0]}
            answer = {"rewards": [3.0], "scores": [3.0], "extra_logs": logs}
            assert (await post("/openrlhf", BODIES["/openrlhf"]))[:2] == (200, answer)
            verified = {**BODIES["/verify"], "reward": 3.0}
            assert (await post("/verify", BODIES["/verify"]))[:2] == (200, verified)
            assert (await post("/seed_session", {"any": 1}))[0] == 200

    asyncio.run(go())


def test_many_samples_of_one_request_keep_their_places_and_one_missing_is_no_zero(server) -> None:
    async def go() -> None:
        async with serving(options(server)) as (_, post):
            items = [{"id": f"case-{case}", "path": text} for case, text, _ in paths(10)]
            items.insert(3, {"problem": "unknown", "path": "x"})
            _, scored, _ = await post("/v1/reward", {"items": items})
            totals = [total for _, _, total in paths(10)]
            assert [one["total"] for one in scored["scores"]] == [*totals[:3], None, *totals[3:]]
            assert scored["scores"][3]["error"] == "no_teacher"
            body = {"query": ["a [aa]", "b"], "prompts": ["a ", ""], "labels": [LABEL, "7"]}
            status, said, _ = await post("/openrlhf", body)
            assert (status, said["error"]) == (404, "no_teacher")

    asyncio.run(go())


def test_a_response_counts_by_what_the_model_wrote_and_one_that_failed_is_no_zero(server) -> None:
    async def go() -> None:
        async with serving(options(server)) as (_, post):
            wrote = {"role": "assistant", "content": "[aa bb]"}
            others = [{"type": "function_call_output", "output": "\\boxed{7}"}]
            others += [{"type": "message", "role": "user", "content": "\\boxed{7}"}]
            said = await post("/verify", VERIFY | {"response": {"output": [wrote, *others]}})
            assert (said[0], said[1]["reward"]) == (200, 2.0)
            for status in ("failed", "incomplete"):
                failed = {"response": {"output": [], "status": status}}
                said = await post("/verify", VERIFY | failed)
                assert (said[0], said[1]["error"]) == (503, "no_completion")

    asyncio.run(go())


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("/v1/reward", b"{broken", "not JSON"),
        ("/v1/reward", b"[]", "a JSON object is needed"),
        ("/v1/reward", b"\xff", "not JSON"),
        ("/v1/reward", {}, "items: a list is needed"),
        ("/v1/reward", {"items": [{"id": 1}]}, "items[0].path: a text is needed"),
        ("/v1/reward", {"items": [{"path": "x"}]}, "items[0]: id, label or problem is needed"),
        ("/v1/reward", {"items": [{"path": "x", "id": 1.5}]}, "items[0].id"),
        ("/v1/reward", {"items": [{"path": "x", "problem": 1}]}, "items[0].problem"),
        ("/v1/reward", {"items": [{"path": "x", "id": 1, "sample": "0"}]}, "items[0].sample"),
        ("/v1/reward", {"items": [{"path": "x", "id": 1}] * 5}, "5 samples in one request"),
        ("/openrlhf", {"query": "x"}, "query: a list is needed"),
        ("/openrlhf", {"query": ["x"], "prompts": []}, "prompts: a list of 1"),
        ("/openrlhf", {"query": ["x"], "prompts": ["y"], "labels": [""]}, "its prompt"),
        ("/openrlhf", {"query": [1], "prompts": ["y"], "labels": [""]}, "texts are needed"),
        ("/slime", {"prompt": "p", "label": LABEL}, "response: a text is needed"),
        ("/slime", {"prompt": 1, "response": "x", "label": ""}, "prompt: a text or a list"),
        ("/verify", {"response": {}}, "objects are needed"),
        ("/verify", VERIFY | {"response": {"output": ["x"]}}, "output[0]: an object"),
        ("/verify", VERIFY | {"response": {"output": [{"text": "x"}]}}, "output[0].type"),
        (
            "/verify",
            VERIFY | {"response": {"output": [{"role": "user", "content": 5}]}},
            ".content",
        ),
        ("/verify", VERIFY | {"problem": 5}, "problem: a text"),
        ("/verify", {"response": {}, "responses_create_params": {}}, "output: a list"),
    ],
)
def test_a_body_that_cannot_be_read_is_one_line_with_a_4xx(server, name, body, said) -> None:
    async def go() -> None:
        async with serving(options(server), max_queue=4) as (_, post):
            status, answer, _ = await post(name, body)
            code = "no_response" if said == "its prompt" else "bad_request"
            assert (status, answer["error"]) == (400, code)
            assert said in answer["detail"] and "\n" not in answer["detail"]
            assert not server.requests

    asyncio.run(go())


FAULTS = {
    "hangs": (hang, "deadline"),
    "hangs up": (lambda request, number: Response(hangs_up=True), ""),  # for the first, or for good
    "is broken": (lambda request, number: Response(status=500, body=b"oh"), "http_500"),
    "answers garbage": (lambda request, number: Response(body=b"<html>"), "bad_response"),
}


@pytest.mark.parametrize("of", ["judge", "gsrm"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_model_with_a_fault_ends_every_request_in_time_and_none_with_a_number(
    server, fault, of
) -> None:
    wrong, code = FAULTS[fault]

    def faulty(request: dict, number: int) -> Response:
        is_judge = "yes or no" in request["messages"][0]["content"]
        return wrong(request, number) if is_judge == (of == "judge") else script()(request, number)

    server.script = faulty
    code = "judge_failed" if of == "judge" and code not in ("", "deadline") else code

    async def go() -> None:
        own = options(server, deadline=0.95, server_timeout=0.5)
        async with serving(own) as (_, post), asyncio.timeout(20):
            answers = await asyncio.gather(*(post(name, body) for name, body in BODIES.items()))
            found = dict(zip(BODIES, answers, strict=True))
            for name in SINGLE:
                status, said, headers = found[name]
                assert (status, said["error"]) == (503, code or said["error"])
                assert headers["Retry-After"] == "1"
            (record,) = found["/v1/reward"][1]["scores"]
            assert (record["total"], record["error"]) == (None, code or record["error"])
            text = (await post("/metrics"))[1]
            assert not code or f'rlkd_missing_rewards_total{{reason="{code}"}} 4' in text

    asyncio.run(go())


def test_clients_of_one_sample_each_ask_the_judge_no_more_than_one_request_does(server) -> None:
    items = [{"id": f"case-{case}", "path": text} for case, text, _ in paths(64)]
    totals = [total for _, _, total in paths(64)]

    async def one_by_one() -> int:
        async with serving(options(server)) as (_, post):
            answers = await asyncio.gather(
                *(post("/v1/reward", {"items": [item]}) for item in items)
            )
            assert [said["scores"][0]["total"] for _, said, _ in answers] == totals
        return asked(server, "judge")

    async def together() -> int:
        async with serving(options(server)) as (_, post):
            _, said, _ = await post("/v1/reward", {"items": items})
            assert [one["total"] for one in said["scores"]] == totals
        return asked(server, "judge")

    alone = asyncio.run(one_by_one())
    assert asyncio.run(together()) == 2 * alone


def test_a_full_queue_says_come_again(server) -> None:
    server.script = script(delay=0.3)

    async def go() -> None:
        async with serving(options(server), max_queue=2) as (_, post):
            first = asyncio.gather(*(post("/slime", BODIES["/slime"]) for _ in range(2)))
            while "rlkd_queue 2" not in (await post("/metrics"))[1]:
                await asyncio.sleep(0.01)
            status, said, headers = await post("/slime", BODIES["/slime"])
            assert (status, said["error"], headers["Retry-After"]) == (503, "queue_full", "1")
            assert "rlkd_queue 2" in (await post("/metrics"))[1]
            assert [answer[:2] for answer in await first] == [(200, 3.0)] * 2
            assert (await post("/slime", BODIES["/slime"]))[:2] == (200, 3.0)

    asyncio.run(go())


def test_who_has_no_token_is_not_answered(server) -> None:
    async def go() -> None:
        async with serving(options(server), token="a-secret") as (_, post):
            for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic %%"}):
                status, said, _ = await post("/slime", BODIES["/slime"], headers=header)
                assert (status, said["error"]) == (401, "unauthorized")
            bearer = {"Authorization": "Bearer a-secret"}
            assert (await post("/slime", BODIES["/slime"], headers=bearer))[0] == 200
            password = aiohttp.BasicAuth("any", "a-secret")  # what an address with one sends
            assert (await post("/slime", BODIES["/slime"], auth=password))[0] == 200
            assert (await post("/metrics"))[0] == 401 and (await post("/health"))[0] == 200

    asyncio.run(go())


def test_a_cache_that_fails_is_done_without_and_told_once(server) -> None:
    told: list[str] = []

    async def go() -> None:
        async with serving(options(server, verdict_cache=Path("v.db"))) as (running, post):
            running.engine.tell = told.append
            assert (await post("/slime", BODIES["/slime"]))[0] == 200
            lock = sqlite3.connect("v.db", isolation_level=None)
            lock.execute("BEGIN EXCLUSIVE")
            body = {**BODIES["/slime"], "response": path(2, "dd")}
            status, said, _ = await post("/slime", {**body, "label": '{"id": "case-2"}'})
            assert (status, said) == (200, 2.0)
            lock.close()

    asyncio.run(go())
    assert len(told) == 1 and "locked" in told[0]


def test_a_body_that_does_not_come_or_is_not_what_its_head_says_is_a_4xx(server) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b'{"half'
        await asyncio.sleep(30)

    async def go() -> None:
        async with serving(options(server, deadline=0.5)) as (running, post):
            packed = {"headers": {"Content-Encoding": "gzip"}}
            assert (await post("/slime", b"not packed", **packed))[0] == 400
            url = "http://{}:{}/slime".format(*running._runner.addresses[0][:2])
            async with aiohttp.ClientSession() as session, session.post(url, data=half()) as answer:
                assert answer.status == 400 and "did not come" in (await answer.json())["detail"]

    asyncio.run(go())


def test_health_is_200_only_where_gsrm_and_judge_answer(server) -> None:
    async def go() -> tuple[int, dict]:
        async with serving(options(server)) as (_, post):
            return (await post("/health"))[:2]

    assert asyncio.run(go()) == (200, {"status": "ok", "gsrm": "ok", "judge": "ok"})
    server.script = lambda request, number: Response("maybe")
    status, said = asyncio.run(go())
    assert (status, said["status"], said["gsrm"]) == (503, "unavailable", "ok")
    assert "maybe" in said["judge"]
    server.script = lambda request, number: Response(status=500, body=b"oh")
    status, said = asyncio.run(go())
    assert status == 503 and "http_500" in said["gsrm"]


def test_metrics_count_requests_verdicts_and_tokens(server) -> None:
    async def go() -> str:
        async with serving(options(server)) as (_, post):
            for _ in range(2):
                await post("/slime", BODIES["/slime"])
            await post("/slime", b"{")
            await post("/nowhere")
            return (await post("/metrics"))[1]

    text = asyncio.run(go())
    assert 'rlkd_requests_total{path="/slime",status="200"} 2' in text
    assert 'rlkd_requests_total{path="/slime",status="400"} 1' in text
    assert 'rlkd_requests_total{path="other",status="404"} 1' in text
    assert 'rlkd_request_seconds_count{path="/slime"} 3' in text
    asked_, cached = 'rlkd_verdicts_total{from="asked"} 6', 'rlkd_verdicts_total{from="cached"} 6'
    assert asked_ in text and cached in text
    name = server.url
    assert f'rlkd_model_requests_total{{model="{name}"}} 7' in text  # a segmentation, six verdicts
    assert f'rlkd_model_tokens_total{{model="{name}",direction="out"}} 49' in text
    for line in text.splitlines():
        assert line.startswith("# ") or float(line.rpartition(" ")[2]) >= 0


def test_what_is_under_way_is_answered_at_the_end_and_nothing_new_is_taken(server) -> None:
    server.script = script(delay=0.3)

    async def go() -> None:
        chosen = Rewarding.of(**options(server))
        running = RewardServer(Engine(chosen, Teacher.read(chosen)), Place("127.0.0.1", 0))
        address = await running.start()
        async with aiohttp.ClientSession() as session:

            async def post() -> tuple[int, object]:
                async with session.post(f"{address}/slime", json=BODIES["/slime"]) as response:
                    return response.status, await response.json()

            under_way = asyncio.create_task(post())
            while not server.requests:
                await asyncio.sleep(0.01)
            ending = asyncio.create_task(running.stop())
            await asyncio.sleep(0.1)
            with pytest.raises(aiohttp.ClientConnectorError):
                await post()
            assert await under_way == (200, 3.0)
            await ending

    asyncio.run(go())


def test_several_servers_share_the_file_of_verdicts(server) -> None:
    own = options(server, verdict_cache=Path("v.db"))

    async def go() -> None:
        async with serving(own) as (_, first), serving(own) as (_, second):
            assert (await first("/slime", BODIES["/slime"]))[:2] == (200, 3.0)
            before = asked(server, "judge")
            assert (await second("/slime", BODIES["/slime"]))[:2] == (200, 3.0)
            assert asked(server, "judge") == before == 6

    asyncio.run(go())
