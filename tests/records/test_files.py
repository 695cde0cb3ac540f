"""Files by every name and in every state: what is read, what is written, what is never touched."""

import datetime
import decimal
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlkd_cli.records.read import Rows
from rlkd_cli.records.schema import Problem
from tests.conftest import ROOT, read, segmentation, step, write
from tests.servers.scripted import Response

SCORE = ["score", "t.jsonl", "s.jsonl", "--judge", "exact", "-q"]
GRADED = {"problem": "p", "path": r"\boxed{1}", "answer": "1"}


def graded(count: int) -> list[dict]:
    return [{"id": i, **GRADED} for i in range(count)]


@pytest.fixture
def two(rlkd) -> None:
    """A teacher's file and a student's, in the working directory."""
    for name in ("t.jsonl", "s.jsonl"):
        write(Path(name), [segmentation(i, step("é"), note="ü") for i in range(3)])


def shell(line: str, **env: str) -> subprocess.CompletedProcess:
    """A line of bash with `rlkd` in it, as a user types it."""
    line = line.replace("rlkd ", f"{sys.executable} -m rlkd_cli ")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, env=environment, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "line",
    [
        "rlkd eval --samples /dev/stdin -q < in.jsonl",
        "cat in.jsonl | rlkd eval --samples /dev/stdin -q",
        "gzip -c in.jsonl | rlkd eval --samples - -q",
        "rlkd eval --samples <(cat in.jsonl) -q",
        "rlkd eval --samples <(gzip -c in.jsonl) -q",
        "cp in.jsonl IN.JSONL; rlkd eval --samples IN.JSONL -q",
        "gzip -c in.jsonl > IN.JSONL.GZ; rlkd eval --samples IN.JSONL.GZ -q",
        "gzip -c in.jsonl > packed.jsonl; rlkd eval --samples packed.jsonl -q",
        "cp in.jsonl lines.json; rlkd eval --samples lines.json -q",
        "rlkd eval --samples in.jsonl -q -o /dev/stdout",
        "rlkd eval --samples in.jsonl -q -o /dev/stdout > all && cat all",
        "mkfifo pipe; timeout 20 cat pipe & rlkd eval --samples in.jsonl -q -o pipe; wait",
    ],
)
def test_a_file_by_any_name(rlkd, line: str) -> None:
    write(Path("in.jsonl"), graded(3))
    run = shell(line)
    assert run.returncode == 0, run.stderr
    assert [json.loads(text)["id"] for text in run.stdout.splitlines()] == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.json", '{"id": 1,\n "pro', "x.json: invalid JSON"),
        ("x.json", "7", "x.json: not a JSON list"),
        ("x.json", "", "x.json: invalid JSON"),
        ("x.parquet", "PAR1 cut", "x.parquet: not a whole Parquet file"),
        ("x.parquet", "", "x.parquet: not a whole Parquet file"),
        ("x.jsonl", '{"id": 1, "problem": "p", "x": NaN}', "x.jsonl:1: "),
        ("x.jsonl", '{"id": 1, "problem": "p", "x": -Infinity}', "x.jsonl:1: "),
        ("x.jsonl", '{"id": 1, "problem": "p", "x": 1e999}', "x.jsonl:1: "),
        ("x.jsonl", '{"id": 1, "problem": "p"}\n{"id": 2', "x.jsonl:2: "),
        ("x.jsonl", "\x1f\x8b broken", "x.jsonl:1: the file is cut"),
        (".", "", "a folder"),
    ],
)
def test_a_broken_file_is_named_before_any_request(rlkd, server, name, text, said) -> None:
    if name != ".":
        Path(name).write_bytes(text.encode("latin-1"))
    result = rlkd("sample", name, "--model", server.url, "-o", "out.jsonl")
    assert result.status == 2 and said in result.err, result.err
    assert len(result.err.strip().splitlines()) == 1
    assert not server.requests and not Path("out.jsonl").exists()


def test_a_parquet_file_that_was_cut(rlkd, server) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(graded(50)), "x.parquet")
    whole = Path("x.parquet").read_bytes()
    for part in (whole[:200], whole[:-4], whole[:300] + bytes(40) + whole[340:]):
        Path("x.parquet").write_bytes(part)
        result = rlkd("sample", "x.parquet", "--model", server.url)
        assert result.status == 2 and "x.parquet" in result.err and not server.requests


