"""The total reward: missing and worthless are two things."""

import pytest

from rlkd_cli.reward.total import Parts, Weights, format_reward, tag_reward, total_reward

WEIGHTS = Weights(structure=2.0, outcome=3.0, format=0.0, tags=0.0)


def test_a_weighted_sum() -> None:
    assert total_reward(Parts(outcome=1.0, structure=0.25), WEIGHTS) == 3.5
    assert total_reward(Parts(outcome=0.0, structure=0.0), WEIGHTS) == 0.0


def test_a_part_that_weighs_and_is_missing_makes_the_total_missing() -> None:
    assert total_reward(Parts(outcome=1.0), WEIGHTS) is None
    assert total_reward(Parts(outcome=1.0, structure=None, format=1.0), WEIGHTS) is None
    assert total_reward(Parts(outcome=1.0), Weights(0.0, 3.0)) == 3.0
    assert total_reward(Parts(outcome=1.0), Weights(0.0, 0.0)) is None


def test_without_a_reference_no_outcome_is_expected() -> None:
    assert WEIGHTS.of({"id": 1}) == Weights(2.0, 0.0) and WEIGHTS.of({"answer": 0}) == WEIGHTS


@pytest.mark.parametrize(
    ("path", "reward"),
    [
        ("<think>a</think>b", 1.0),
        ("a</think>\n\nb", 1.0),  # the template opened the thinking
        ("<think>a</think>", 0.0),
        ("<think>a", 0.0),
        ("a", 0.0),
        ("<think></think>b", 0.0),
        ("<think>a</think>b<think>c</think>d", 0.0),
    ],
)
def test_one_closed_block_of_thinking_with_something_behind_it(path: str, reward: float) -> None:
    assert format_reward(path) == reward


def test_a_quarter_for_each_tag_that_stands_once() -> None:
    whole = "<think>\na\n</think>\n<answer>\nb\n</answer>"
    assert tag_reward(whole) == tag_reward(whole.removeprefix("<think>\n")) == 1.0
    assert tag_reward(whole.replace("\n</answer>", "")) == 0.75
    assert tag_reward(whole + "\n<answer>\nc\n</answer>") == 0.5
