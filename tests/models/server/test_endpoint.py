"""A model behind an address: what it makes of each kind of answer, against a server on loopback."""

import asyncio
import contextlib
import json
import random
import socket
import threading
import time
from collections.abc import Callable

import pytest

from rlkd_cli.errors import ModelError, RecordError, Unavailable, UsageError
from rlkd_cli.models import HttpOptions, Reply, Sampling, open_model, user
from rlkd_cli.models.usage import open_bill
from tests.conftest import COLLECTED
from tests.servers.scripted import Response, ScriptedServer

FOUR = Response("four")
FAST = HttpOptions(concurrency=64, max_retries=1, server_timeout=2.0)


def error(status: int, **fields: object) -> Response:
    return Response(status=status, body=json.dumps({"error": fields}).encode())


def said(message: dict, finish: object = "stop", **more: object) -> Response:
    choice = {
        "index": 0,
        "finish_reason": finish,
        "message": {"role": "assistant", **message},
        **more,
    }
    return Response(
        body=json.dumps({"choices": [choice], "usage": {"completion_tokens": 3}}).encode()
    )


def ask(
    url: str,
    count: int = 1,
    sampling: Sampling = Sampling(),
    options: HttpOptions = FAST,
    lines: list[str] | None = None,
) -> list[Reply | Exception]:
    """What comes of `count` requests asked at once."""
    model = open_model(url, options)
    model.tell = (lines if lines is not None else []).append

    async def go() -> list:
        asked = (model.reply(user(f"question {i}"), sampling) for i in range(count))
        try:
            return await asyncio.gather(*asked, return_exceptions=True)
        finally:
            await model.close()

    return asyncio.run(go())


def only(server: ScriptedServer, response: Response, **more) -> Reply | Exception:
    server.script = lambda request, number: response
    return ask(server.url, **more)[0]


def test_out_of_quota_ends_the_run_after_one_request(server) -> None:
    found = only(server, error(429, message="All used up.", type="insufficient_quota"))
    assert isinstance(found, ModelError) and "All used up." in str(found)
    assert len(server.requests) == 1


def test_a_flagged_prompt_rejects_its_record_alone(server) -> None:
    found = only(
        server, error(403, message="Input was flagged", code=403, metadata={"reasons": ["x"]})
    )
    assert isinstance(found, RecordError) and found.code == "content_filter"
    assert len(server.requests) == 1


@pytest.mark.parametrize("retries", [0, 5])
def test_a_limit_called_otherwise_is_learnt_once_by_all_requests(server, retries: int) -> None:
    words = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
        "'max_completion_tokens'."
    )

    def newer(request: dict, number: int) -> Response:
        refused = error(400, message=words, param="max_tokens", code="unsupported_parameter")
        return refused if "max_tokens" in request else Response("four", delay=0.01)

    server.script, lines = newer, []
    found = ask(server.url, 64, options=HttpOptions(max_retries=retries), lines=lines)
    assert [reply.text for reply in found] == ["four"] * 64
    assert len(lines) == 1 and "max_completion_tokens" in lines[0]
    found = [request for request in server.requests if "max_completion_tokens" in request]
    assert len(found) == 64


@pytest.mark.parametrize("name", ["temperature", "top_p", "seed", "stop"])
@pytest.mark.parametrize(
    "body",
    [
        {
            "error": {
                "message": "Unsupported parameter: '{}'",
                "param": "{}",
                "code": "unsupported_parameter",
            }
        },
        {"error": {"message": "'{}' does not support 0.7.", "code": "unsupported_value"}},
        {
            "detail": [
                {
                    "type": "extra_forbidden",
                    "loc": ["body", "{}"],
                    "msg": "Extra inputs are not permitted",
                }
            ]
        },
        {"message": "property '{}' is unsupported"},
    ],
)
def test_a_parameter_that_is_refused_is_left_out_from_then_on(
    server, name: str, body: dict
) -> None:
    refusal = json.dumps(body).replace("{}", name).encode()
    server.script = lambda request, number: (
        Response(status=400, body=refusal) if name in request else Response("four. five")
    )
    lines: list[str] = []
    sampling = Sampling(temperature=0.7, top_p=0.9, seed=3, stop=(". ",))
    found = ask(server.url, 20, sampling, lines=lines)
    assert {reply.text for reply in found} == {"four"} and len(lines) == 1 and name in lines[0]


