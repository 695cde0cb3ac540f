"""`rlkd score`: two files of segmentations in, rewards out."""

import json
from pathlib import Path

from tests.conftest import read, segmentation, step, write

TEACHER = [segmentation(1, step("a"), step("b")), segmentation("two", step("a"))]


def test_a_pipe_carries_records_and_nothing_else(rlkd) -> None:
    student = [segmentation("two", step("a")), segmentation(1, step("a"), step("x"))]
    words = ["score", write(Path("t.jsonl"), TEACHER), "-", "--judge", "exact"]
    result = rlkd(*words, stdin="\n".join(map(json.dumps, student)))
    assert result.status == 0
    assert [(r["id"], r["reward"], r["matched_steps"]) for r in result.records] == [
        ("two", 1.0, 1),
        (1, 1.0, 1),
    ]
    assert result.records[1]["verdicts"][1] == {
        "meta_reasoning": False,
        "sub_problem": None,
        "answer": None,
    }


def test_an_id_without_a_teacher_is_a_reject(rlkd) -> None:
    write(Path("t.jsonl"), TEACHER)
    write(Path("s.jsonl"), [segmentation("other", step("a"), kept="é")])
    result = rlkd("score", "t.jsonl", "s.jsonl", "--judge", "exact", "--rejects", "r.jsonl")
    assert (result.status, result.out) == (3, "")
    assert (
        read(Path("r.jsonl"))[0]["error"] == "no_teacher"
        and read(Path("r.jsonl"))[0]["kept"] == "é"
    )
