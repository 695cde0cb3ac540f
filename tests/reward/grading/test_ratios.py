import pytest

from rlkd_cli.reward.grading.ratios import same_ratio, same_time


@pytest.mark.parametrize(
    ("gold", "answer", "same"),
    [("3:05", "03:05", True), ("3:05", "3:5", False), ("3:5", "3:05", False), ("2:00", "2", False),
     ("10:30", r"\frac{1}{3}", False), ("9:16", r"\frac{9}{16}", True), ("3:5", "6:10", None),
     ("3:30, 4:30", "4:30, 3:30", None)],
)  # fmt: skip
def test_a_time_is_no_ratio(gold: str, answer: str, same: bool | None) -> None:
    assert same_time(gold, answer) is same


@pytest.mark.parametrize(
    ("gold", "answer", "same"),
    [("1:2:3", "2:4:6", True), ("1:2:3", "2:4:5", False), ("1:2", "1:2:3", False),
     ("1:2", "0.5", True), (r"\frac{1}{2}", "2:4", True), ("12", "12:1", False),
     ("3", "6:2", False), (r"\sqrt{2}:1", r"2:\sqrt{2}", True), ("0:1", "0:2", False),
     ("5", "5", None), (r"\{x : x>2\}", r"(2,\infty)", None), ("x = 3:4", "3:4", None)],
)  # fmt: skip
def test_an_integer_is_no_ratio(gold: str, answer: str, same: bool | None) -> None:
    assert same_ratio(gold, answer) is same
