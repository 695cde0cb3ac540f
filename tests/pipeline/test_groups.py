"""The groups of equal answers that a majority vote counts, and what many slow answers cost."""

import asyncio
import time

from rlkd_cli.benchmarks import benchmark
from rlkd_cli.core.question import question
from rlkd_cli.pipeline.evaluate import Summary
from rlkd_cli.reward.grading.grader import Grader

SLOW = r"\sum_{k=1}^{%d} \frac{\sin(k)}{k!}"


def summary(answers: list[str]) -> Summary:
    return Summary.of(
        {"id": "a", "sample": at, "prediction": one, "correct": False}
        for at, one in enumerate(answers)
    )


def grouped(answers: list[str], timeout: float, limit: float) -> list[str | None]:
    found, grader = summary(answers), Grader(timeout=timeout, workers=1)

    async def go() -> None:
        try:
            await found.group(grader, limit)
        finally:
            await grader.close()

    asyncio.run(go())
    return [key for key, _ in found.answers["a"]]


def test_the_same_mathematics_is_one_group() -> None:
    found = grouped([r"\sqrt{12}", "x+1", r"2\sqrt{3}", "1+x", "y"], 10, 60)
    assert found[0] == found[2] and found[1] == found[3] and len(set(found)) == 3


def test_many_slow_answers_end_with_the_limit() -> None:
    started = time.monotonic()
    found = grouped([SLOW % (9000 + at) for at in range(20)], 0.5, 4)
    assert len(set(found)) == 20 and time.monotonic() - started < 60  # each pair alone: 95 s


def test_samples_that_were_asked_for_and_lack_are_reported() -> None:
    found = Summary.of(
        {"id": name, "sample": at, "prediction": "5", "correct": True}
        for name, runs in (("a", (0, 1, 3)), ("b", (0, 2, 3)))
        for at in runs
    ).metrics(4)
    assert found["missing samples"] == 2 and found["pass@3"] == 1
    asked = summary(["1"])
    asked.asked = 4
    assert asked.metrics(4)["missing samples"] == 3


def test_a_file_of_letters_is_asked_and_read_as_letters() -> None:
    row = benchmark("own.jsonl")
    asked = {"problem": "Which?", "answer": "B"}
    assert row.kind is None and "Answer: LETTER" in question(asked, kind=row.kind)
    assert "boxed" in question({"problem": "2+2", "answer": "4"}, kind=row.kind)
