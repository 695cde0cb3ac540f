"""Records that could not be done: where they go, and whose they are."""

from pathlib import Path

from tests.conftest import read, write

SCORE = ("score", "teacher.jsonl", "students.jsonl", "--judge", "exact")
STEPS = [{"meta_reasoning": "m", "sub_problem": "q", "answer": "a"}]


def data(*ids: str) -> None:
    """A teacher, and a student of whom no other problem is known."""
    write(Path("teacher.jsonl"), [{"id": "known", "problem": "p", "path": "x", "steps": STEPS}])
    rows = [{"id": "known", "problem": "p", "path": "x", "steps": STEPS}]
    write(Path("students.jsonl"), rows + [{**rows[0], "id": one} for one in ids])


def test_two_outputs_do_not_share_a_file_of_rejects(rlkd) -> None:
    data("a", "b")
    first = (*SCORE, "--rejects", "lost.jsonl", "-o", "one.jsonl")
    assert rlkd(*first).status == 3
    before = Path("lost.jsonl").read_bytes()
    again = rlkd(*SCORE, "--rejects", "lost.jsonl", "-o", "two.jsonl")
    assert again.status == 2 and "lost.jsonl holds the rejects of something else" in again.err
    assert Path("lost.jsonl").read_bytes() == before and not Path("two.jsonl").exists()
    assert rlkd(*first).status == 3  # its own


def test_rejects_of_a_file_of_the_same_name_elsewhere_are_not_replaced(rlkd) -> None:
    data("a", "b")
    assert rlkd(*SCORE, "-o", "one/out.jsonl").status == 3
    lost = "one/out.jsonl.rejects.jsonl"
    before = Path(lost).read_bytes()
    again = rlkd(*SCORE, "--rejects", lost, "-o", "two/out.jsonl")
    assert again.status == 2 and "rejects of something else" in again.err
    assert Path(lost).read_bytes() == before


def test_a_finished_output_puts_its_rejects_where_they_are_wanted_now(rlkd) -> None:
    data("a", "b")
    command = (*SCORE, "-o", "out.jsonl")
    assert rlkd(*command).status == 3
    assert rlkd(*command, "--rejects", "elsewhere.jsonl").status == 3
    assert [row["id"] for row in read(Path("elsewhere.jsonl"))] == ["a", "b"]
    assert not Path("out.jsonl.rejects.jsonl").exists()  # no record stands in two places
    assert rlkd(*command, "--rejects", "elsewhere.jsonl").status == 3
    assert len(read(Path("out.jsonl"))) == 1


def test_rejects_that_are_gone_are_asked_again(rlkd) -> None:
    data("a")
    command = (*SCORE, "-o", "out.jsonl")
    assert rlkd(*command).status == 3
    Path("out.jsonl.rejects.jsonl").unlink()
    assert rlkd(*command).status == 3
    assert [row["id"] for row in read(Path("out.jsonl.rejects.jsonl"))] == ["a"]


def test_rejects_that_were_changed_are_named(rlkd) -> None:
    data("a", "b")
    command = (*SCORE, "-o", "out.jsonl")
    assert rlkd(*command).status == 3
    rejects = Path("out.jsonl.rejects.jsonl")
    rejects.write_text(rejects.read_text().splitlines(keepends=True)[0])
    result = rlkd(*command)
    assert result.status == 2 and f"{rejects} was changed" in result.err
