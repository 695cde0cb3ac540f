import time
import tracemalloc

import pytest

from rlkd_cli.core.grading.answers import boxes, find
from rlkd_cli.core.grading.grade import extract_answer, grade_simple

LONG = 100_000  # characters
PIECES = [
    "\\boxed{", "\\boxed{1}", "\\boxed", "\\boxed 5 ", "\\boxed{1},", "\\boxed{1} or ", "<answer>",
    "<answer>5</answer>", "</answer>", "<think>", "</think>", "[THINK]", "{", "}", "\\", "$", " ",
    "answer is ", "Answer: B ", "答案是", "the answer is a ", "(B) ", "I choose ", "\n", "*", "1",
    "^", "9^{", "(", "\\frac{", "\\text{", "Wait, that is wrong. ", "²", "answer" + " " * 30,
    "Actually, it's ", "I meant ", "correction: ", "No, wait, ", "B is correct. ",
    "D is also correct ", "#### B", "not \\boxed{5} ", "\\boxed{5} is wrong ", "maybe ", "$B$ ",
    "The answer is $B", "Ans. ", "The answer is (B) x", "<think", "<|begin_of_", "<step_by_step_",
    "<chain_of_", "[REASONING", "</|", "for x = ", "if ", "that is wrong ",
    "Sorry, ", ". Wait, no: ", ". It should be 7 ", "I found an ", "there is an error above ",
    ". Hmm, that can't be ", "Edit: ", "the true value is ", "not 5 but ", ". I was wrong", ", ",
    "<final_answer>", "answer - B ", "the answer is Paris, ", "corresponds to option B ", "[[B]] ",
    "E. coli ", "the answer is not B but ", "\\over ", "\\ce{", "\\prime", "m ", "kJ mol^{-1} ",
    ", n \\in Z", "or ", ":", "twenty-one ",
]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_a_text_that_loops_is_answered_in_one_pass(piece: str) -> None:
    """Where it is not, these take minutes; `benchmarks/grading.py` prints the seconds of a
    million characters.
    """
    text = (piece * (LONG // len(piece) + 1))[:LONG]
    started = time.process_time()
    tagged = "<answer>" + text + "</answer>"
    for path in (text, text + "\\boxed{5}", "\\boxed{5}" + text, "\\boxed{" + text + "}", tagged):
        for reference in ("5", "B"):
            if grade_simple(path, reference, choices=["Rome", "Paris"]) is None:
                extract_answer(path, reference)
    assert time.process_time() - started < 15


NESTED = [("\\boxed{", "}"), ("\\boxed{\\boxed{1}", "}"), ("{\\fbox{", "}}"), ("\\boxed{1 ", "}")]


@pytest.mark.parametrize(("opening", "closing"), NESTED)
def test_boxes_in_boxes_take_no_more_than_their_length(opening: str, closing: str) -> None:
    """Where each box's text is copied, these take gigabytes."""
    count = LONG // len(opening + closing)
    text = opening * count + "5" + closing * count
    started = time.process_time()
    tracemalloc.start()
    found, unclosed = boxes(text)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 1 and unclosed is None and most < 100_000_000
    for reference in ("5", "B"):
        grade_simple(text, reference)
    assert time.process_time() - started < 30


def test_boxes_in_one_pass() -> None:
    found, unclosed = boxes(r"\boxed{a{b}c} \fbox{2} \boxed{\boxed{3}} \boxed{4")
    assert [box.content for box in found] == ["a{b}c", "2", r"\boxed{3}"] and unclosed is not None
    assert boxes("no b0x") == ([], None)


def test_an_unfinished_box_counts_where_its_line_is_finished() -> None:
    assert find(r"\boxed{7") is None and find(r"\boxed{5} \boxed{7") is None
    assert find("\\boxed{7\n\nDone.").answer == "7"  # type: ignore[union-attr]
    assert find(r"\boxed{\frac{1}{2}.").answer == r"\frac{1}{2}"  # type: ignore[union-attr]
    assert find(r"\boxed{\frac{1}{2}.", truncated=True) is None


def test_boxes_side_by_side_are_one_answer() -> None:
    assert find(r"\boxed{3} or \boxed{5}").parts == ("3", "5")  # type: ignore[union-attr]
    assert find(r"First \boxed{3}. Then \boxed{5}.").answer == "5"  # type: ignore[union-attr]
    assert find(r"a=\boxed{1}, so b=\boxed{2}", "1,2").answer == "1, 2"  # type: ignore[union-attr]