def test_values_that_json_has_not(rlkd) -> None:
    import pyarrow
    import pyarrow.parquet

    row = {"id": 1, **GRADED, "day": datetime.date(2026, 1, 2), "text": "é".encode()}
    row |= {"when": datetime.datetime(2026, 1, 2, 3, 4), "price": decimal.Decimal("1.50")}
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), "x.parquet")
    record = rlkd("eval", "--samples", "x.parquet", "-q").records[0]
    assert (record["day"], record["text"], record["price"]) == ("2026-01-02", "é", "1.50")
    assert record["when"].startswith("2026-01-02T03:04")
    for value in (b"\xff\xfe", float("nan")):
        bad = pyarrow.Table.from_pylist([{"id": 1, **GRADED, "odd": value}])
        pyarrow.parquet.write_table(bad, "x.parquet")
        refused = rlkd("eval", "--samples", "x.parquet")
        assert refused.status == 2 and "x.parquet:1: odd: " in refused.err
        skipped = rlkd("eval", "--samples", "x.parquet", "--skip-invalid", "--rejects", "r", "-q")
        assert skipped.status == 3 and read(Path("r"))[0]["id"] == 1


def test_ids_that_hash_alike_are_different(rlkd) -> None:
    ids = [-1, -2, 2**61 + 4, 5, "5", 0, ""]
    write(Path("in.jsonl"), [{"id": name, **GRADED} for name in ids])
    assert [r["id"] for r in rlkd("eval", "--samples", "in.jsonl", "-q").records] == ids


def test_null_in_optional_fields_is_as_if_they_were_not_there(rlkd) -> None:
    nulls = dict.fromkeys(("domain", "sample", "finish_reason", "model"))
    write(Path("in.jsonl"), [{"id": 1, **GRADED, **nulls, "own": None}])
    record = rlkd("eval", "--samples", "in.jsonl", "-q").records[0]
    assert not nulls.keys() & record.keys() and record["own"] is None


def test_ids_of_rows_that_have_none(rlkd) -> None:
    rows = [{"n": 7 + i, **GRADED} for i in range(4)]
    write(Path("in.jsonl"), rows)
    numbered = rlkd("eval", "--samples", "in.jsonl", "--shard", "2/2")
    assert [r["id"] for r in numbered.records] == [2, 4]
    assert numbered.err.count("using row numbers") == 1
    named = rlkd("eval", "--samples", "in.jsonl", "--id-column", "n", "-q")
    assert [r["id"] for r in named.records] == [7, 8, 9, 10]
    assert "numbers" not in named.err
    write(Path("in.jsonl"), [{"id": 1, **GRADED}, GRADED])
    mixed = rlkd("eval", "--samples", "in.jsonl")
    assert mixed.status == 2 and "in.jsonl:2: id" in mixed.err
    write(Path("s.jsonl"), [{"steps": [step("a")]}])  # what is joined on ids must have them
    joined = rlkd("score", "s.jsonl", "s.jsonl")
    assert joined.status == 2 and "s.jsonl:1: id" in joined.err


def test_several_paths_of_a_problem_are_no_problems(rlkd, server) -> None:
    write(Path("in.jsonl"), [{"id": 1, "sample": i, **GRADED} for i in range(2)])
    refused = rlkd("sample", "in.jsonl", "--model", server.url)
    assert refused.status == 2 and "in.jsonl:2: id" in refused.err and not server.requests


@pytest.mark.parametrize("limit", [0, 1, 4, 5, 9])
def test_the_limit_is_the_wholes(rlkd, limit: int) -> None:
    write(Path("in.jsonl"), graded(7))
    whole = Rows(limit=limit).read("in.jsonl", Problem)
    parts = [Rows(limit=limit, shard=f"{i}/3").read("in.jsonl", Problem) for i in (1, 2, 3)]
    ids = [item.raw["id"] for part in parts for item in part]
    assert sorted(ids) == [item.raw["id"] for item in whole] == list(range(min(limit, 7)))


@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize("flag", ["-o", "--rejects"])
def test_an_output_that_is_an_input_by_a_link(rlkd, two, link, flag: str) -> None:
    before = Path("t.jsonl").read_bytes()
    link("t.jsonl", "other.jsonl")
    for name in ("other.jsonl", "t.jsonl", "./t.jsonl"):
        result = rlkd(*SCORE, "--overwrite", flag, name)
        assert result.status == 2 and "is an input" in result.err
    assert Path("t.jsonl").read_bytes() == before


def test_standard_streams_that_are_the_input(rlkd, two) -> None:
    for line in (
        "rlkd score t.jsonl s.jsonl --judge exact -q >> t.jsonl",
        "rlkd score t.jsonl - --judge exact -q -o s.jsonl --overwrite < s.jsonl",
        "rlkd score t.jsonl /dev/stdin --judge exact -q --rejects s.jsonl < s.jsonl",
    ):
        run = shell(line)
        assert run.returncode == 2 and b"is an input" in run.stderr, line
    assert len(read(Path("t.jsonl"))) == len(read(Path("s.jsonl"))) == 3


