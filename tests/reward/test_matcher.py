"""The matcher: what is asked, when, and what a failure leaves."""

import asyncio

import pytest

from rlkd_cli.core.steps import Part, StepText
from rlkd_cli.errors import RecordError
from rlkd_cli.reward.judges.base import Judge
from rlkd_cli.reward.matcher import Matcher, Score, Strategy

TEACHER = [StepText("m1", "q1", "a1"), StepText("m2", "q2", "a2")]
STRATEGIES: list[Strategy] = ["lazy", "eager"]


class Table(Judge):
    """Says what a table has for (teacher, student); a text that it has not makes it fail."""

    name = "table"

    def __init__(self, likeness: dict[tuple[str, str], float]) -> None:
        self.likeness, self.asked = likeness, list[str]()

    def settle(self, part: Part, teacher: str, student: str) -> float | None:
        return 1.0 if teacher == student else None

    async def ask(self, part: Part, teacher: str, student: str) -> float:
        self.asked.append(teacher)
        await asyncio.sleep(0)
        if (teacher, student) not in self.likeness:
            raise RecordError("timeout", "late")
        return self.likeness[teacher, student]

    async def close(self) -> None:
        pass


def score(matcher: Matcher, *students: list[StepText]) -> list[Score]:
    async def go() -> list[Score]:
        return list(await asyncio.gather(*(matcher.score(TEACHER, s) for s in students)))

    return asyncio.run(go())


def test_lazy_asks_nothing_behind_a_step_that_does_not_match() -> None:
    judge = Table({("m1", "x"): 0.0})
    (found,) = score(Matcher(judge), [StepText("x", "y", "z"), *TEACHER[1:]])
    assert (found.reward, found.matched_steps, judge.asked) == (0.0, 0, ["m1"])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_failure_is_missing_and_asked_again(strategy: Strategy) -> None:
    judge = Table({})
    matcher = Matcher(judge, strategy=strategy)
    student = [StepText("m1", "q1", "other"), TEACHER[1]]
    (found,) = score(matcher, student)
    assert found.reward is None and found.verdicts[0].answer is None
    judge.likeness["a1", "other"] = 1.0
    (found,) = score(matcher, student)
    assert found.reward == 2.0 and judge.asked == ["a1", "a1"]
    score(matcher, student)
    assert judge.asked == ["a1", "a1"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_question_under_way_is_asked_once(strategy: Strategy) -> None:
    judge = Table({("m1", "x"): 0.6, ("m2", "y"): 0.4})
    student = [StepText("x", "q1", "a1"), StepText("y", "q2", "a2")]
    many = score(Matcher(judge, strategy=strategy), *[student] * 5)
    assert judge.asked == ["m1", "m2"] and {one.matched_steps for one in many} == {1}
    strict = score(Matcher(judge, threshold=0.7, strategy=strategy), student)
    assert strict[0].matched_steps == 0
    loose = score(Matcher(judge, threshold=0.3, strategy=strategy), student)
    assert loose[0].matched_steps == 2 and loose[0].likeness[1] == (0.4, 1.0, 1.0)
