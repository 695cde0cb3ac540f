"""`StructuredReward`: the numbers of `rlkd score`, on any event loop, in any process."""

import asyncio
import gc
import multiprocessing
import os
import pickle
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rlkd_cli.errors import UsageError
from rlkd_cli.reward import StructuredReward
from tests.conftest import segmentation, write
from tests.reward.peers import TEACHER, asked, hang, options, path, paths, script, teacher_file
from tests.servers.scripted import Response, ScriptedServer


@pytest.fixture
def reward(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    server.script = script()
    opened = StructuredReward.open(**options(server))
    yield opened
    opened.close_sync()


def items(count: int) -> list[dict]:
    return [{"path": text, "id": f"case-{case}"} for case, text, _ in paths(count)]


def test_the_numbers_are_those_of_rlkd_score(rlkd, reward, server) -> None:
    rows = [
        {"id": f"case-{case}", "sample": n, "problem": TEACHER[case]["problem"], "path": text}
        for n, (case, text, _) in enumerate(paths(20))
    ]
    write(Path("student.jsonl"), rows)
    models = ["--gsrm", server.url, "--judge", server.url]
    scored = rlkd("score", "teacher.jsonl", "student.jsonl", *models, "-q").records
    by_score = asked(server, "judge")
    given = [{"path": row["path"], "id": row["id"], "sample": row["sample"]} for row in rows]
    records = reward.score_many_sync(given)
    assert [{name: own[name] for name in scored[0]} for own in records] == scored
    assert [own["structured"] for own in records] == [own["reward"] for own in scored]
    assert [own["total"] for own in records] == [total for _, _, total in paths(20)]
    assert [own["outcome"] for own in records] == [float(i % 3 > 0) for i in range(20)]
    assert [len(own["steps"]) for own in records] == [own["student_steps"] for own in scored]
    assert asked(server, "judge") == 2 * by_score  # no question more than `score` asked


def test_a_problem_is_named_by_its_text_too_and_loops_and_threads_share_the_questions(
    reward, server
) -> None:
    text = path(1, "aa bb cc")
    by_text = asyncio.run(reward.score(text, problem=TEACHER[1]["problem"]))
    by_label = asyncio.run(reward.score(text, label='{"id": "case-1"}'))
    assert by_text == by_label and by_text["total"] == 4.0
    server.requests.clear()
    server.script = script(delay=0.2)
    together = threading.Barrier(4)

    def one(number: int) -> dict:
        together.wait()
        return asyncio.run(reward.score(path(2, "aa bb"), id="case-2"))

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(one, range(4)))
    assert [record["total"] for record in found] == [3.0] * 4
    # M and Q of two steps; the answers are known from the other problem
    assert (asked(server, "gsrm"), asked(server, "judge")) == (1, 4)


def test_nothing_is_opened_before_the_first_score_and_a_copy_opens_its_own(
    server, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server.script = script()
    unnamed = server.url.partition("#")[0]  # which lists its models, if it is asked
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        StructuredReward.open(**options(server, gsrm=away, judge=away))
    reward = StructuredReward.open(**options(server, judge=unnamed))
    before = reward.score_sync(path(0, "aa"), id="case-0")
    Path("teacher.jsonl").unlink()  # a copy may be opened where the file is not
    copy = pickle.loads(pickle.dumps(reward))
    reward.close_sync()
    assert copy.score_sync(path(0, "aa"), id="case-0") == before
    assert reward.score_sync(path(0, "aa"), id="case-0") == before  # opened again
    copy.close_sync()
    reward.close_sync()


def _in_child(reward: StructuredReward, place: str, answer: str) -> None:
    record = reward.score_sync(path(0, "aa bb", answer), id="case-0")
    Path(place).write_text(str(record["total"]))
    reward.close_sync()


def test_a_forked_and_a_daemonic_process_compute_the_same(reward) -> None:
    here = reward.score_sync(path(0, "aa bb"), id="case-0")["total"]
    child = os.fork()
    if not child:
        status = 1
        try:
            status = int(reward.score_sync(path(0, "aa bb"), id="case-0")["total"] != here)
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    # as TRL's asynchronous trainer calls it, with an answer for which the grader needs children
    arguments = (reward, "total.txt", r"\frac{21}{3}+0\cdot\sqrt{2}")
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_in_child, args=arguments, daemon=True)
    process.start()
    process.join(60)
    assert Path("total.txt").read_text() == str(here)


