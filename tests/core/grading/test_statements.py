import pytest

from rlkd_cli.core.grading.statements import claimed, is_aside, statement
from rlkd_cli.core.grading.withdrawals import refused, taken_back


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        (". I made a sign error; the answer is 7.", "7"),
        (". A common error is this: the answer is 7.", None),
        (". Double-checking, the answer is $7$.", "7"),
        (". Checking: the answer is 7.", None),
        (". Sorry, 7.", "7"),
        (". Sorry, 7 apples.", None),
        (". It should be 7, not 5.", "7"),
        (". It should be 7.", None),  # what a check comes to
        (". The answer is not 5 but 7.", "7"),
        (". The answer is 5. Edit: 7.", "7"),
    ],
)
def test_what_a_text_states(text: str, stated: str | None) -> None:
    assert statement(text) == stated


def test_an_answer_is_taken_back_by_its_author() -> None:
    assert taken_back(". Hmm, that can't be right.") and taken_back(". I was wrong.")
    assert not taken_back(". The root is -7, but that can't be right.")
    assert not taken_back(". I was wrong to doubt it.")
    assert not taken_back(". That can't be right. We try it: yes, it is correct.")


def test_asides_refusals_and_claims() -> None:
    text = "Many students find that the answer is 7"
    assert is_aside(text, text.index("the answer")) and not is_aside("So the answer is 7", 3)
    assert refused(r"not \boxed{6}", 4, 13) and not refused(r"so \boxed{6}", 3, 12)
    assert claimed(r"$\frac12$, as said") == r"\frac12" and claimed("a good one") is None