@pytest.mark.parametrize(
    ("words", "limit"),
    [
        ("max_tokens is too large: 9000. This model supports at most 500 completion tokens.", 500),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 500]", 500),
        ("max_tokens: 9000 > 500, the maximum allowed for m-4-1106", 500),
        ("`max_tokens` must be less than or equal to `500`, less than the `context_window`", 500),
        ("'max_tokens' or 'max_completion_tokens' is too large: 9000. This model's maximum context "
         "length is 2048 tokens and your request has 42 input tokens", 2006),
        ("This model's maximum context length is 4097 tokens. However, you requested 10360 tokens "
         "(1360 in the messages, 9000 in the completion).", 2737),
        ("max_tokens is too large.", None),
    ],
)  # fmt: skip
def test_a_limit_above_the_models_own_becomes_its_own(
    server, words: str, limit: int | None
) -> None:
    server.script = lambda request, number: (
        error(400, message=words, type="invalid_request_error")
        if request.get("max_tokens", 0) > (limit or 0)
        else Response("four")
    )
    found = ask(server.url, 10, Sampling(max_tokens=9000))
    assert [reply.text for reply in found] == ["four"] * 10
    assert server.requests[-1].get("max_tokens") in (limit, None)


def test_a_setting_that_is_refused_when_it_is_left_out_too_ends_the_run(server) -> None:
    words = "invalid temperature: only 1 is allowed for this model"
    server.script = lambda request, number: error(400, message=words)
    found = ask(server.url, 20)
    assert all(isinstance(one, ModelError) and words in str(one) for one in found)


def test_a_setting_out_of_range_ends_the_run(server) -> None:
    found = only(server, error(400, message="temperature must be at most 1", param="temperature"))
    assert isinstance(found, ModelError) and "at most 1" in str(found)


def test_refused_probabilities_end_the_run_with_the_way_out(server) -> None:
    server.script = lambda request, number: (
        error(400, message="logprobs is not supported")
        if "logprobs" in request
        else Response("yes")
    )
    wanted = Sampling(choices=("yes", "no"), probabilities=True)
    found = ask(server.url, 1, wanted)[0]
    assert isinstance(found, ModelError) and "--threshold" in str(found)


@pytest.mark.parametrize(
    ("finish", "code", "asked"),
    [
        ("content_filter", "content_filter", 1),
        ("tool_calls", "tool_calls", 1),
        ("RECITATION", "recitation", 1),
        ("insufficient_system_resource", "insufficient_system_resource", 2),
        ("error", "error", 2),
        ("abort", "abort", 2),
    ],
)
def test_half_a_text_is_no_text(server, finish: str, code: str, asked: int) -> None:
    found = only(server, said({"content": "Half a pa"}, finish))
    assert isinstance(found, RecordError) and found.code == code and len(server.requests) == asked


def test_the_ends_of_a_whole_text_and_of_a_cut_one(server) -> None:
    for finish in (
        "stop",
        "STOP",
        "eos",
        "eos_token",
        "stop_sequence",
        "end_turn",
        "end",
        None,
        "",
    ):
        assert only(server, said({"content": "four"}, finish)).finish_reason == "stop"
    for finish in ("length", "MAX_TOKENS", "model_length", "max_output_tokens"):
        assert only(server, said({"content": "four"}, finish)).finish_reason == "length"
    limit = Sampling(max_tokens=3)
    assert only(server, said({"content": "fo"}, None), sampling=limit).finish_reason == "length"
    assert only(server, said({"content": "<think>fo"}, None)).finish_reason == "length"


def test_errors_inside_a_reply_are_treated_by_their_code(server) -> None:
    inside = Response(body=b'{"error": {"message": "The provider failed", "code": 502}}')
    found = only(server, inside)
    assert isinstance(found, RecordError) and "The provider failed" in found.detail
    assert len(server.requests) == 2
    choice = said({"content": "Half"}, "error", error={"code": 503, "message": "It went away"})
    found = only(server, choice)
    assert isinstance(found, RecordError) and "It went away" in found.detail
    ended = only(server, Response(body=b'{"error": {"message": "No credits", "code": 402}}'))
    assert isinstance(ended, ModelError) and "No credits" in str(ended)


def test_content_in_parts_and_thinking_wherever_it_stands(server) -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "1 + 3"}]},
        {"type": "text", "text": "fo"},
        {"type": "text", "text": "ur"},
    ]
    reply = only(server, said({"content": parts}))
    assert (reply.text, reply.thinking) == ("four", "1 + 3")
    for beside in (
        {"reasoning_content": "1 + 3"},
        {"reasoning": "1 + 3", "reasoning_details": [{"type": "reasoning.text", "text": "1 + 3"}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "1 + 3"}]},
        {"reasoning": {"content": "1 + 3"}},
    ):
        reply = only(server, said({"content": "four", **beside}))
        assert (reply.text, reply.thinking) == ("four", "1 + 3"), beside