def test_what_could_not_be_had_is_a_reason_and_never_a_number(reward, server) -> None:
    server.script = lambda request, number: (
        Response("perhaps") if "yes or no" in str(request) else script()(request, number)
    )
    late = reward.score_sync(path(0, "aa"), id="case-0", deadline=0.95)
    assert (late["total"], late["structured"], late["outcome"]) == (None, None, 1.0)
    assert late["error"] == "judge_failed" and "perhaps" in late["detail"]
    unknown = reward.score_sync(path(0, "aa"), id="case-9")
    assert (unknown["total"], unknown["error"]) == (None, "no_teacher")
    no_steps = reward.score_sync(path(0, "", "8"), id="case-0")
    assert (no_steps["total"], no_steps["student_steps"]) == (0.0, 0)  # Algorithm 1: m = 0


@pytest.mark.parametrize("reply", [Response("perhaps"), Response(status=400, body=b"no")])
def test_a_judge_whose_answer_will_not_change_is_not_waited_for(reward, server, reply) -> None:
    server.script = lambda request, number: (
        reply if "yes or no" in str(request) else script()(request, number)
    )
    record = reward.score_sync(path(0, "aa"), id="case-0", deadline=600)
    assert (record["total"], record["error"]) == (None, "judge_failed")
    asked_of_judge = {str(request["messages"]) for request in server.requests}
    assert len(asked_of_judge) == len(server.requests)  # nothing twice


def test_a_model_that_hangs_ends_at_the_deadline_and_is_no_burden_afterwards(
    reward, server
) -> None:
    answer, hung = server.script, threading.Event()

    def some_hang(request: dict, number: int) -> Response:
        return answer(request, number) if hung.is_set() else hang(request, number)

    server.script = some_hang
    many = [{"path": path(0, f"aa {n}"), "id": "case-0"} for n in range(100)]  # over --concurrency
    records = reward.score_many_sync(many, deadline=0.5)
    assert {record["error"] for record in records} == {"deadline"}
    assert {record["total"] for record in records} == {None}
    hung.set()
    assert reward.score_sync(path(0, "aa"), id="case-0", deadline=10)["total"] == 2.0


