import asyncio

import pytest

from rlkd_cli.core.grading.grade import extract_answer, grade_simple
from rlkd_cli.core.grading.screen import screen
from rlkd_cli.reward.grading.grader import Grader


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (r"so \boxed{5}", "5"),
        (r"\boxed{1} no, \boxed{2}", "2"),
        (r"<think>\boxed{1}</think> It is \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"<think>\boxed{1}", None),
        (r"<think>\boxed{1}</think> done", None),
        (r"<think>x</think><answer>12</answer>", "12"),
        (r"<answer>it is \boxed{3}</answer>", "3"),
        (r"\boxed{", None),
        (r"\boxed{}", None),
        ("the answer is 7", None),
        ("What is 7 + 0? The problem says 7, and 7 it is.", None),
    ],
)
def test_where_the_answer_is_looked_for(path: str, answer: str | None) -> None:
    assert extract_answer(path) == answer


def test_letters_count_where_the_reference_is_one() -> None:
    assert extract_answer("Answer: (C) because", "C") == "C"
    assert extract_answer("Answer: (C)", "12") is None


@pytest.mark.parametrize(
    ("prediction", "reference", "verdict"),
    [
        ("025", "25", "correct"),
        ("1,024", "1024", "correct"),
        ("１２", "12", "correct"),
        (r"\frac{2}{4}", r"\frac{1}{2}", "correct"),
        (r"\text{Evelyn}", "Evelyn", "correct"),
        ("[-2,7]", "[-2, 7]", "correct"),
        ("26", "25", "wrong"),
        ("-2≤x≤7", "[-2,7]", "correct"),
        (r"(1,2)", r"[1,2]", "wrong"),
        (r"\{1,2,3\}", r"\{3,2,1\}", "correct"),
        ("(2, 1)", "(1,2)", "wrong"),
        (
            r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
            r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}",
            "correct",
        ),
        (
            r"\begin{pmatrix}1&2\\3&5\end{pmatrix}",
            r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}",
            "wrong",
        ),
        ("50%", r"50\%", "correct"),
        (r"5\text{ cm}", "5", "correct"),
        (r"12\ \mathrm{km}", "12", "correct"),
        (r"90^\circ", "90", "correct"),
        (r"\$5.00", "5", "correct"),
        (r"1\frac{1}{2}", r"\frac{3}{2}", "correct"),
        ("1 1/2", r"\frac{3}{2}", "correct"),
        ("1 1/2", "11/2", "wrong"),
        (r"10{,}000", "10000", "correct"),
        (r"\text{(B)}", "B", "correct"),
        ("(B) 12", "B", "correct"),
        ("A", "B", "wrong"),
        ("١٢", "12", "correct"),
        ("x=5", "5", "correct"),
        (r"2\sqrt{3}", r"\sqrt{12}", "correct"),
        ("3.14159", r"\pi", "wrong"),
        ("x^2+2x+1", "(x+1)^2", "correct"),
        (r"5!", "120", "correct"),
        (r"10^{99999999}", "5", "unparsable"),
        (r"(10^5)!", "5", "unparsable"),
        ("{" * 3, "5", "no_answer"),
        (r"\frac{1}{3}", r"\frac{1}{2}", "wrong"),
        ("9^{9^{9^9}}", "5", "unparsable"),
        ("1" * 100_000, "5", "unparsable"),
        ("{" * 50 + "x" + "}" * 50, "5", "unparsable"),
    ],
)
def test_verdicts(prediction: str, reference: str, verdict: str, grader: Grader) -> None:
    assert asyncio.run(grader.grade(f"\\boxed{{{prediction}}}", reference)).verdict == verdict


def test_a_cut_path_without_an_answer_is_truncated() -> None:
    grade = grade_simple("and so", "5", truncated=True)
    assert grade is not None and grade.verdict == "truncated"


def test_time_out_is_a_verdict_and_the_next_answer_is_graded(grader: Grader) -> None:
    slow = Grader(timeout=0.01, workers=1)
    try:
        assert asyncio.run(
            slow.compare(r"\sum_{k=1}^{99} \sin(k)^{99}", r"\int_0^1 x^{99} e^{x}")
        ) in (
            "timeout",
            "unparsable",
            "wrong",
        )
    finally:
        asyncio.run(slow.close())
    assert asyncio.run(grader.compare(r"\frac{3}{6}", "0.5")) == "correct"


def test_ordinary_answers_pass_the_screen() -> None:
    for answer in (r"\frac{\sqrt{3}}{2}", "x^2+3", r"(1, \frac{\pi}{2})", "2^{10}"):
        assert screen(answer) is None


def test_verdicts_do_not_depend_on_order_load_or_the_number_of_workers() -> None:
    answers = [rf"\frac{{{i}}}{{{2 * i}}}" for i in range(1, 30)] + [
        rf"\sqrt{{{i}}}" for i in range(30)
    ]

    def verdicts(order: list[str], workers: int) -> dict[str, str]:
        grader = Grader(workers=workers)

        async def go() -> dict[str, str]:
            return dict(
                zip(
                    order,
                    await asyncio.gather(*(grader.compare(a, "0.5") for a in order)),
                    strict=True,
                )
            )

        try:
            return asyncio.run(go())
        finally:
            asyncio.run(grader.close())

    first = verdicts(answers, 1)
    assert list(first.values()).count("correct") == 29
    assert verdicts(answers[::-1], 3) == first
