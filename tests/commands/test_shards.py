"""Job arrays: `--shard I/N -o OUT` makes parts, and `rlkd merge OUT` what one process writes."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rlkd_cli.records.manifest import manifest_of
from tests.conftest import read, wait_until, write
from tests.servers.scripted import STEPS, Response

BAD = {3, 10, 11}  # records that are rejected


def paths(count: int) -> list[dict]:
    return [{"id": i, "problem": f"problem {i}", "path": f"path of {i}."} for i in range(count)]


def identity(request: dict) -> int:
    return int(request["messages"][0]["content"].rpartition("path of ")[2].partition(".")[0])


@pytest.fixture
def segment(rlkd, server):
    """`segment` of 24 paths, three of which are rejected; what is written depends on the path."""

    def script(request: dict, number: int) -> Response:
        if identity(request) in BAD:
            return Response("no steps")
        return Response(STEPS.replace("Choose a", f"Choose {identity(request)} é"))

    server.script = script
    write(Path("in.jsonl"), paths(24))
    words = ["segment", "in.jsonl", "--model", server.url, "--no-verify", "--max-attempts", "1"]
    return lambda *more: rlkd(*words, "-q", *more)


def asked(server, since: int = 0) -> list[int]:
    return sorted(identity(request) for request in server.requests[since:])


def same_files(one: str, other: str) -> bool:
    """Whether two outputs and their rejects are the same bytes."""
    names = [("", one, other), (".rejects.jsonl", one, other)]
    return all(Path(a + end).read_bytes() == Path(b + end).read_bytes() for end, a, b in names)


def facts(name: str) -> dict:
    return json.loads(manifest_of(Path(name)).read_text())


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "json"])
def test_merged_parts_are_the_file_of_one_process(segment, rlkd, server, ending: str) -> None:
    assert segment("-o", f"one.{ending}").status == 3
    for i in (3, 1, 4, 2):
        has_rejects = bool({n for n in BAD if n % 4 == i - 1})
        assert segment("-o", f"out.{ending}", "--shard", f"{i}/4").status == 3 * has_rejects
    assert not Path(f"out.{ending}").exists()
    merged = rlkd("merge", f"out.{ending}")
    assert merged.status == 3 and "3 of 24 records rejected" in merged.err
    assert same_files(f"one.{ending}", f"out.{ending}")
    assert not Path(f"out.{ending}.shards").exists() and len(server.requests) == 48
    one, out = facts(f"one.{ending}"), facts(f"out.{ending}")
    for name in ("settings", "input", "output", "records", "rejected", "rejects", "models", "cost"):
        assert one[name] == out[name], name
    assert out["seconds"] > 0 and len(out["nodes"]) == 1


def test_a_merged_file_is_finished_for_every_way_to_run_the_command(segment, rlkd, server) -> None:
    for i in (1, 2):
        segment("-o", "out.jsonl", "--shard", f"{i}/2")
    assert rlkd("merge", "out.jsonl", "-q").status == 3
    before = Path("out.jsonl").read_bytes()
    merged = rlkd("merge", "typo/out.jsonl")
    assert merged.status == rlkd("merge", "").status == 2 and not Path("typo").exists()
    assert rlkd("merge", "out.jsonl").status == segment("-o", "out.jsonl").status == 3
    Path("out.jsonl.journal").touch()  # as a merge that is killed leaves it
    assert segment("-o", "out.jsonl", "--shard", "2/3").status == 3
    assert Path("out.jsonl").read_bytes() == before and len(server.requests) == 24
    assert not Path("out.jsonl.shards").exists()


def test_a_missing_and_an_unfinished_shard_are_named(segment, rlkd, server) -> None:
    none = rlkd("merge", "out.jsonl")
    assert none.status == 2 and "no parts in out.jsonl.shards/" in none.err
    for i in (1, 2, 4):
        segment("-o", "out.jsonl", "--shard", f"{i}/4")
    missing = rlkd("merge", "out.jsonl")
    assert missing.status == 2 and "shard 3/4 is missing" in missing.err
    assert "--shard 3/4" in missing.err and len(missing.err.strip().splitlines()) == 1
    assert not Path("out.jsonl").exists() and not Path("out.jsonl.journal").exists()
    good = server.script
    server.script = lambda request, number: (
        Response(status=401) if identity(request) == 22 else good(request, number)
    )
    assert segment("-o", "out.jsonl", "--shard", "3/4", "--concurrency", "1").status == 1
    unfinished = rlkd("merge", "out.jsonl")
    assert unfinished.status == 2 and "3/4 (not finished)" in unfinished.err
    server.script, since = good, len(server.requests)
    segment("-o", "out.jsonl", "--shard", "3/4")
    assert asked(server, since) == [22]
    assert rlkd("merge", "out.jsonl").status == 3


def test_other_numbers_of_shards_and_the_whole_go_on_from_parts(segment, rlkd, server) -> None:
    segment("-o", "one.jsonl")
    since = len(server.requests)
    segment("-o", "out.jsonl", "--shard", "1/2")
    for i in (1, 2, 3):
        segment("-o", "out.jsonl", "--shard", f"{i}/3")
    assert asked(server, since) == list(range(24))
    assert rlkd("merge", "out.jsonl", "-q").status == 3 and same_files("one.jsonl", "out.jsonl")
    segment("-o", "whole.jsonl", "--shard", "2/3")
    since = len(server.requests)
    assert segment("-o", "whole.jsonl").status == 3
    assert asked(server, since) == [i for i in range(24) if i % 3 != 1]
    assert same_files("one.jsonl", "whole.jsonl") and not Path("whole.jsonl.shards").exists()
    assert facts("whole.jsonl")["models"][server.url]["requests"] == 24


def test_shards_go_on_from_an_unfinished_run_over_the_whole(segment, rlkd, server) -> None:
    segment("-o", "one.jsonl")
    good, since = server.script, len(server.requests)
    server.script = lambda request, number: (
        Response(status=401) if identity(request) == 23 else good(request, number)
    )
    assert segment("-o", "out.jsonl", "--concurrency", "1").status == 1
    server.script = good
    for i in (1, 2):
        segment("-o", "out.jsonl", "--shard", f"{i}/2")
    assert asked(server, since) == [*range(24), 23]
    assert rlkd("merge", "out.jsonl", "-q").status == 3 and same_files("one.jsonl", "out.jsonl")
    assert facts("out.jsonl")["models"][server.url]["requests"] == 24


def test_an_input_that_grew_and_rejects_asked_again(segment, rlkd, server) -> None:
    for i in (1, 2):
        segment("-o", "out.jsonl", "--shard", f"{i}/2")
    rlkd("merge", "out.jsonl", "-q")
    write(Path("in.jsonl"), paths(30))
    first = facts("out.jsonl")
    since = len(server.requests)
    segment("-o", "out.jsonl", "--shard", "1/2")
    waits = rlkd("merge", "out.jsonl")
    assert waits.status == 2 and "shard 2/2 is missing" in waits.err
    segment("-o", "out.jsonl", "--shard", "2/2")
    assert asked(server, since) == list(range(24, 30))
    assert rlkd("merge", "out.jsonl", "-q").status == 3
    segment("-o", "one.jsonl")
    assert same_files("one.jsonl", "out.jsonl")
    assert facts("out.jsonl")["models"][server.url]["requests"] == 30
    assert facts("out.jsonl")["seconds"] > first["seconds"]
    assert sum(facts("out.jsonl")["nodes"].values()) > sum(first["nodes"].values())
    BETTER, since = {3, 11}, len(server.requests)
    good = server.script
    server.script = lambda request, number: (
        Response() if identity(request) in BETTER else good(request, number)
    )
    for i in (1, 2):
        segment("-o", "out.jsonl", "--shard", f"{i}/2", "--retry-rejects", "all")
    assert asked(server, since) == sorted(BAD)
    assert rlkd("merge", "out.jsonl", "-q").status == 3
    assert [r["id"] for r in read(Path("out.jsonl.rejects.jsonl"))] == [10]
    assert [r["id"] for r in read(Path("out.jsonl"))] == [i for i in range(30) if i != 10]


def test_samples_are_shared_out_and_the_last_shard_merges(rlkd, server) -> None:
    problems = [{"id": i, "problem": f"p {i}", "answer": "1"} for i in range(3)]
    write(Path("in.jsonl"), problems)
    server.script = lambda request, number: Response(
        f"{request['messages'][0]['content'][-8:]} \\boxed{{1}}"
    )
    words = ["eval", "--bench", "in.jsonl", "--runs", "5", "--model", server.url]
    assert rlkd(*words, "-o", "one.jsonl", "-q").status == 0
    for i in (1, 2, 3, 4):
        shard = rlkd(*words, "-o", "out.jsonl", "--shard", f"{i}/4", "--merge")
        assert shard.status == 0 and Path("out.jsonl").exists() == (i == 4)
        assert ("missing" in shard.err) == (i < 4)
    assert Path("one.jsonl").read_bytes() == Path("out.jsonl").read_bytes()
    summary = rlkd(*words, "-o", "out.jsonl")
    assert summary.status == 0 and "pass@1" in summary.err and len(server.requests) == 30


def test_scores_of_shards_are_those_of_one_process(rlkd) -> None:
    steps = [{"meta_reasoning": "m", "sub_problem": "q", "answer": "1"}]
    record = {"problem": "p", "path": "x", "steps": steps}
    teacher = write(Path("t.jsonl"), [{"id": i, **record} for i in range(7)])
    student = write(Path("s.jsonl"), [{"id": i, **record} for i in range(9)])
    words = ["score", teacher, student, "--judge", "exact", "-q"]
    assert rlkd(*words, "-o", "one.jsonl").status == 3
    for i in (1, 2):
        assert rlkd(*words, "-o", "out.jsonl", "--shard", f"{i}/2").status == 3
    assert rlkd("merge", "out.jsonl", "-q").status == 3 and same_files("one.jsonl", "out.jsonl")


def test_parts_of_other_settings_are_refused(segment, rlkd, server) -> None:
    segment("-o", "out.jsonl", "--shard", "1/2")
    other = segment("-o", "out.jsonl", "--shard", "1/2", "--seed", "5")
    assert other.status == 2 and "seed = 0, now it is 5" in other.err
    assert segment("-o", "out.jsonl", "--seed", "5").status == 2
    segment("-o", "other.jsonl", "--shard", "2/2", "--seed", "5")
    Path("other.jsonl.shards/2-of-2.journal").rename("out.jsonl.shards/2-of-2.journal")
    refused = rlkd("merge", "out.jsonl")
    assert refused.status == 2 and "seed" in refused.err
    assert segment("-o", "out.jsonl", "--overwrite").status == 3
    assert not Path("out.jsonl.shards").exists()


def test_an_input_that_changed_between_the_shards_is_refused(segment, rlkd) -> None:
    segment("-o", "out.jsonl", "--shard", "1/2")
    write(Path("in.jsonl"), [{**path, "domain": "code"} for path in paths(24)])
    segment("-o", "out.jsonl", "--shard", "2/2")
    refused = rlkd("merge", "out.jsonl")
    assert refused.status == 2 and "the input changed" in refused.err


def test_a_killed_shard_goes_on_and_a_running_one_is_not_merged(segment, rlkd, server) -> None:
    segment("-o", "one.jsonl")
    segment("-o", "out.jsonl", "--shard", "2/2")
    since, good = len(server.requests), server.script
    server.script = lambda request, number: Response(
        good(request, number).text, delay=5.0 if number >= since + 4 else 0.0
    )
    words = ["segment", "in.jsonl", "--model", server.url, "--no-verify", "--max-attempts", "1"]
    words += ["-o", "out.jsonl", "--shard", "1/2", "--concurrency", "1", "-q"]
    process = subprocess.Popen([sys.executable, "-m", "rlkd_cli", *words], env=os.environ)
    wait_until(lambda: len(server.requests) > since + 4)
    busy = rlkd("merge", "out.jsonl")
    assert busy.status == 1 and "another run is writing" in busy.err
    process.send_signal(signal.SIGKILL)
    process.wait()
    server.script, since = good, len(server.requests)
    segment("-o", "out.jsonl", "--shard", "1/2")
    assert asked(server, since) == list(range(8, 24, 2))
    assert rlkd("merge", "out.jsonl", "-q").status == 3 and same_files("one.jsonl", "out.jsonl")


def test_merge_needs_a_shard_and_a_file(segment, server) -> None:
    for more in (["--merge"], ["--merge", "--shard", "1/2"], ["--num-processes", "2"]):
        assert segment(*more).status == 2
    assert not server.requests


def test_a_merge_replaces_no_input_and_nothing_of_the_output(segment, rlkd) -> None:
    rejects = [{**path, "error": "timeout", "detail": "late"} for path in paths(24)]
    write(Path("in.jsonl"), rejects)  # an input may be the rejects of another run
    before = Path("in.jsonl").read_bytes()
    for i in (1, 2):
        segment("-o", "out.jsonl", "--shard", f"{i}/2")
    Path("notes.txt").write_text("mine\n")
    own = ["out.jsonl", "out.jsonl.run.json", "out.jsonl.journal"]
    for file in ["in.jsonl", "notes.txt", "out.jsonl.shards/1-of-2.journal", *own]:
        refused = rlkd("merge", "out.jsonl", "--rejects", file)
        assert refused.status == 2 and len(refused.err.strip().splitlines()) == 1, file
    assert Path("in.jsonl").read_bytes() == before and Path("notes.txt").read_text() == "mine\n"
    assert not Path("out.jsonl").exists() and rlkd("merge", "out.jsonl", "-q").status == 3


def test_rejects_go_where_the_shards_were_told(segment, rlkd) -> None:
    for i in (1, 2):
        segment("-o", "out.jsonl", "--shard", f"{i}/2", "--rejects", "lost/r.jsonl")
    merged = rlkd("merge", "out.jsonl")
    assert merged.status == 3 and "lost/r.jsonl" in merged.err
    assert len(read(Path("lost/r.jsonl"))) == 3
    assert not Path("out.jsonl.rejects.jsonl").exists()


def test_parts_of_other_inputs_are_refused_where_one_is_longer(segment, rlkd) -> None:
    every = paths(40)
    write(Path("in.jsonl"), every[:10])
    segment("-o", "out.jsonl", "--shard", "2/2")
    write(Path("in.jsonl"), every[20:31])
    segment("-o", "out.jsonl", "--shard", "1/2")
    refused = rlkd("merge", "out.jsonl")
    assert refused.status == 2 and "the input changed in between" in refused.err
    assert not Path("out.jsonl").exists()


def test_a_refused_command_changes_nothing(segment, rlkd, server) -> None:
    for i in (1, 2):
        segment("-o", "out.jsonl", "--shard", f"{i}/2")
    before, since = sorted(Path().rglob("*")), len(server.requests)
    for more in ([], ["--shard", "1/2"], ["--shard", "1/3"]):
        refused = segment("-o", "out.jsonl", "--temperature", "0.3", *more)
        assert refused.status == 2 and "shard 1/2 of out.jsonl" in refused.err, more
    write(Path("in.jsonl"), paths(4))
    assert segment("-o", "out.jsonl").status == 2  # its input was shortened
    assert segment("-o", "out.jsonl", "--shard", "1/2").status == 2
    write(Path("in.jsonl"), paths(24))
    assert sorted(Path().rglob("*")) == before and len(server.requests) == since
    assert rlkd("merge", "out.jsonl", "-q").status == 3


def test_a_shard_of_other_settings_is_refused_before_it_asks(segment, server) -> None:
    segment("-o", "out.jsonl", "--shard", "1/2")
    since = len(server.requests)
    refused = segment("-o", "out.jsonl", "--shard", "2/2", "--temperature", "0.3")
    assert refused.status == 2 and "shard 1/2 of out.jsonl" in refused.err
    assert "temperature" in refused.err and len(server.requests) == since
    assert not Path("out.jsonl.shards/2-of-2.journal").exists()


def test_rejects_of_finished_parts_are_asked_again_each_time(segment, rlkd, server) -> None:
    for i in (1, 2):
        segment("-o", "out.jsonl", "--shard", f"{i}/2")
    retry = ["--retry-rejects", "all", "-o", "out.jsonl"]
    for _ in range(2):
        since = len(server.requests)
        assert segment(*retry, "--shard", "2/2").status == 3
        assert asked(server, since) == [3, 11]
    since = len(server.requests)
    first = segment(*retry, "--shard", "1/2", "--merge")
    assert asked(server, since) == [10] and first.status == 3
    assert (
        "2/2" not in first.err and "1/2 (not finished)" in first.err
    )  # asked once, the other twice
    assert rlkd("merge", "out.jsonl", "-q").status == 3
    assert len(read(Path("out.jsonl.rejects.jsonl"))) == 3


def test_the_last_shard_that_asks_rejects_again_merges(segment, server) -> None:
    for i in (1, 2, 3, 4):
        segment("-o", "out.jsonl", "--shard", f"{i}/4")  # the first two have no rejects
    server.script = lambda request, number: Response()
    retry = ["--retry-rejects", "all", "-o", "out.jsonl", "--merge"]
    for i in (1, 2, 3, 4):
        last = segment(*retry, "--shard", f"{i}/4")
        assert last.status == 0 and ("4/4 (not finished)" in last.err) == (i < 4)
        assert Path("out.jsonl").exists() == (i == 4)
    assert len(read(Path("out.jsonl"))) == 24 and not Path("out.jsonl.shards").exists()


# A process that gets SIGKILL right after the K-th file that it put in place or removed
KILLED = """
import os, signal, sys
from rlkd_cli.cli import main
left = int(sys.argv[1])
def counted(real):
    def call(*words, **named):
        global left
        result = real(*words, **named)
        left -= "out.jsonl" in str(words[0])
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call
os.replace, os.unlink = counted(os.replace), counted(os.unlink)
os.rename, os.rmdir = counted(os.rename), counted(os.rmdir)
sys.exit(main(sys.argv[2:]))
"""


def test_a_merge_that_is_killed_goes_on_by_every_command(
    segment, rlkd, server, monkeypatch
) -> None:
    segment("-o", "one.jsonl")
    for i in (1, 2):
        segment("-o", "out.jsonl", "--shard", f"{i}/2")
    since, whole, start = len(server.requests), Path("one.jsonl").read_bytes(), Path.cwd()
    for point in range(1, 20):
        folder = shutil.copytree(start, start.parent / f"killed-{point}")
        words = [sys.executable, "-c", KILLED, str(point), "merge", "out.jsonl", "-q"]
        if subprocess.run(words, cwd=folder, env=os.environ).returncode != -signal.SIGKILL:
            break
        for number, more in enumerate(([], ["--shard", "2/2", "--merge"], ["merge", "out.jsonl"])):
            monkeypatch.chdir(shutil.copytree(folder, folder.parent / f"{folder.name}-{number}"))
            is_merge = more[:1] == ["merge"]
            again = rlkd(*more) if is_merge else segment("-o", "out.jsonl", *more)
            assert again.status == 3, (point, more, again.err)
            assert Path("out.jsonl").read_bytes() == whole and not list(Path().glob("*.journal"))
            assert not Path("out.jsonl.shards").exists(), (point, more)
            assert facts("out.jsonl")["models"] == facts("one.jsonl")["models"], (point, more)
    assert point > 6 and len(server.requests) == since


def test_shards_start_over_together(segment, rlkd, server) -> None:
    for i in (1, 2, 3):
        segment("-o", "out.jsonl", "--shard", f"{i}/3")
    since = len(server.requests)
    refused = segment("-o", "out.jsonl", "--shard", "1/2", "--overwrite", "--merge")
    assert refused.status == 2 and "rlkd merge out.jsonl --discard" in refused.err
    assert len(server.requests) == since and len(list(Path("out.jsonl.shards").iterdir())) == 3
    for is_merged in (False, True):
        if is_merged:
            assert rlkd("merge", "out.jsonl", "-q").status == 0
        assert rlkd("merge", "out.jsonl", "--discard").status == 0
        assert not list(Path().glob("out.jsonl*"))
        server.script = lambda request, number: Response(STEPS.replace("Choose a", "Start over"))
        for i in (1, 2):
            assert segment("-o", "out.jsonl", "--shard", f"{i}/2").status == 0
    assert rlkd("merge", "out.jsonl", "-q").status == 0
    assert all("Start over" in json.dumps(record) for record in read(Path("out.jsonl")))
    assert facts("out.jsonl")["models"][server.url]["requests"] == 24
    nothing = rlkd("merge", "typo/out.jsonl", "--discard")
    assert nothing.status == 2 and not Path("typo").exists()


def test_a_finished_file_that_was_changed_is_refused(segment, rlkd) -> None:
    for i in (1, 2):
        segment("-o", "out.jsonl", "--shard", f"{i}/2")
    rlkd("merge", "out.jsonl", "-q")
    with Path("out.jsonl").open("a") as file:
        file.write("{}\n")
    changed = rlkd("merge", "out.jsonl")
    assert changed.status == 2 and "was changed after it was finished" in changed.err
    manifest_of(Path("out.jsonl")).write_text("{")
    assert "is damaged" in rlkd("merge", "out.jsonl").err


def test_a_launch_that_was_killed_leaves_nothing_after_a_merge(segment, rlkd) -> None:
    for i in (1, 2):
        segment("-o", "out.jsonl", "--shard", f"{i}/2")
    Path("out.jsonl.shards/run-0123abcd").touch()
    assert rlkd("merge", "out.jsonl", "-q").status == 3
    assert not Path("out.jsonl.shards").exists()
