from hypothesis import given
from hypothesis import strategies as st

from rlkd_cli.core.grading.shape import (
    alternatives,
    bracket,
    has_words,
    is_label,
    relation,
    says_either,
    split_top,
    values,
    with_names_of,
)
from rlkd_cli.core.grading.units import measure, units_agree


def test_values_of_a_list() -> None:
    assert values(r"1,-2") == ["1", "-2"] and values("(1,2),(3,4)") == ["(1,2)", "(3,4)"]
    assert values(r"1 \pmod 4") == [r"1 \pmod 4"]
    assert values(r"\text{Alice and Bob}") == [r"\text{Alice}", r"\text{Bob}"]


def test_or_is_not_and_between_names_and_statements_of_several_unknowns() -> None:
    either = [r"\text{Alice or Bob}", "x=1 or y=2", "x>0 or y>0", "x=1,y=2 or x=2,y=1", "P or Q"]
    lists = [
        "x=1 or x=2",
        "1 or 2",
        "x=1, y=2",
        r"x=1 and y=2",
        r"\text{Alice, Bob}",
        "x=1, 2 or 3",
    ]
    assert [says_either(text) for text in either + lists] == [True] * 5 + [False] * 6
    assert alternatives("x=1, y=2 or x=2, y=1") == ["x=1, y=2", "x=2, y=1"]
    assert alternatives(r"\text{Ann, Bob or Cy}") == [r"\text{Ann}", r"\text{Bob}", r"\text{Cy}"]


def test_relations_labels_and_brackets() -> None:
    assert relation("F=ma") == (["F", "ma"], ["="])
    assert is_label("f(x)") and is_label("(x,y)") and not is_label("2x") and not is_label(r"\pi")
    assert bracket("[0,1)") == ("[", "0,1", ")") and bracket("(1)(2)") is None
    assert has_words(r"\text{any } 3") and not has_words(r"x_{\text{max}}")


def test_units() -> None:
    assert measure(r"5\text{ km/h}").unit == "km/h" and measure("12 km").unit == "km"
    assert measure(r"3:30\text{ p.m.}").unit == "pm" and measure("2x").unit == ""
    assert measure(r"864 \text{ square inches}") == measure(r"864\text{ in}^2")
    assert units_agree("", "km") and not units_agree("m", "km")
    assert units_agree("noun side", "noun equal side") and not units_agree(
        "noun pear", "noun apple"
    )


def test_units_side_by_side_are_one_unit() -> None:
    written = (r"5\text{ kJ/mol}", r"5 {kJ mol^{-1}}", r"5 \text{ kJ} \cdot \text{mol}^{-1}")
    assert {measure(text) for text in written} == {("5", "kJ/mol")}
    assert measure(r"5 \Omega") == measure("5 \\text{ohms}") and measure(r"2\Omega").unit == ""
    assert measure("2 g h").unit == "" and measure("2nm").unit == ""


def test_names_of_integers_that_run_through_all_are_free() -> None:
    gold, other = r"n\pi, n\in \mathbb{Z}", r"k\pi, k\in \mathbb{Z}"
    assert with_names_of(gold, other) == gold
    assert with_names_of(gold, r"nk, k\in \mathbb{Z}") == r"nk, k\in \mathbb{Z}"
    assert with_names_of("n", other) == other


@given(st.text(alphabet="(){}[]\\,;ab12 =<>", max_size=30))
def test_cutting_loses_nothing_but_separators(text: str) -> None:
    assert "".join(split_top(text, ",")).replace(" ", "") == "".join(
        part.replace(" ", "") for part in split_top(text, ",")
    )