def test_a_server_that_is_away_is_waited_for(server, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1#m"
    own = options(server, gsrm=url, judge=url, server_timeout=0.3)
    reward = StructuredReward.open(**own)
    assert reward.score_sync(path(0, "aa"), id="case-0", deadline=1)["error"] in _AWAY
    with ScriptedServer(port) as back:
        back.script = script()
        assert reward.score_sync(path(0, "aa"), id="case-0", deadline=20)["total"] == 2.0
    reward.close_sync()


_AWAY = ("unavailable", "deadline")


def test_a_model_that_can_never_answer_is_said(server, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    server.script = lambda request, number: Response(status=401, body=b'{"error": "wrong key"}')
    reward = StructuredReward.open(**options(server))
    assert reward.score_sync(path(0, "aa"), id="case-0")["error"] == "model_failed"
    missing = StructuredReward.open(**options(server, gsrm="hf/no-such-folder/anywhere"))
    record = missing.score_sync(path(0, "aa"), id="case-0")
    assert record["error"] == "model_failed" and "cannot be loaded" in record["detail"]
    unkeyed = StructuredReward.open(**options(server, gsrm="openai/some-model"))
    with pytest.raises(UsageError, match="OPENAI_API_KEY"):
        unkeyed.score_sync(path(0, "aa"), id="case-0")
    unkeyed.close_sync()
    reward.close_sync()
    missing.close_sync()


def test_teacher_paths_are_segmented_when_they_are_needed_and_once(
    server, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server.script = script()
    rows = [
        {"id": 1, "sample": 0, "path": "nothing []"},
        {"id": 1, "sample": 1, "path": "[aa bb]"},
        {"id": 2, "path": "never asked for [cc]"},
        {"id": 3, "path": "nothing []"},
    ]
    own = options(server)
    write(Path("teacher.jsonl"), rows)
    reward = StructuredReward.open(**own)
    for _ in range(2):
        assert reward.score_sync("[aa bb]", id=1)["reward"] == 2.0
    assert "could not segment" in reward.score_sync("[aa]", id=3)["detail"]
    said = [request["messages"][0]["content"] for request in server.requests]
    assert sum("nothing" in text for text in said) == 4 and not any("never" in t for t in said)
    reward.close_sync()


def test_several_teacher_paths_count_as_they_do_in_score(rlkd, server) -> None:
    server.script = script()

    def steps(words: str) -> list[dict]:
        return [
            {"meta_reasoning": f"Take {w}.", "sub_problem": f"What is {w}?", "answer": w}
            for w in words.split()
        ]

    teachers = [segmentation(1, *steps("zz")), segmentation(1, *steps("aa bb"), sample=1)]
    write(Path("t.jsonl"), teachers)
    write(Path("s.jsonl"), [{"id": 1, "path": "[aa bb]", "problem": "p"}])
    for how, expected in (("first", 0.0), ("mean", 1.0), ("best", 2.0)):
        words = ["score", "t.jsonl", "s.jsonl", "--judge", "exact", "--gsrm", server.url]
        (record,) = rlkd(*words, "--teacher-samples", how, "-q").records
        own = {"judge": "exact", "gsrm": server.url, "teacher_samples": how}
        reward = StructuredReward.open("t.jsonl", **own)
        assert reward.score_sync("[aa bb]", id=1)["reward"] == record["reward"] == expected
        reward.close_sync()


def test_an_object_that_nobody_holds_ends_its_thread(server, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    server.script = script()
    before = set(threading.enumerate())
    reward = StructuredReward.open(**options(server))
    reward.score_sync(path(0, "aa"), id="case-0")
    own = [one for one in threading.enumerate() if one.name.startswith("rlkd")]
    own = [one for one in own if one not in before]
    assert own
    del reward
    gc.collect()
    for one in own:
        one.join(10)
    assert not any(one.is_alive() for one in own)


def test_a_part_that_weighs_nothing_is_not_waited_for(server, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    server.script = lambda request, number: Response(status=500, body=b"oh")
    reward = StructuredReward.open(**options(server, structure_weight=0.0))
    record = reward.score_sync(path(0, "aa"), id="case-0", deadline=60)
    assert (record["total"], record["structured"], record["outcome"]) == (1.0, None, 1.0)
    assert (record["sample"], record["verdicts"]) == (0, []) and not server.requests
    own = options(server, structure_weight=0.0)
    write(Path("none.jsonl"), [{k: v for k, v in TEACHER[0].items() if k != "answer"}])
    unanswered = StructuredReward.open(**own | {"teacher": "none.jsonl"})
    assert unanswered.score_sync(path(0, "aa"), id="case-0")["error"] == "no_answer"
    unanswered.close_sync()
    reward.close_sync()


def test_closing_tells_who_waits_and_no_time_is_none(reward, server) -> None:
    server.script = hang

    async def go() -> dict:
        waiting = asyncio.create_task(reward.score(path(0, "aa"), id="case-0"))
        while not server.requests:
            await asyncio.sleep(0.01)
        await reward.close()
        return await waiting

    record = asyncio.run(go())
    assert (record["total"], record["error"]) == (None, "closed")
    assert reward.score_sync(path(0, "aa"), id="case-0", deadline=0)["error"] == "deadline"


_LEFT_OPEN = """
import sys
from rlkd_cli.reward import StructuredReward
reward = StructuredReward.open("teacher.jsonl", gsrm=sys.argv[1], judge=sys.argv[1], deadline=2)
print(reward.score_sync("<think>[aa]</think>", id="case-0").get("error"))
"""


def test_a_process_that_closes_nothing_ends_quietly_and_at_once(
    server, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server.script = script()
    teacher_file()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        away = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        for url, said in ((server.url, "None"), (away, "deadline")):
            run = subprocess.run(
                [sys.executable, "-c", _LEFT_OPEN, url], capture_output=True, text=True, timeout=20
            )
            assert (run.returncode, run.stdout.strip(), run.stderr) == (0, said, "")
