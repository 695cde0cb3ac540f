"""What a run leaves, and how a later one goes on with it: rejects asked again, time, forms of a
file.
"""

import gzip
import json
from pathlib import Path

import pytest

from rlkd_cli.records.manifest import manifest_of
from tests.conftest import read, write
from tests.servers.scripted import STEPS, Response

COMMAND = ["segment", "in.jsonl", "--no-verify", "--max-retries", "0", "--max-attempts", "1", "-q"]


def paths(count: int) -> list[dict]:
    return [{"id": i, "problem": f"problem {i}", "path": f"path of {i}."} for i in range(count)]


def identity(request: dict) -> int:
    return int(request["messages"][0]["content"].rpartition("path of ")[2].partition(".")[0])


@pytest.fixture
def run(rlkd, server):
    """`segment` of six paths; the server answers as the set of failing ids says."""
    server.failing = {}
    server.script = lambda request, number: server.failing.get(identity(request), Response())
    write(Path("in.jsonl"), paths(6))
    return lambda *more: rlkd(*COMMAND, "--model", server.url, "-o", "out.jsonl", *more)


def test_rejects_of_a_finished_file_are_asked_again(run, server) -> None:
    server.failing = {1: Response("no steps"), 4: Response(status=500)}
    assert run().status == 3
    assert [r["error"] for r in read(Path("out.jsonl.rejects.jsonl"))] == [
        "unparsable_steps",
        "http_500",
    ]
    server.failing, asked = {}, len(server.requests)
    assert run().status == 3 and len(server.requests) == asked
    some = run("--retry-rejects", "http_500,timeout")
    assert some.status == 3 and [identity(r) for r in server.requests[asked:]] == [4]
    assert run("--retry-rejects", "http_500").status == 3 and len(server.requests) == asked + 1
    assert run("--retry-rejects", "all").status == 0
    assert [identity(r) for r in server.requests[asked:]] == [4, 1]
    assert [r["id"] for r in read(Path("out.jsonl"))] == list(range(6))
    assert not Path("out.jsonl.rejects.jsonl").exists()
    assert not any("error" in r or "reply" in r for r in read(Path("out.jsonl")))
    kept = json.loads(manifest_of(Path("out.jsonl")).read_text())
    assert (kept["rejected"], kept["rejects"]) == (0, {})
    assert kept["models"][server.url]["requests"] == len(server.requests)


def test_a_reject_that_is_rejected_again_stands_once(run, server) -> None:
    server.failing = {i: Response(status=500) for i in range(6)}
    assert run().status == 3
    server.failing = {2: Response("no steps")}
    assert run("--retry-rejects", "all").status == 3
    assert [(r["id"], r["error"]) for r in read(Path("out.jsonl.rejects.jsonl"))] == [
        (2, "unparsable_steps")
    ]
    assert len(read(Path("out.jsonl"))) == 5


def test_rejects_of_an_unfinished_run_are_asked_again(run, server) -> None:
    server.failing = {1: Response(status=500), 5: Response(status=401)}
    assert run("--concurrency", "1").status == 1
    assert not Path("out.jsonl").exists()
    server.failing, asked = {}, len(server.requests)
    assert run("--retry-rejects", "all").status == 0
    assert sorted(identity(r) for r in server.requests[asked:]) == [1, 5]
    assert [r["id"] for r in read(Path("out.jsonl"))] == list(range(6))
    kept = json.loads(manifest_of(Path("out.jsonl")).read_text())
    assert (kept["rejected"], kept["rejects"]) == (0, {})


def test_a_death_while_rejects_are_asked_again_loses_and_doubles_nothing(run, server) -> None:
    server.failing = {i: Response(status=500) for i in (0, 1, 2)}
    assert run().status == 3
    server.failing = {0: Response(status=500), 2: Response(status=401)}  # 2 is the last of them
    assert run("--retry-rejects", "all", "--concurrency", "1").status == 1
    server.failing, asked = {}, len(server.requests)
    # the same command: what was rejected again is done, and the one that was not answered is asked
    assert run("--retry-rejects", "all").status == 3
    assert [identity(r) for r in server.requests[asked:]] == [2]
    assert [r["id"] for r in read(Path("out.jsonl.rejects.jsonl"))] == [0]
    assert run("--retry-rejects", "all").status == 0
    assert [r["id"] for r in read(Path("out.jsonl"))] == list(range(6))


def test_retry_rejects_needs_a_file_and_codes(rlkd, run, server) -> None:
    streamed = rlkd(*COMMAND, "--model", server.url, "--retry-rejects", "all")
    assert streamed.status == 2 and "-o" in streamed.err
    empty = run("--retry-rejects", ",")
    assert empty.status == 2 and "error codes" in empty.err and not server.requests


