"""Judges are rows of a table: whoever adds a file and a row has a judge."""

from pathlib import Path
from typing import Self

import pytest

from rlkd_cli.core.steps import Part
from rlkd_cli.reward.judges import JUDGES
from rlkd_cli.reward.judges.base import Judge, Means
from tests.conftest import segmentation, step, write


class FirstLetter(Judge):
    """Texts that begin alike."""

    summary = "the first letter"
    name = "first-letter"

    @classmethod
    def open(cls, means: Means) -> Self:
        return cls()

    def settle(self, part: Part, teacher: str, student: str) -> float | None:
        return None

    async def ask(self, part: Part, teacher: str, student: str) -> float:
        return float(teacher[:1] == student[:1])


def test_a_judge_is_added_by_a_file_and_a_row(rlkd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(JUDGES, "first-letter", FirstLetter)
    write(Path("t.jsonl"), [segmentation(1, step("gems", "4"))])
    write(Path("s.jsonl"), [segmentation(1, step("books", "5"))])
    words = ["score", "t.jsonl", "s.jsonl", "--judge", "first-letter", "-q"]
    (record,) = rlkd(*words).records
    verdict = {"meta_reasoning": True, "sub_problem": True, "answer": False}
    assert (record["reward"], record["verdicts"]) == (0.5, [verdict])
    refused = rlkd(*words, "--threshold", "0.5")
    assert refused.status == 2 and "--judge first-letter only answers yes or no" in refused.err


@pytest.mark.parametrize("name", JUDGES)
def test_every_judge_is_in_the_help(rlkd, name: str) -> None:
    text = " ".join(rlkd("score", "--help").out.replace("│", " ").split())
    assert f"`{name}` ({JUDGES[name].summary})" in text
