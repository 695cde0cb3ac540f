"""How a reward finds the teacher's record."""

from pathlib import Path

import pytest

from rlkd_cli.errors import InputError, RecordError, UsageError
from rlkd_cli.reward import StructuredReward
from rlkd_cli.reward.teacher import Teacher, id_of
from tests.conftest import segmentation, step, write


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


NOT_ASKED = {"judge": "exact", "gsrm": "http://127.0.0.1:1/v1#m"}


def opened(*records: dict, **options: object) -> Teacher:
    file = write(Path("t.jsonl"), list(records))
    return StructuredReward.open(file, **NOT_ASKED | options).teacher


def test_a_record_is_found_by_id_by_label_and_by_the_text_of_its_problem() -> None:
    import numpy as np

    one = segmentation(1, step("a"), problem="What  is a?\n")
    two = segmentation("two", step("b"), problem="What is b, caf\u00e9?")
    teacher = opened(one, two)
    for name in (1, "1", np.int64(1)):
        assert teacher.find(id=name).record["id"] == 1
    assert teacher.find(label='{"id": "two", "more": 1}').record["id"] == "two"
    assert teacher.find(label={"id": 1}).record["id"] == 1
    assert teacher.find(problem=" What is\ta?").record["id"] == 1
    assert teacher.find(problem="What is b, cafe\u0301?").record["id"] == "two"
    assert teacher.find(id="unknown", problem="What is a?").record["id"] == 1


def test_a_power_is_not_a_number_of_more_digits() -> None:
    asked = ("What is 10² + 1?", "What is 102 + 1?")
    rows = [segmentation(i, step(word), problem=asked[i]) for i, word in enumerate("ab")]
    teacher = opened(*rows)
    assert [teacher.find(problem=text).record["id"] for text in asked] == [0, 1]


@pytest.mark.parametrize(
    "named", [{}, {"id": 2}, {"label": "1"}, {"label": "{broken"}, {"problem": "x"}, {"id": True}]
)
def test_what_names_no_record_is_an_error_and_never_another_record(named: dict) -> None:
    rows = [segmentation(i, step("a"), problem=f"What is {i}?") for i in (1, "None")]
    teacher = opened(*rows)
    with pytest.raises(RecordError) as error:
        teacher.find(**named)
    assert error.value.code == "no_teacher"


def test_an_id_of_another_problem_is_an_error() -> None:
    rows = [segmentation(i, step(word), problem=f"What is {word}?") for i, word in enumerate("ab")]
    teacher = opened(*rows)
    assert teacher.find(id=1, problem="What is b?").record["id"] == 1
    assert teacher.find(id=1, problem="<template>What is a?").record["id"] == 1
    with pytest.raises(RecordError, match="other_problem: the id 1 is not the problem's"):
        teacher.find(id=1, problem="What is a?")


def test_a_teachers_path_that_is_marked_as_wrong_is_left_out_where_that_is_asked() -> None:
    rows = [segmentation(1, step(w), sample=n, correct=w == "b") for n, w in enumerate("ab")]
    assert len(opened(*rows).find(id=1).rows) == 2  # as `rlkd score` takes them
    (right,) = opened(*rows, teacher_paths="first-correct").find(id=1).rows
    assert right["sample"] == 1
    with pytest.raises(UsageError, match="no teacher path is correct"):
        opened(rows[0], teacher_paths="first-correct")


def test_a_file_without_a_record_is_said() -> None:
    for rows in ([], [{"id": 1}]):
        with pytest.raises(InputError, match="holds no record"):
            opened(*rows, skip_invalid=True)


def test_1_and_the_text_1_are_two_ids() -> None:
    teacher = opened(segmentation(1, step("a")), segmentation("1", step("a")))
    assert teacher.find(id=1).record["id"] == 1 and teacher.find(id="1").record["id"] == "1"


def test_two_different_records_of_one_problem_are_an_error_at_opening() -> None:
    same = [segmentation(i, step("a"), problem="What is a?") for i in (1, 2)]
    assert len(opened(*same)) == 2
    with pytest.raises(InputError, match=r"t\.jsonl:2: problem: ids 1 \(t\.jsonl:1\) and 2"):
        opened(same[0], segmentation(2, step("b"), problem="What is  a?"))
    later = [
        segmentation(i, step(word), problem="p", sample=n)
        for i in (1, 2)
        for n, word in enumerate(("a", f"b{i}"))
    ]
    with pytest.raises(InputError, match="are other records of the same problem"):
        opened(*later)
    with pytest.raises(InputError, match="another than the first of id 1"):
        opened(*(segmentation(1, step("a"), problem=text, sample=n) for n, text in enumerate("pq")))
    several = [segmentation(1, step(word), problem="p", sample=n) for n, word in enumerate("ab")]
    assert len(opened(*several).find(id=1).rows) == 2


def test_a_broken_record_is_named_at_opening() -> None:
    with pytest.raises(InputError, match=r"t\.jsonl:1: steps"):
        opened({"id": 1, "path": "no steps, and no GSRM"}, gsrm=None, structure_weight=0.0)
    with pytest.raises(InputError, match=r"t\.jsonl:2: "):
        opened(segmentation(1, step("a")), {"id": 2})
    left = opened(segmentation(1, step("a")), {"id": 2}, skip_invalid=True)
    with pytest.raises(RecordError, match="teacher_unusable"):
        left.find(id=2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"judges": "exact"}, "judges: no such option"),
        ({"deadline": 0.0}, "--deadline 0"),
        ({"judge": "embedding", "threshold": 2.0}, "--threshold 2"),
        ({"normalize": "all"}, "--normalize all"),
        ({"structure_weight": 0.0, "outcome_weight": 0.0}, "nothing is rewarded"),
        ({"threshold": 0.5}, "only answers yes or no"),
        ({"gsrm": None}, "--gsrm is missing"),
    ],
)
def test_an_option_that_is_wrong_is_named(given: dict, said: str) -> None:
    write(Path("t.jsonl"), [segmentation(1, step("a"))])
    with pytest.raises(UsageError, match=said):
        StructuredReward.open("t.jsonl", **NOT_ASKED | given)


def test_only_an_object_with_an_id_is_a_label() -> None:
    assert [id_of(label) for label in ("7", 7, None, "[1]", '{"ID": 1}', "{" * 100_000)] == [
        None
    ] * 6
    assert id_of(' {"id": 0}') == 0
