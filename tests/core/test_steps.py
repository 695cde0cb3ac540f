import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlkd_cli.core.steps import ParseError, StepText, parse, render, spans

ONE = [StepText("why a", "what is a?", "1")]
TWO = [*ONE, StepText("why b", "what is b?", "2")]


@pytest.mark.parametrize(
    "text",
    [
        render(TWO),
        render(TWO, "2"),
        "[Transformed Response]:\n\n" + render(TWO),
        "```\n" + render(TWO) + "\n```",
        "Here are the steps:\n```text\n" + render(TWO) + "\n```\nThat is all of them.",
        "[Meat-reasoning 1]: why a\n[Sub-problem 1]: what is a? [Answer 1]: 1 -\n"
        "[sub-think 2]: why b\n[Query 2]: what is b?\n[Answer 2]: 2\n\nSo the final answer is: 2.",
        "**[Meta-reasoning 1]:** why a\n**[Sub-problem 1]:** what is a?\n**[Answer 1]**: 1\n"
        "[Meta-reasoning 2]: why b\n[Sub-problem 2]: what is b?\n[Answer 2]: 2",
    ],
)
def test_the_forms_found_in_the_wild_are_read(text: str) -> None:
    assert parse(text) == TWO


def test_a_part_may_have_several_lines() -> None:
    code = "def f():\n    return [1]\n\nprint(f())"
    assert parse(render([StepText("m", "q", code)]))[0].answer == code


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no steps here", "no step"),
        ("", "no step"),
        ("[Meta-reasoning 1]: a\n[Answer 1]: 1", "expected sub_problem 1, found answer 1"),
        ("[Meta-reasoning 1]: a\n[Sub-problem 1]: q", "lacks its answer"),
        ("[Meta-reasoning 1]: a\n[Sub-problem 1]:\n[Answer 1]: 1", "sub_problem 1 is empty"),
        (render(TWO).replace("2]", "3]"), "expected meta_reasoning 2, found meta_reasoning 3"),
        ("[Sub-problem 1]: q\n[Answer 1]: 1", "expected meta_reasoning 1"),
    ],
)
def test_what_is_no_whole_sequence_fails_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        parse(text)


part = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="[]-"), min_size=1
).filter(lambda t: t.strip() and "final answer" not in t.lower())


@given(st.lists(st.builds(StepText, part, part, part), min_size=1, max_size=4))
def test_what_is_rendered_reads_back(steps: list[StepText]) -> None:
    assert parse(render(steps)) == [StepText(*(text.strip() for text in step)) for step in steps]


def test_spans_cover_the_text_and_the_closing_line_is_solving() -> None:
    text = render(TWO, "2")
    found = spans(text)
    assert "".join(text[s.start : s.end] for s in found) == text
    assert [s.owner for s in found] == ["meta", "solving", "solving", "meta", "solving", "solving"]
    assert text[found[0].start : found[0].end] == "[Meta-reasoning 1]: why a\n"
    assert text[found[-1].start : found[-1].end].endswith("So the final answer is: 2")


def test_long_space_takes_no_longer_than_other_text() -> None:
    space = "\n" * 300_000  # minutes, were it not linear
    with pytest.raises(ParseError, match="meta_reasoning 1 is empty"):
        parse(f"[Meta-reasoning 1]:{space}")
    text = f"[Meta-reasoning 1]: m\n[Sub-problem 1]: q\n[Answer 1]: a{space}"
    assert parse(f"{text}So the final answer is: 7")[0].answer == "a"
