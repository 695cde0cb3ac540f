"""Records are checked and kept as they are."""

import pytest

from rlkd_cli.errors import InputError
from rlkd_cli.records.schema import (
    PathRecord,
    Problem,
    Steps,
    StepsOrPath,
    Task,
    check,
    key_of,
    settled,
)


@pytest.mark.parametrize(
    ("model", "raw", "said"),
    [
        (Problem, {"id": 1}, "f:1: problem: "),
        (
            Problem,
            {"id": 1.5, "problem": "p"},
            "f:1: id: Input should be a valid string or integer",
        ),
        (Problem, {"id": 1, "problem": "p", "domain": "music"}, "f:1: domain: "),
        (PathRecord, {"id": 1, "problem": "p", "path": "x", "sample": -1}, "f:1: sample: "),
        (PathRecord, {"id": 1, "problem": "p", "path": "x", "sample": "0"}, "f:1: sample: "),
        (Task, {"id": 1, "problem": "p"}, "f:1: answer: "),
        (Steps, {"id": 1, "steps": []}, "f:1: steps: "),
        (Steps, {"id": 1, "steps": [{"meta_reasoning": "m"}]}, "f:1: steps.0.sub_problem: "),
        (StepsOrPath, {"id": 1}, "neither steps nor path"),
    ],
)
def test_a_fault_names_place_and_field(model: type, raw: dict, said: str) -> None:
    with pytest.raises(InputError) as fault:
        check(model, raw, "f:1")
    assert said in str(fault.value)


def test_unknown_fields_are_no_fault() -> None:
    assert check(Task, {"id": "a", "problem": "p", "answer": 4, "x": [1]}, "f:1").answer == 4


def test_a_path_is_known_by_id_and_sample() -> None:
    assert key_of({"id": "a"}) == ("a", 0) and key_of({"id": 1, "sample": 3}) == (1, 3)


def test_nulls_and_the_reasons_of_a_reject_are_left_out() -> None:
    raw = {"id": 1, "domain": None, "note": None, "error": "timeout", "detail": "d", "reply": "r"}
    assert settled(raw) == {"id": 1, "note": None}
    own = {"id": 1, "error": 0.5, "detail": "d"}  # a column of the user's own
    assert settled(own) == own


def test_a_problem_loses_what_belongs_to_a_path() -> None:
    raw = {"id": 1, "problem": "p", "path": "x", "sample": 2, "steps": [], "note": 1}
    assert settled(raw, of_problem=True) == {"id": 1, "problem": "p", "note": 1}
