"""The grader: pairs and paths read by a human, and properties on real reference answers."""

import asyncio
import json
import random
import re
from pathlib import Path

import pytest

from rlkd_cli.core.grading.grade import Grade
from rlkd_cli.core.grading.numbers import as_number
from rlkd_cli.reward.grading.grader import Grader
from tests.conftest import COLLECTED

HERE = Path(__file__).parent
REAL = COLLECTED / "data"  # real reference answers
PATHS = [
    (case["answer"], case["path"], case["right"])
    for case in map(json.loads, (HERE / "paths.jsonl").read_text("utf-8").splitlines())
]


def pairs(file: str) -> list[tuple[str, str]]:
    """(reference, prediction) of each line, as a careful human read them."""
    lines = (HERE / file).read_text("utf-8").splitlines()
    return [tuple(line.split(" | ", 1)) for line in lines]  # type: ignore[misc]


def grades(grader: Grader, asked: list[tuple[str, str]]) -> list[Grade]:
    """Grades of (path, reference) pairs."""

    async def go() -> list[Grade]:
        return list(await asyncio.gather(*(grader.grade(*one) for one in asked)))

    return asyncio.run(go())


def boxed(answers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(f"\\boxed{{{prediction}}}", gold) for gold, prediction in answers]


def test_what_is_the_same_is_right(grader: Grader) -> None:
    asked = pairs("same.txt")
    found = grades(grader, boxed(asked))
    assert [a for a, g in zip(asked, found, strict=True) if g.verdict != "correct"] == []
    assert all(grade.reason for grade in found)


def test_what_differs_is_not_right(grader: Grader) -> None:
    asked = pairs("different.txt")
    found = grades(grader, boxed(asked))
    assert [a for a, g in zip(asked, found, strict=True) if g.verdict == "correct"] == []


def test_answers_are_found_where_a_human_finds_them(grader: Grader) -> None:
    found = grades(grader, [(path, gold) for gold, path, _ in PATHS])
    wrong = [
        (case, grade)
        for case, grade in zip(PATHS, found, strict=True)
        if (grade.verdict == "correct") != case[2]
    ]
    assert wrong == []


def test_graders_by_name(grader: Grader) -> None:
    async def go() -> list[str]:
        ask = grader.grade
        return [
            (await ask(r"\boxed{0.5}", r"\frac12", grader="exact")).verdict,
            (await ask(r"\boxed{025}", "25", grader="integer")).verdict,
            (await ask(r"\boxed{25.0}", "25", grader="integer")).verdict,
            (await ask("Answer: b", "B", grader="letter")).verdict,
            (await ask("Answer: Paris", "B", choices=["Rome", "Paris"])).verdict,
            (await ask("Answer: B", "Paris", choices=["Rome", "Paris"])).verdict,
            (await ask(r"\boxed{\frac{24}{2}}", "12", choices=["10", "12"])).verdict,
            (await ask(r"\boxed{C}", "C", grader="math")).verdict,
            (await ask(r"\boxed{5}", "5", grader="letter")).verdict,
        ]

    right, wrong = "correct", "wrong"
    assert asyncio.run(go()) == [
        wrong,
        right,
        right,
        right,
        right,
        right,
        right,
        right,
        "unparsable",
    ]


def test_an_options_mathematics_counts_where_it_is_no_other_option(grader: Grader) -> None:
    async def go() -> list[str]:
        asked = [
            (r"\boxed{\sqrt{8}}", ["1", r"2\sqrt{2}", "3"]),
            (r"\boxed{\sqrt{8}}", [r"2\sqrt{2}", "2", "3"]),
            (r"\boxed{\frac{2}{4}}", ["A. 1", "B. 0.5"]),
            (r"\boxed{\sqrt{8}}", [r"\sqrt{8}+0", r"2\sqrt{2}"]),
        ]
        return [(await grader.grade(path, "B", choices=texts)).verdict for path, texts in asked]

    assert asyncio.run(go()) == ["correct", "wrong", "correct", "wrong"]


