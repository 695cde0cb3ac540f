import gzip
import json
from pathlib import Path

import pytest

from tests.conftest import read, segmentation, step, write

TEACHER = [segmentation(1, step("a"), step("b")), segmentation("two", step("a"))]


def score(rlkd, student, **options):
    teacher = write(Path("teacher.jsonl"), TEACHER)
    flags = [
        word
        for name, value in options.items()
        for word in (f"--{name.replace('_', '-')}", value)
        if value is not True
    ]
    return rlkd("score", teacher, student, "--judge", "exact", "-q", *flags)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken", "s.jsonl:2: "),
        ("[1]", "s.jsonl:2: "),
        (
            '{"id": 1, "steps": [{"meta_reasoning": "m", "sub_problem": 3, "answer": "a"}]}',
            "s.jsonl:2: steps.0.sub_problem: ",
        ),
        ('{"steps": []}', "s.jsonl:2: id: "),
        ('{"id": true, "steps": []}', "s.jsonl:2: id: "),
        (
            json.dumps(segmentation("two", step("a"))),
            "s.jsonl:2: id: (id, sample) = ('two', 0) occurs twice",
        ),
    ],
)
def test_bad_input_stops_with_file_line_and_field(rlkd, line: str, message: str) -> None:
    Path("s.jsonl").write_text(json.dumps(segmentation("two", step("a"))) + f"\n{line}\n", "utf-8")
    result = score(rlkd, "s.jsonl")
    assert result.status == 2
    assert result.out == ""
    assert message in result.err and len(result.err.strip().splitlines()) == 1


def test_skip_invalid_makes_rejects_and_loses_nothing(rlkd) -> None:
    Path("s.jsonl").write_text(
        json.dumps(segmentation("two", step("a"))) + '\n{broken\n{"id": 3}\n', "utf-8"
    )
    write(Path("t.jsonl"), TEACHER)
    result = rlkd(
        "score", "t.jsonl", "s.jsonl", "--judge", "exact", "--skip-invalid", "-o", "out.jsonl"
    )
    assert result.status == 3
    assert len(read(Path("out.jsonl"))) == 1
    rejects = read(Path("out.jsonl.rejects.jsonl"))
    assert [r["error"] for r in rejects] == ["invalid_input", "invalid_input"]
    assert rejects[0]["line"].strip() == "{broken"


def test_rejects_hold_what_the_data_set_published(rlkd, server) -> None:
    turns = [{"role": "user", "content": "q"}, {"role": "model", "content": "a"}]
    rows = [{"messages": turns}, None]
    Path("in.json").write_text(json.dumps(rows))
    words = ["--model", server.url, "--no-verify", "--skip-invalid", "--rejects", "r", "-q"]
    assert rlkd("segment", "in.json", *words).status == 3
    first, second = read(Path("r"))
    assert first["messages"] == turns and second["value"] is None


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl.zst"])
def test_what_is_no_json_is_named(rlkd, name: str) -> None:
    Path(name).write_bytes(b"\x28\xb5\x2f\xfd")
    result = rlkd("segment", name, "--model", "replay/none", "--no-verify")
    assert result.status == 2 and result.err.count("\n") == 1 and f"{name}: is " in result.err


@pytest.mark.parametrize("name", ["s.jsonl.gz", "s.json", "s.parquet"])
def test_every_form_of_a_file_is_read(rlkd, name: str) -> None:
    records = [segmentation("two", step("a\u2028b"))]
    if name.endswith(".gz"):
        with gzip.open(name, "wt", encoding="utf-8") as out:
            out.write(json.dumps(records[0], ensure_ascii=False) + "\n")
    elif name.endswith(".json"):
        Path(name).write_text(json.dumps(records))
    else:
        import pyarrow as pa
        import pyarrow.parquet

        pyarrow.parquet.write_table(pa.Table.from_pylist(records), name)
    assert score(rlkd, name).records[0]["id"] == "two"


def test_an_empty_file_gives_an_empty_output(rlkd) -> None:
    Path("s.jsonl").write_text("")
    result = score(rlkd, "s.jsonl")
    assert (result.status, result.out) == (0, "")


PUBLISHED = {
    "openr1": {
        "problem": "p",
        "answer": "5",
        "generations": [r"\boxed{5}", r"\boxed{6}"],
        "correctness_math_verify": [True, False],
        "uuid": "u",
    },
    "openthoughts": {
        "problem": "p",
        "deepseek_reasoning": "r",
        "deepseek_solution": r"\boxed{5}",
        "domain": "biology",
        "answer": "5",
    },
    "s1k": {
        "question": "p",
        "solution": "5",
        "deepseek_thinking_trajectory": "t",
        "deepseek_attempt": r"\boxed{5}",
    },
    "limo": {"question": "p", "solution": r"\boxed{5}", "answer": "5"},
    "conversations": {
        "conversations": [
            {"from": "user", "value": "p"},
            {
                "from": "assistant",
                "value": (
                    "<|begin_of_thought|>t<|end_of_thought|><|begin_of_solution|"
                    ">\\boxed{5}<|end_of_solution|>"
                ),
            },
        ],
        "answer": "5",
    },
    "messages": {
        "id": 9,
        "messages": [
            {"role": "user", "content": "p"},
            {"role": "assistant", "content": r"\boxed{5}"},
        ],
        "answer": "5",
    },
    "paths": {
        "id": 1,
        "problem": "p",
        "answer": "5",
        "paths": [r"\boxed{5}", "none"],
        "extra": [1],
    },
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_columns_are_records(rlkd, name: str) -> None:
    write(Path("in.jsonl"), [PUBLISHED[name]])
    result = rlkd("eval", "--samples", "in.jsonl", "-q")
    assert result.status == 0, result.err
    first = result.records[0]
    assert (first["problem"], first["prediction"], first["correct"]) == ("p", "5", True)
    if name in ("openr1", "paths"):
        assert [(r["sample"], r["correct"]) for r in result.records] == [(0, True), (1, False)]


def test_map_renames_columns(rlkd) -> None:
    write(Path("in.jsonl"), [{"n": 1, "q": "p", "trace": r"\boxed{5}", "gold": "5"}])
    names = ["--map", "id=n", "--map", "problem=q", "--map", "path=trace", "--map", "answer=gold"]
    result = rlkd("eval", "--samples", "in.jsonl", *names)
    assert result.records[0]["correct"] is True
    missing = rlkd("eval", "--samples", "in.jsonl", "--map", "id=zzz")
    assert missing.status == 2 and "zzz" in missing.err


def test_limit_and_shard_choose_records(rlkd) -> None:
    write(
        Path("in.jsonl"),
        [{"id": i, "problem": "p", "path": r"\boxed{1}", "answer": "1"} for i in range(5)],
    )
    ids = [
        r["id"]
        for shard in ("1/2", "2/2")
        for r in rlkd("eval", "--samples", "in.jsonl", "--shard", shard, "-q").records
    ]
    assert sorted(ids) == [0, 1, 2, 3, 4]
    assert [r["id"] for r in rlkd("eval", "--samples", "in.jsonl", "--limit", "2").records] == [
        0,
        1,
    ]
    assert rlkd("eval", "--samples", "in.jsonl", "--shard", "3/2").status == 2
    assert rlkd("eval", "--samples", "in.jsonl", "--shard", "1/99999999999999999999").status == 2
