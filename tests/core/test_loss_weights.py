import pytest

from rlkd_cli.core.loss_weights import META, SOLVING, LossBalance, phase_weights, token_roles
from rlkd_cli.core.steps import StepText, render, spans


def test_a_token_that_straddles_two_parts_belongs_to_the_later_one() -> None:
    text = render([StepText("m", "q", "a")])
    edge = text.index("\n[Sub")
    found = spans(text)
    assert token_roles([(0, 5), (edge, edge + 1), (edge, edge + 3), (edge + 1, len(text))], found) == [
        META,
        META,
        SOLVING,
        SOLVING,
    ]


def test_a_token_outside_all_parts_is_an_error() -> None:
    with pytest.raises(ValueError, match="no part"):
        token_roles([(0, 3)], [])


def test_a_and_b_start_as_mean_losses_and_follow_their_ratio() -> None:
    balance = LossBalance(alpha=2)
    for loss in (3.0, 1.0):
        balance.update("meta", loss, 9.0)
    balance.update("solving", 9.0, 4.0)
    assert (balance.a, balance.b) == (2.0, 4.0)
    balance.update("mixed", 1.0, 3.0)
    assert (balance.a, balance.b) == (2.0, 4.0)  # only every alpha steps
    balance.update("mixed", 1.0, 1.0)
    assert (balance.a, balance.b) == pytest.approx((2.0, 4.0))  # 1 : 2 with a + b = 6
    balance.update("mixed", 2.0, 1.0)
    balance.update("mixed", 4.0, 1.0)
    assert (balance.a, balance.b) == pytest.approx((4.5, 1.5))
    assert LossBalance(**balance.state()) == balance


def test_phases_weigh_the_sets() -> None:
    assert phase_weights("meta", 5, 1) == (1, 0)
    assert phase_weights("solving", 5, 1) == (0, 1)
    assert phase_weights("mixed", 3, 1) == (1.5, 0.5)