def test_rejects_never_replace_what_holds_none(rlkd, two) -> None:
    write(Path("s.jsonl"), [segmentation(9, step("a"))])
    notes = Path("score.rejects.jsonl")
    for text in ("my notes\n", '{"id": 1}\n', "[1]\n"):
        notes.write_text(text)
        for more in ([], ["-o", "out.jsonl", "--rejects", "score.rejects.jsonl"]):
            refused = rlkd(*SCORE, *more)
            assert refused.status == 2 and "holds no rejects" in refused.err
            assert refused.out == "" and notes.read_text() == text
    assert rlkd(*SCORE, "--overwrite").status == 3 and read(notes)[0]["error"] == "no_teacher"
    assert rlkd(*SCORE).status == 3 and len(read(notes)) == 1
    elsewhere = rlkd(*SCORE, "--rejects", "r.jsonl")
    assert elsewhere.status == 3 and read(Path("r.jsonl"))[0]["id"] == 9


def test_rejects_go_where_the_user_says(rlkd, two) -> None:
    write(Path("s.jsonl"), [segmentation(9, step("a")), segmentation(1, step("é"))])
    run = shell("rlkd score t.jsonl s.jsonl --judge exact -q -o out.jsonl --rejects -")
    assert run.returncode == 3 and json.loads(run.stdout)["error"] == "no_teacher"
    assert [r["id"] for r in read(Path("out.jsonl"))] == [1]
    run = shell("rlkd score t.jsonl s.jsonl --judge exact -q --rejects /dev/null")
    assert run.returncode == 3 and json.loads(run.stdout)["id"] == 1
    run = shell("rlkd score t.jsonl s.jsonl --judge exact -q --rejects r.jsonl.gz -o o.jsonl")
    assert json.loads(gzip.decompress(Path("r.jsonl.gz").read_bytes()))["id"] == 9
    refused = rlkd(*SCORE, "--rejects", "r.json")
    assert refused.status == 2 and "r.json" in refused.err


def test_a_device_is_never_replaced(rlkd, two) -> None:
    for more in ([], ["--overwrite"]):
        assert rlkd(*SCORE, "-o", "/dev/null", *more).status == 0
    assert Path("/dev/null").is_char_device() and not list(Path("/dev").glob("null.*"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("rlkd score t.jsonl s.jsonl --judge exact -q > /dev/full", b"No space left"),
        ("rlkd score t.jsonl s.jsonl --judge exact -q -o /dev/full", b"No space left"),
        ("rlkd score t.jsonl s.jsonl --judge exact -q >&-", b"standard output is closed"),
        ("set -o pipefail; rlkd score t.jsonl s.jsonl --judge exact -q | true", b"its reader"),
    ],
)
def test_standard_output_closed_or_full(rlkd, two, line: str, said: bytes) -> None:
    run = shell(line)
    assert run.returncode == 1 and said in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1


def test_a_file_is_written_with_every_stream_closed(rlkd, two) -> None:
    run = shell("rlkd score t.jsonl s.jsonl --judge exact -o out.jsonl <&- >&- 2>&-")
    assert run.returncode == 0 and len(read(Path("out.jsonl"))) == 3


def test_utf_8_goes_out_whatever_the_locale(rlkd) -> None:
    write(Path("in.jsonl"), [{"id": "é", **GRADED}])
    line = "rlkd eval --samples in.jsonl -q"
    for env in ({"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}):
        run = shell(line, PYTHONUTF8="0", **env)
        assert run.returncode == 0 and '"é"'.encode() in run.stdout, run.stderr


def test_teacher_rows_that_are_left_out_are_counted(rlkd, server, two) -> None:
    teacher = [
        segmentation(0, step("a")),
        {"id": 1, "path": "no steps here"},
        {"id": 2, "steps": 7},
    ]
    write(Path("t.jsonl"), teacher)
    write(Path("s.jsonl"), [segmentation(i, step("a")) for i in range(4)])
    server.script = lambda request, number: Response("nothing")
    flags = ["--judge", "exact", "--gsrm", server.url, "--skip-invalid", "--rejects", "r"]
    result = rlkd("score", "t.jsonl", "s.jsonl", *flags)
    assert result.status == 3 and [r["id"] for r in result.records] == [0]
    errors = {r["id"]: (r["error"], r["detail"]) for r in read(Path("r"))}
    assert {name: code for name, (code, _) in errors.items()} == {
        1: "teacher_unusable",
        2: "teacher_unusable",
        3: "no_teacher",
    }
    assert "could not segment it" in errors[1][1] and "steps" in errors[2][1]
    assert "2 of the teacher's rows left out" in result.err


def test_select_keeps_what_rows_hold_of_a_path(rlkd) -> None:
    pool = write(Path("pool.jsonl"), graded(3))
    flags = ["--away-from", "pool.jsonl", "--embedder", "lexical", "-n", "2", "-q"]
    chosen = rlkd("select", pool, *flags)
    assert chosen.status == 0 and all(r["path"] == GRADED["path"] for r in chosen.records)
    assert rlkd("select", pool, *flags, "-o", "sel.parquet").status == 0
    again = rlkd("select", pool, *flags, "-o", "sel.parquet")
    assert again.status == 0 and Path("sel.parquet").read_bytes()[:4] == b"PAR1"
