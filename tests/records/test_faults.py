"""Small inputs that went wrong once, kept beside the project; skipped where they are not."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import COLLECTED, ROOT, read
from tests.servers.scripted import Response

DATA = COLLECTED / "faults/data"
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="RLKD_TEST_CASES names no folder of inputs"
)


@pytest.fixture
def segment(rlkd, server):
    def call(name: str, *more: object):
        server.requests.clear()
        return rlkd("segment", DATA / name, "--model", server.url, "--no-verify", "-q", *more)

    return call


def prompts(server) -> str:
    return json.dumps(server.requests)


def test_a_cut_gzip_file(rlkd, server, segment) -> None:
    for result in (
        segment("trunc.jsonl.gz", "-o", "o.jsonl"),
        rlkd("sample", DATA / "trunc.jsonl.gz", "--model", server.url),
        rlkd("eval", "--bench", DATA / "trunc.jsonl.gz", "--model", server.url),
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


def test_openr1_rows(rlkd, server, segment) -> None:
    server.script = lambda request, number: Response(r"\boxed{4}")
    result = rlkd("sample", DATA / "openr1.jsonl", "--model", server.url, "--n", "3", "-q")
    assert [(r["id"], r["sample"]) for r in result.records] == [("u1", 0), ("u1", 1), ("u1", 2)]
    graded = rlkd("eval", "--samples", DATA / "openr1.jsonl", "-q").records
    assert [r["finish_reason"] for r in graded] == ["stop", "length"]
    assert [r["correctness_math_verify"] for r in graded] == [True, False]
    assert [r["is_reasoning_complete"] for r in graded] == [True, False]
    assert [r["verdict"] for r in graded] == ["correct", "truncated"]


def test_rows_without_ids(segment) -> None:
    result = segment("omr.jsonl", "--map", "path=generated_solution")
    assert result.status == 0 and result.records[0]["id"] == 1
    assert result.err.count("known by their numbers") == 1


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


def test_a_broken_teacher_in_a_pipe_is_one_line() -> None:
    command = [sys.executable, "-m", "rlkd_cli", "score", "-", str(DATA / "seg.jsonl")]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (DATA / "teach.jsonl").open("rb") as teacher:
        run = subprocess.run(
            [*command, "--judge", "exact"], stdin=teacher, capture_output=True, text=True, env=env
        )
    assert run.returncode == 2 and run.stderr.strip().splitlines() == [run.stderr.strip()]
    assert "-:3: steps" in run.stderr


def test_gzip_that_was_damaged_in_its_middle(segment, tmp_path) -> None:
    whole = gzip.compress((DATA / "p20.jsonl").read_bytes())
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(whole[:60] + bytes(20) + whole[80:])
    result = segment(str(broken))
    assert result.status == 2 and "broken.jsonl.gz" in result.err
