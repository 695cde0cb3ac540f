"""Grades that deserve a look."""

import asyncio

from rlkd_cli.pipeline.doubtful import doubtful
from rlkd_cli.reward.grading.grader import Grader


def test_doubtful_pairs_are_those_that_one_way_accepts(grader: Grader) -> None:
    records = [
        {"id": 1, "answer": r"2\sqrt{3}", "prediction": r"\sqrt{12}", "verdict": "correct"},
        {"id": 2, "answer": "0.5", "prediction": r"\frac12", "verdict": "correct"},
        {"id": 3, "answer": "7", "prediction": "8", "verdict": "wrong"},
        {"id": 4, "answer": r"\text{Yes}", "prediction": "yes", "verdict": "correct"},
        {"id": 5, "answer": "7", "prediction": None, "verdict": "no_answer"},
    ]
    found = asyncio.run(doubtful(records, grader))
    assert [(one["id"], one["accepted_by"]) for one in found] == [(1, "algebra"), (4, "text")]
