import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlkd_cli.core.grading.dress import normalize, undress
from rlkd_cli.core.grading.rules import RULES


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.before)
def test_each_rule_does_what_its_example_says(rule) -> None:
    assert undress(rule.before) == rule.after


@given(st.text(alphabet=r"\{}()[]^_$0123456789abxR+-=.,;:! /frcsqtext²½√≤", max_size=40))
def test_undressing_never_fails_and_ends(text: str) -> None:
    assert isinstance(undress(text), str) and isinstance(normalize(text), str)


def test_raised_digits_are_powers_and_symbols_keep_their_case() -> None:
    assert undress("10²") == "10^2" and undress("2½") == r"\frac{5}{2}"
    assert normalize(r"\phi") != normalize(r"\Phi") and normalize("R") != normalize("r")
    assert normalize("Ellipse") == normalize(r"\text{ellipse}")
    assert normalize("10 11") != normalize("1011") and normalize("10,000") == normalize("10 000")
    assert normalize("(1,234)") != normalize("1234")