def test_a_refusal_is_a_reject_with_the_words(server) -> None:
    for message in (
        {"content": None, "refusal": "I will not."},
        {"content": [{"type": "refusal", "refusal": "I will not."}]},
    ):
        server.requests.clear()
        found = only(server, said(message))
        assert isinstance(found, RecordError) and found.code == "refused"
        assert "I will not." in found.detail and len(server.requests) == 1


def test_a_choice_is_read_after_the_thinking(server) -> None:
    wanted = Sampling(max_tokens=4, choices=("yes", "no"))
    for text, choice in (
        ("<think>\n\n</think>\n\nyes", "yes"),
        ("<think>yes, or no?</think>**No.**", "no"),
        ("No. They ask for other things", "no"),
        ("They do not differ.\nVerdict: yes", "yes"),
    ):
        assert only(server, said({"content": text}), sampling=wanted).text == choice, text
    for text in ("Yes or no?", "<think>yes</think>Perhaps", "There is no telling"):
        found = only(server, said({"content": text}), sampling=wanted)
        assert isinstance(found, RecordError) and found.code == "unreadable_verdict", text


def test_a_model_that_thinks_before_it_chooses_gets_the_room(server) -> None:
    def thinks(request: dict, number: int) -> Response:
        cut = request["max_tokens"] < 100
        return said(
            {"content": None if cut else "yes", "reasoning": "Hm"}, "length" if cut else "stop"
        )

    server.script, lines = thinks, []
    found = ask(server.url, 8, Sampling(max_tokens=4, choices=("yes", "no")), lines=lines)
    assert {reply.text for reply in found} == {"yes"} and len(lines) == 1


def test_the_probabilities_are_those_after_the_thinking(server) -> None:
    def token(text: str, **others: float) -> dict:
        return {
            "token": text,
            "top_logprobs": [{"token": t, "logprob": p} for t, p in others.items()],
        }

    tokens = [token("<think>", yes=0.0), token("</think>", no=0.0), token("\n\n", no=0.0)]
    tokens.append(token("yes", yes=-0.1, no=-2.4))
    response = said({"content": "<think></think>\n\nyes"}, logprobs={"content": tokens})
    reply = only(server, response, sampling=Sampling(choices=("yes", "no"), probabilities=True))
    assert reply.probabilities[0] == pytest.approx(0.909, abs=0.01)


def limited(a_second: float) -> Callable[[dict, int], Response]:
    """A server that takes a request every 1/`a_second` seconds and says no more than that it is too
    many."""
    lock, last = threading.Lock(), [0.0]

    def script(request: dict, number: int) -> Response:
        with lock:
            if time.monotonic() - last[0] < 1 / a_second:
                return error(429, message="Too many requests", code="rate_limit_exceeded")
            last[0] = time.monotonic()
        return Response("four")

    return script


@pytest.mark.parametrize("concurrency", [1, 64])
def test_all_requests_slow_down_to_what_the_server_takes(server, concurrency: int) -> None:
    server.script, started, lines = limited(20), time.monotonic(), []
    options = HttpOptions(concurrency=concurrency, max_retries=0)
    found = ask(server.url, 60, options=options, lines=lines)
    assert [reply.text for reply in found] == ["four"] * 60
    assert time.monotonic() - started < 20 and len(server.requests) < 180
    assert len(lines) <= 1


def test_retry_after_holds_back_every_request(server) -> None:
    times: list[float] = []

    def script(request: dict, number: int) -> Response:
        times.append(time.monotonic())
        after = (("Retry-After", "0.7"),)
        return Response(status=429, headers=after) if number == 0 else Response("four")

    server.script = script
    found = ask(server.url, 5, options=HttpOptions(concurrency=1))
    assert len(found) == 5 and times[1] - times[0] >= 0.69


def test_a_wait_longer_than_the_patience_ends_the_run_unfinished(server) -> None:
    refused = Response(status=429, headers=(("Retry-After", "3600"),))
    found = only(server, refused)
    assert isinstance(found, Unavailable) and "again" in str(found) and len(server.requests) == 1


def test_the_users_own_limit_is_kept_across_event_loops(server) -> None:
    server.script = lambda request, number: Response("four")
    model = open_model(server.url, HttpOptions(rpm=600))
    started = time.monotonic()

    async def go() -> None:
        await asyncio.gather(*(model.reply(user(str(i)), Sampling()) for i in range(6)))

    asyncio.run(go())
    asyncio.run(go())
    assert time.monotonic() - started >= 1.0


