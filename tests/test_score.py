"""`score`, its judges and its matcher, over HTTP and on files."""

import json
from pathlib import Path

from tests.conftest import write
from tests.servers.scripted import Response


def test_judge_verdicts_over_http_are_asked_once_and_only_when_needed(rlkd, server) -> None:
    def judge(request: dict, number: int) -> Response:
        assert request["structured_outputs"] == {"choice": ["yes", "no"]}
        return Response("no" if "zebra" in request["messages"][0]["content"] else "yes")

    server.script = judge
    steps = [{"meta_reasoning": f"{w} choice", "sub_problem": f"{w} question", "answer": w} for w in ("one", "two", "three")]
    other = [{k: v.replace("two", "zebra").replace("one", "uno") for k, v in s.items()} for s in steps]
    write(Path("t.jsonl"), [{"id": 1, "steps": steps}, {"id": 2, "steps": steps}])
    write(Path("s.jsonl"), [{"id": 1, "steps": other}, {"id": 2, "steps": other}])
    result = rlkd("score", "t.jsonl", "s.jsonl", "--judge", server.url, "-q")
    assert [r["reward"] for r in result.records] == [1.0, 1.0]
    assert len(server.requests) == 4  # M1, Q1, A1, M2: two equal pairs, the third step never reached
    assert json.dumps(result.records[0]["verdicts"][1]["meta_reasoning"]) == "false"