@pytest.mark.parametrize(
    ("answer", "right"),
    [("200+4", True), ("m+n=204", True), ("p+q+r = 204", True), (r"2\cdot 102", True),
     ("5!+84", True), ("-(204)", False), ("205-2", False), ("m-n=204", False), ("204.5", False)],
)  # fmt: skip
def test_integers_are_reckoned(answer: str, right: bool, grader: Grader) -> None:
    grade = asyncio.run(grader.grade(f"\\boxed{{{answer}}}", "204", grader="integer"))
    assert (grade.verdict == "correct") is right


DRESSES = (
    "${}$",
    r"\[{}\]",
    r"\mathbf{{{}}}",
    r"\boldsymbol{{{}}}",
    r"\textcolor{{blue}}{{{}}}",
    r"\color{{red}}{}",
    r"\displaystyle {}",
    r"\ {}\ ",
    r"\,{}\;",
    "{{{}}}",
    "**{}**",
    "{}.",
    "  {}  ",
)


@pytest.fixture(scope="module")
def golds() -> list[str]:
    if not (REAL / "math500.jsonl").is_file():
        pytest.skip("RLKD_TEST_CASES names no folder of real reference answers")
    found: list[str] = []
    for file in ("math500", "aime24", "aime25", "math_samples"):
        for line in (REAL / f"{file}.jsonl").read_text("utf-8").splitlines():
            found.append(str(json.loads(line)["answer"]))
    return found


def test_dress_never_changes_a_grade(golds: list[str], grader: Grader) -> None:
    draw = random.Random(0)
    asked = [(gold, draw.choice(DRESSES).format(gold)) for gold in golds for _ in range(2)]
    found = grades(grader, boxed(asked))
    assert [a for a, g in zip(asked, found, strict=True) if g.verdict != "correct"] == []


def changed(gold: str, draw: random.Random) -> str | None:
    """A reference with one digit, sign or function changed; None where it has none."""
    ways = []
    digits = list(re.finditer(r"\d", gold))
    if digits:
        place = draw.choice(digits)
        other = draw.choice([d for d in "123456789" if d != place[0]])
        ways.append(gold[: place.start()] + other + gold[place.end() :])
    for old, new in (("+", "-"), ("-", "+"), (r"\sin", r"\cos"), (r"\sqrt", r"\sin")):
        if old in gold and (old != "-" or not gold.startswith("-")):
            ways.append(gold.replace(old, new, 1))
    if gold.startswith("-"):
        ways.append(gold[1:])
    return draw.choice(ways) if ways else None


def test_another_digit_sign_or_function_is_another_answer(golds: list[str], grader: Grader) -> None:
    draw = random.Random(1)
    asked = [(gold, other) for gold in golds * 2 if (other := changed(gold, draw))]
    asked = [
        (gold, other)
        for gold, other in asked
        if as_number(gold) is None or as_number(gold) != as_number(other)
    ]
    found = grades(grader, boxed(asked))
    assert len(asked) > 1000
    assert [a for a, g in zip(asked, found, strict=True) if g.verdict == "correct"] == []


def test_hostile_answers_end(grader: Grader) -> None:
    hostile = [
        "9^{9^{9^9}}",
        "1" * 100_000,
        "{" * 2000 + "x" + "}" * 2000,
        r"(10^5)!",
        r"((5!)!)!",
        r"\int_0^1 x^{99} \sin(x^{77}) e^{x^3} dx",
        r"\sum_{k=1}^{9999} \frac{\sin(k)}{k!}",
        r"\binom{10^9}{10^8}",
        "x<" * 300 + "5",
        r"\frac{" * 100 + "1" + "}{2}" * 100,
    ]
    quick = Grader(timeout=1.0, workers=1)
    try:
        found = grades(quick, [(f"\\boxed{{{one}}}", r"\frac{1}{7}") for one in hostile])
    finally:
        asyncio.run(quick.close())
    assert {grade.verdict for grade in found} <= {"wrong", "unparsable", "timeout", "no_answer"}
