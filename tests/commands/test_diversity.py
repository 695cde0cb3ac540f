"""`rlkd diversity`: how much several paths of a question differ, step by step."""

from pathlib import Path

import pytest

from tests.conftest import segmentation, step, write


def test_diversity_of_several_files_with_questions_left_out(rlkd) -> None:
    def record(name: int, sample: int, *words: str) -> dict:
        steps = [{"meta_reasoning": w, "sub_problem": w, "answer": w} for w in words]
        return {"id": name, "sample": sample, "steps": steps}

    same = [record(i, k, "alpha beta") for i in range(3) for k in range(2)]
    mixed = [record(1, 0, "alpha", "x"), record(1, 1, "beta"), record(2, 0, "alpha")]
    write(Path("same.jsonl"), same)
    write(Path("mixed.jsonl"), mixed)
    flags = ["--embedder", "lexical", "--with", "same.jsonl", "--plot", "p.pdf"]
    result = rlkd("diversity", "mixed.jsonl", *flags)
    first = result.records[0]
    assert len(result.records) == 1 and (first["questions"], first["left_out"], first["paths"]) == (
        1,
        1,
        2,
    )
    assert first["diversity"] == pytest.approx(2**0.5) and Path("p.pdf").stat().st_size > 2000
    assert rlkd("diversity", "same.jsonl", "--embedder", "lexical").records[0][
        "diversity"
    ] == pytest.approx(1.0)


def test_a_table_is_made_anew_by_the_same_settings_only(rlkd) -> None:
    steps = [{"meta_reasoning": "m", "sub_problem": "q", "answer": "a"}]
    write(Path("in.jsonl"), [{"id": 1, "sample": k, "steps": steps} for k in range(2)])
    command = ["diversity", "in.jsonl", "--embedder", "lexical", "-o", "out.jsonl", "-q"]
    assert rlkd(*command).status == 0 and rlkd(*command).status == 0
    other = rlkd(*command, "--seed", "1")
    assert other.status == 2 and "seed" in other.err
    assert rlkd(*command, "--seed", "1", "--overwrite").status == 0
    Path("mine.jsonl").write_text("precious\n")
    assert (
        rlkd(*command[:-2], "mine.jsonl").status == 2
        and Path("mine.jsonl").read_text() == "precious\n"
    )


def test_diversity_of_samples(rlkd) -> None:
    same = [segmentation(1, step("a"), step("b"), sample=i) for i in range(2)]
    other = [segmentation(2, step("a"), sample=0), segmentation(2, step("zebra"), sample=1)]
    write(Path("in.jsonl"), same + other)
    records = rlkd("diversity", "in.jsonl", "--embedder", "lexical", "--plot", "d.png").records
    assert [(r["step"], r["questions"], r["paths"]) for r in records] == [(1, 2, 4), (2, 1, 2)]
    assert records[0]["diversity"] > records[1]["diversity"] == pytest.approx(1.0)
    assert Path("d.png").stat().st_size > 1000
