"""Small inputs that went wrong once: made here, and the files themselves where they are at hand."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from tests.conftest import COLLECTED, ROOT, read, segmentation, step, write
from tests.servers.scripted import Response

FOUND = COLLECTED / "faults/data"
PLAIN = {"problem": "What is 1+1?", "path": "1+1 is 2"}
ROWS = [{"id": i, "problem": f"What is {i}+1?", "path": f"{i}+1 is {i + 1}"} for i in range(20)]
STEPS = [segmentation(i, step("part 1"), step("part 2")) for i in range(3)]
OPENR1 = {
    **{"problem": "p", "solution": "s", "answer": "4", "uuid": "u1", "correctness_llama": None},
    "generations": ["<think>a</think> \\boxed{4}", "<think>cut"],
    "finish_reasons": ["stop", "length"],
    "correctness_math_verify": [True, False],
    "is_reasoning_complete": [True, False],
    "messages": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "a"}],
}
NULL = {"deepseek_solution": None, "domain": "math"}
REPLY = {"role": "assistant", "content": "The answer is 2."}
LINES = {
    "neg.jsonl": [{"id": -1, **PLAIN}, {"id": -2, **PLAIN}],
    "ot_null.jsonl": [
        {"problem": "What is 1+1?", "deepseek_reasoning": None, **NULL},
        {"problem": "What is 1+2?", "deepseek_reasoning": "3", **NULL},
    ],
    "openr1.jsonl": [OPENR1],
    "omr.jsonl": [
        {"expected_answer": "4", "problem": "2+2?", "generated_solution": "<think>t</think>4"}
    ],
    "msg_rc.jsonl": [
        {
            "id": 1,
            "messages": [
                {"role": "user", "content": "What is 1+1?"},
                {**REPLY, "reasoning_content": "One and one is two because of this."},
            ],
        }
    ],
    "map_missing.jsonl": [
        {"id": 1, "problem": "a", "trace": "x"},
        {"id": 2, "problem": "b"},
        {"id": 3, "problem": "c", "trace": "z"},
    ],
    "teach.jsonl": [*STEPS[:2], {"id": 2, "steps": "oops"}],
    "seg.jsonl": STEPS,
    "p3.jsonl": ROWS[:3],
    "p20.jsonl": ROWS,
}
TABLES = {
    "nulls.parquet": [
        {"id": 1, **PLAIN, "domain": "math", "sample": 0},
        {"id": 2, **PLAIN, "domain": None, "sample": None},
    ],
    "date.parquet": [{"id": 1, **PLAIN, "created": datetime(2024, 1, 2)}],
}


def make(folder: Path) -> Path:
    """One small input of each kind."""
    import pyarrow
    from pyarrow import parquet

    folder.mkdir()
    for name, records in LINES.items():
        write(folder / name, records)
    for name, records in TABLES.items():
        parquet.write_table(pyarrow.Table.from_pylist(records), folder / name)
    (folder / "mixed.json").write_text(json.dumps([{"id": 1, **PLAIN}, "just a string", 7]))
    noise = [{"id": i, "problem": "p", "path": os.urandom(600).hex()} for i in range(300)]
    whole = gzip.compress("".join(json.dumps(record) + "\n" for record in noise).encode())
    (folder / "trunc.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture(params=["made", "found"])
def data(request, tmp_path) -> Path:
    if request.param == "made":
        return make(tmp_path / "made")
    if not FOUND.is_dir():
        pytest.skip("RLKD_TEST_CASES names no folder of inputs")
    return FOUND


@pytest.fixture
def segment(rlkd, server, data):
    def call(name: str, *more: object):
        server.requests.clear()
        return rlkd("segment", data / name, "--model", server.url, "--no-verify", "-q", *more)

    return call


def test_each_kind_is_made_here(data) -> None:
    made = {*LINES, *TABLES, "mixed.json", "trunc.jsonl.gz"}
    assert {file.name for file in data.iterdir()} <= made


def test_an_input_is_never_written_over(rlkd, server, data, tmp_path) -> None:
    copy = Path(shutil.copy(data / "p3.jsonl", tmp_path / "copy.jsonl"))
    before = copy.read_bytes()
    Path("link.jsonl").symlink_to(copy)
    for flag in ("-o", "--rejects"):
        words = ["segment", copy, "--model", server.url, "--no-verify", "--overwrite"]
        assert rlkd(*words, flag, "link.jsonl").status == 2
    assert copy.read_bytes() == before and not server.requests


def test_an_input_cut_after_a_death_is_refused(rlkd, server, data, tmp_path) -> None:
    copy = Path(shutil.copy(data / "p20.jsonl", tmp_path / "copy.jsonl"))
    command = ["segment", copy, "--model", server.url, "--no-verify", "-o", "o.jsonl"]
    server.script = lambda request, number: Response(status=401) if number >= 8 else Response()
    assert rlkd(*command, "--concurrency", "1").status == 1
    copy.write_text("".join(copy.read_text().splitlines(keepends=True)[:3]))
    server.script = lambda request, number: Response()
    cut = rlkd(*command)
    assert cut.status == 2 and "copy.jsonl" in cut.err and not Path("o.jsonl").exists()


def prompts(server) -> str:
    return json.dumps(server.requests)


def test_a_cut_gzip_file(rlkd, server, segment, data) -> None:
    for result in (
        segment("trunc.jsonl.gz", "-o", "o.jsonl"),
        rlkd("sample", data / "trunc.jsonl.gz", "--model", server.url),
        rlkd("eval", "--bench", data / "trunc.jsonl.gz", "--model", server.url),
    ):
        assert result.status == 2 and "trunc.jsonl.gz" in result.err, result.err
        assert len(result.err.strip().splitlines()) == 1
    assert not server.requests and not Path("o.jsonl").exists()


def test_negative_ids_are_two(segment) -> None:
    assert [r["id"] for r in segment("neg.jsonl").records] == [-1, -2]


def test_null_in_optional_columns(segment) -> None:
    result = segment("nulls.parquet")
    assert result.status == 0, result.err
    assert not any(value is None for record in result.records for value in record.values())


def test_dates_are_text(segment) -> None:
    result = segment("date.parquet")
    assert result.status == 0, result.err
    assert any("-" in str(value) for value in result.records[0].values())


def test_a_null_solution_is_no_text(segment, server) -> None:
    stopped = segment("ot_null.jsonl")
    assert stopped.status == 2 and "path" in stopped.err and not server.requests
    result = segment("ot_null.jsonl", "--skip-invalid", "--rejects", "r")
    assert result.status == 3 and len(result.records) == len(read(Path("r"))) == 1
    assert result.records[0]["path"] == "<think>\n3" and "None" not in prompts(server)


def test_openr1_rows(rlkd, server, data) -> None:
    server.script = lambda request, number: Response(r"\boxed{4}")
    result = rlkd("sample", data / "openr1.jsonl", "--model", server.url, "--n", "3", "-q")
    assert [(r["id"], r["sample"]) for r in result.records] == [("u1", 0), ("u1", 1), ("u1", 2)]
    graded = rlkd("eval", "--samples", data / "openr1.jsonl", "-q").records
    assert [r["finish_reason"] for r in graded] == ["stop", "length"]
    assert [r["correctness_math_verify"] for r in graded] == [True, False]
    assert [r["is_reasoning_complete"] for r in graded] == [True, False]
    assert [r["verdict"] for r in graded] == ["correct", "truncated"]


def test_rows_without_ids(segment) -> None:
    result = segment("omr.jsonl", "--map", "path=generated_solution")
    assert result.status == 0 and result.records[0]["id"] == 1
    assert result.err.count("using row numbers") == 1


def test_reasoning_beside_the_content(segment, server) -> None:
    result = segment("msg_rc.jsonl")
    assert "One and one is two because" in result.records[0]["path"]
    assert result.records[0]["path"].endswith("</think>\n\nThe answer is 2.")


def test_a_mapped_column_that_is_missing(segment) -> None:
    result = segment("map_missing.jsonl", "--map", "path=trace", "--skip-invalid", "--rejects", "r")
    assert result.status == 3 and [r["id"] for r in result.records] == [1, 3]
    assert [r["id"] for r in read(Path("r"))] == [2] and "trace" in read(Path("r"))[0]["detail"]


def test_values_of_a_list_that_are_no_objects(segment) -> None:
    result = segment("mixed.json", "--skip-invalid", "--rejects", "r")
    assert result.status == 3 and len(result.records) == 1
    assert [r["value"] for r in read(Path("r"))] == ["just a string", 7]


def test_a_broken_teacher_in_a_pipe_is_one_line(data) -> None:
    command = [sys.executable, "-m", "rlkd_cli", "score", "-", str(data / "seg.jsonl")]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (data / "teach.jsonl").open("rb") as teacher:
        run = subprocess.run(
            [*command, "--judge", "exact"], stdin=teacher, capture_output=True, text=True, env=env
        )
    assert run.returncode == 2 and run.stderr.strip().splitlines() == [run.stderr.strip()]
    assert "-:3: steps" in run.stderr


def test_gzip_that_was_damaged_in_its_middle(segment, data, tmp_path) -> None:
    whole = gzip.compress((data / "p20.jsonl").read_bytes())
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(whole[:60] + bytes(20) + whole[80:])
    result = segment(str(broken))
    assert result.status == 2 and "broken.jsonl.gz" in result.err