def test_a_rejects_file_fed_back_loses_its_reasons(run, rlkd, server) -> None:
    server.failing = {3: Response("no steps")}
    assert run().status == 3
    rejects = read(Path("out.jsonl.rejects.jsonl"))
    assert rejects[0]["error"] == "unparsable_steps" and rejects[0]["reply"] == "no steps"
    server.failing = {}
    back = ["segment", "out.jsonl.rejects.jsonl", "--no-verify", "-q", "--model", server.url]
    again = rlkd(*back)
    assert again.status == 0 and again.records[0]["id"] == 3
    assert not {"error", "detail", "reply"} & again.records[0].keys()


def test_the_manifest_counts_time_over_all_runs(run, server) -> None:
    slow = Response(STEPS, delay=0.3)
    server.failing = {0: slow, 1: slow, 2: Response(status=401)}
    assert run("--concurrency", "1").status == 1
    server.failing = {}
    assert run().status == 0
    assert json.loads(manifest_of(Path("out.jsonl")).read_text())["seconds"] >= 0.6


@pytest.mark.parametrize("name", ["out.jsonl.gz", "OUT.JSON", "out.json.gz", "out.parquet"])
def test_an_output_has_the_form_of_its_name_and_grows(rlkd, server, name: str) -> None:
    server.script = lambda request, number: Response(f"{STEPS} of {identity(request)} é")
    command = [*COMMAND, "--model", server.url]
    write(Path("in.jsonl"), paths(3))
    assert rlkd(*command, "-o", name).status == 0
    before = Path(name).read_bytes()
    asked = len(server.requests)
    assert rlkd(*command, "-o", name).status == 0
    assert Path(name).read_bytes() == before and len(server.requests) == asked
    write(Path("in.jsonl"), paths(5))
    assert rlkd(*command, "-o", name).status == 0 and len(server.requests) == asked + 2
    assert rlkd(*command, "-o", "plain.jsonl").status == 0
    assert rlkd(*command, "-o", f"whole-{name}").status == 0
    assert Path(f"whole-{name}").read_bytes() == Path(name).read_bytes()
    assert contents(Path(name)) == read(Path("plain.jsonl"))


def contents(file: Path) -> list[dict]:
    """The records of a file, read by other means than the project's."""
    if file.name.endswith(".parquet"):
        import pyarrow.parquet

        return pyarrow.parquet.read_table(file).to_pylist()
    data = gzip.decompress(file.read_bytes()) if file.name.endswith(".gz") else file.read_bytes()
    return (
        [json.loads(line) for line in data.splitlines()]
        if "l" in file.suffixes[0]
        else json.loads(data)
    )


def test_records_that_have_no_parquet_form_are_not_lost(rlkd, server) -> None:
    command = [*COMMAND, "--model", server.url]
    write(Path("in.jsonl"), [{**paths(1)[0], "x": 1}, {**paths(2)[1], "x": "text"}])
    failed = rlkd(*command, "-o", "out.parquet")
    assert failed.status == 1 and "rename out.parquet.journal" in failed.err
    Path("out.parquet.journal").rename("out.jsonl.journal")
    asked = len(server.requests)
    assert rlkd(*command, "-o", "out.jsonl").status == 0 and len(server.requests) == asked
    assert len(read(Path("out.jsonl"))) == 2


@pytest.mark.parametrize("name", ["out.csv", "out.parquet.gz", "out.jsonl.zst"])
def test_a_form_that_is_not_written_is_refused(rlkd, server, name: str) -> None:
    write(Path("in.jsonl"), paths(1))
    refused = rlkd(*COMMAND, "--model", server.url, "-o", name)
    assert refused.status == 2 and ".jsonl.gz" in refused.err and not server.requests


def test_overwrite_keeps_the_old_file_until_the_new_one_is_whole(run, server) -> None:
    assert run().status == 0
    before = Path("out.jsonl").read_bytes()
    server.failing = {3: Response(status=401)}
    assert run("--overwrite", "--concurrency", "1").status == 1
    assert Path("out.jsonl").read_bytes() == before


def test_a_journal_of_something_else_is_named(run) -> None:
    for text in ('{"a": 1}\n', "[]\n", "[]\n[]\n"):
        Path("out.jsonl.journal").write_text(text)
        refused = run()
        assert refused.status == 2 and "out.jsonl.journal" in refused.err, refused.err
        assert "--overwrite" in refused.err
    assert run("--overwrite").status == 0