def test_a_server_that_is_not_there_pauses_and_then_ends_the_run() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1#m"
    started, lines = time.monotonic(), list[str]()
    found = ask(url, 64, lines=lines)
    assert all(isinstance(error, Unavailable) for error in found) and "again" in str(found[0])
    assert time.monotonic() - started > 1.9 and len(lines) == 1


def free_port() -> int:
    """A port that no client is given by chance, as those above 32,767 are: one may connect to
    itself there."""
    for port in random.sample(range(20_000, 30_000), 100):
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def test_a_server_that_dies_and_comes_back_loses_nothing() -> None:
    lines: list[str] = []
    port = free_port()
    with ScriptedServer(port) as first:
        model = open_model(first.url, HttpOptions(concurrency=8, server_timeout=30))
    model.tell = lines.append

    async def go() -> list:
        bill = open_bill()
        asked = [asyncio.create_task(model.reply(user(str(i)), Sampling())) for i in range(40)]
        await asyncio.sleep(1.0)
        with ScriptedServer(port) as second:
            second.script = lambda request, number: Response("four")
            replies = await asyncio.gather(*asked)
            assert bill[model.name].requests == len(second.requests)
        await model.close()
        return replies

    assert [reply.text for reply in asyncio.run(go())] == ["four"] * 40
    assert len(lines) == 2 and "back" in lines[1]


def test_a_server_that_hangs_up_on_everyone_is_one_that_is_not_there() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    listener.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1#m"
        found = ask(url, 4, options=HttpOptions(max_retries=0, server_timeout=1.0))
        listener.shutdown(socket.SHUT_RDWR)
    assert all(isinstance(error, Unavailable) for error in found)


def test_a_server_that_hangs_up_on_one_record_loses_that_one(server) -> None:
    server.script = lambda request, number: (
        Response(hangs_up=True) if number == 1 else Response("four")
    )
    options = HttpOptions(concurrency=1, max_retries=0, server_timeout=2.0)
    first, second, third = ask(server.url, 3, options=options)
    assert first.text == third.text == "four"
    assert isinstance(second, RecordError) and second.code == "no_connection"


def test_a_proxy_without_its_server_is_waited_for_and_one_bad_record_is_not(server) -> None:
    gone, lines = threading.Event(), list[str]()

    def script(request: dict, number: int) -> Response:
        if number == 2:
            return Response(status=500)
        if number == 5:
            gone.set()
            server.listing = 502
        if number == 9:
            gone.clear()
            server.listing = 200
        return Response(status=502, body=b"<html>no upstream</html>") if gone.is_set() else FOUR

    server.script = script
    found = ask(server.url, 12, options=HttpOptions(concurrency=1, max_retries=0), lines=lines)
    assert [i for i, one in enumerate(found) if one != found[0]] == [2] and len(lines) == 2
    server.listing, server.script = 502, lambda request, number: Response(status=502)
    found = ask(server.url, 8, options=HttpOptions(max_retries=0, server_timeout=1.0))
    assert all(isinstance(error, Unavailable) for error in found)


def test_a_whole_reply_may_come_with_another_status(server) -> None:
    assert only(server, Response("four", status=201)).text == "four"  # type: ignore[union-attr]


def test_a_server_that_loads_its_model_is_waited_for(server) -> None:
    loading = error(503, message="Loading model", code=503, type="unavailable_error")
    server.script = lambda request, number: loading if number < 3 else Response("four")
    lines: list[str] = []
    assert ask(server.url, 1, options=HttpOptions(max_retries=0), lines=lines)[0].text == "four"
    assert len(lines) == 2 and "Loading model" in lines[0]
    server.script = lambda request, number: loading
    found = ask(server.url, 8, options=HttpOptions(max_retries=0, server_timeout=1.0))
    assert all(isinstance(error, Unavailable) for error in found)


def test_a_setting_that_concerns_one_prompt_rejects_it_as_too_long(server) -> None:
    words = "`inputs` tokens + `max_new_tokens` must be <= 4097. Given: 5000 `inputs` tokens and 20"
    found = only(server, Response(status=422, body=json.dumps({"error": words}).encode()))
    assert isinstance(found, RecordError) and found.code == "too_long"


def test_no_key_and_no_password_is_ever_shown(server, monkeypatch) -> None:
    monkeypatch.setenv("RLKD_API_KEY", "sk-secret-key\n")
    quoted = error(401, message="Incorrect API key provided: sk-secret-key.")
    found = only(server, quoted)
    assert isinstance(found, ModelError) and "sk-secret" not in str(found) and "***" in str(found)
    monkeypatch.setenv("RLKD_API_KEY", "sk-se\ncret-key")
    with pytest.raises(UsageError) as wrong:
        ask(server.url)
    assert "cret" not in str(wrong.value) and "RLKD_API_KEY" in str(wrong.value)
    monkeypatch.delenv("RLKD_API_KEY")
    private = server.url.replace("http://", "HTTP://me:pass%40word@")
    server.script = lambda request, number: error(401, message="no access for me:pass@word")
    model = open_model(private, FAST)
    assert "pass" not in model.name and model.name.endswith("#m")
    found = ask(private)[0]
    assert isinstance(found, ModelError) and "pass" not in str(found)


def test_a_shutdown_date_is_told_once(server) -> None:
    server.about = {"shutdown_date": "2027-01-14"}
    lines: list[str] = []
    ask(server.url, 5, lines=lines)
    assert len(lines) == 1 and "2027-01-14" in lines[0]


NEUTRAL = {"repetition_penalty": 1.0, "top_k": -1, "min_p": 0.0}


@pytest.mark.parametrize(("owner", "sent"), [("vllm", NEUTRAL), ("sglang", NEUTRAL), ("x", {})])
def test_a_server_that_inherits_settings_is_told_not_to(server, owner: str, sent: dict) -> None:
    server.about = {"owned_by": owner}
    ask(server.url)
    names = {"repetition_penalty", "top_k", "min_p"} & server.requests[0].keys()
    assert {name: server.requests[0][name] for name in names} == sent


def test_a_server_that_refuses_neutral_settings_is_asked_once_more(server) -> None:
    server.about = {"owned_by": "vllm"}
    server.script = lambda request, number: (
        error(400, message="Unknown field: min_p") if "min_p" in request else Response("four")
    )
    assert [reply.text for reply in ask(server.url, 4, options=HttpOptions(concurrency=1))] == [
        "four"
    ] * 4
    assert len(server.requests) == 5 and "top_k" in server.requests[-1]


ANSWERS = COLLECTED / "faults/endpoint.jsonl"
MUST = {  # (kind of outcome, its code, requests)
    "quota": (ModelError, None, 1), "no balance": (ModelError, None, 1),
    "filtered": (RecordError, "content_filter", 1),
    "error inside 200": (RecordError, "http_429", 2),
    "error in the choice": (RecordError, "http_502", 2), "no message": (RecordError, "http_400", 1),
    "too long 1": (RecordError, "too_long", 1), "too long 2": (RecordError, "too_long", 1),
    "too long 3": (RecordError, "too_long", 1), "refusal": (RecordError, "refused", 1),
    "content parts": (Reply, None, 1), "verdict in the thinking": (Reply, None, 1),
    "key quoted": (ModelError, None, 1),
}  # fmt: skip


@pytest.mark.skipif(
    not ANSWERS.exists(), reason="RLKD_TEST_CASES names no folder of servers' answers"
)
@pytest.mark.parametrize("case", MUST)
def test_the_collected_answers_of_servers(server, case: str) -> None:
    rows = (json.loads(line) for line in ANSWERS.read_text("utf-8").splitlines())
    row = next(row for row in rows if row["case"] == case)
    found = only(server, Response(status=row["status"], body=json.dumps(row["body"]).encode()))
    kind, code, requests = MUST[case]
    assert isinstance(found, kind) and len(server.requests) == requests
    assert code is None or found.code == code


@pytest.mark.skipif(
    not ANSWERS.exists(), reason="RLKD_TEST_CASES names no folder of servers' answers"
)
@pytest.mark.parametrize("case", ["limit's name", "temperature refused", "limit too large"])
def test_what_models_refuse_is_not_asked_again(server, case: str) -> None:
    rows = (json.loads(line) for line in ANSWERS.read_text("utf-8").splitlines())
    row = next(row for row in rows if row["case"] == case)
    refused, largest = row["body"]["error"]["param"], 16384
    server.script = lambda request, number: (
        Response(status=400, body=json.dumps(row["body"]).encode())
        if refused in request and (case != "limit too large" or request[refused] > largest)
        else Response("four")
    )
    lines: list[str] = []
    found = ask(server.url, 64, Sampling(max_tokens=32768), HttpOptions(max_retries=0), lines)
    assert [reply.text for reply in found] == ["four"] * 64 and len(lines) == 1
