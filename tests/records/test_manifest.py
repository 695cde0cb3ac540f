"""An output is bound to what it was made from: anything else is one line, status 2, and
--overwrite.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rlkd_cli.records.manifest import FAST_BYTES, folder_fingerprint, manifest_of
from tests.conftest import read, segmentation, step, write
from tests.servers.scripted import Response


def refused(result, *words: str) -> bool:
    """Whether a command stopped with one line that holds the words, and nothing on standard
    output.
    """
    is_line = len(result.err.strip().splitlines()) == 1 and "--overwrite" in result.err
    return (
        result.status == 2 and result.out == "" and is_line and all(w in result.err for w in words)
    )


def paths(count: int) -> list[dict]:
    return [{"id": i, "problem": f"problem {i}", "path": f"path of {i}."} for i in range(count)]


def test_a_teacher_that_changed(rlkd) -> None:
    write(Path("t.jsonl"), [segmentation(1, step("a"))])
    write(Path("s.jsonl"), [segmentation(1, step("a"))])
    command = ["score", "t.jsonl", "s.jsonl", "--judge", "exact", "-o", "out.jsonl", "-q"]
    assert rlkd(*command).status == 0 and read(Path("out.jsonl"))[0]["reward"] == 1
    assert rlkd(*command).status == 0
    write(Path("t.jsonl"), [segmentation(1, step("b"))])
    assert refused(rlkd(*command), "teacher changed")
    assert read(Path("out.jsonl"))[0]["reward"] == 1
    assert rlkd(*command, "--overwrite").status == 0
    assert read(Path("out.jsonl"))[0]["reward"] == 0


def test_a_teacher_that_was_only_moved_or_packed_is_the_same(rlkd) -> None:
    write(Path("t.jsonl"), [segmentation(1, step("a"))])
    write(Path("s.jsonl"), [segmentation(1, step("a"))])
    more = ["--judge", "exact", "-o", "out.jsonl", "-q"]
    assert rlkd("score", "t.jsonl", "s.jsonl", *more).status == 0
    Path("moved.json").write_text(json.dumps(read(Path("t.jsonl"))))
    moved = rlkd("score", "moved.json", "s.jsonl", *more)
    assert moved.status == 0, moved.err


@pytest.fixture
def model(base, tmp_path) -> Path:
    """A copy of the tiny model, to be changed."""
    return Path(shutil.copytree(base, tmp_path / "model"))


def train_again(model: Path) -> None:
    """Other weights in the same folder, of the same size and with the same date."""
    from safetensors.torch import load_file, save_file

    file = model / "model.safetensors"
    before = file.stat()
    tensors = load_file(file)
    save_file({name: tensor * 1.01 for name, tensor in tensors.items()}, file, {"format": "pt"})
    assert file.stat().st_size == before.st_size
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("command", ["eval", "segment", "sample"])
def test_a_model_that_was_trained_again_in_its_folder(rlkd, model, command: str) -> None:
    write(Path("in.jsonl"), [{"id": 1, "problem": "p", "path": "x", "answer": "1"}])
    words = {
        "eval": ["eval", "--bench", "in.jsonl"],
        "segment": ["segment", "in.jsonl", "--no-verify", "--max-attempts", "1"],
        "sample": ["sample", "in.jsonl", "--n", "1"],
    }[command]
    words += ["--model", f"hf/{model}", "--max-tokens", "4", "-o", "out.jsonl", "-q"]
    first = rlkd(*words)
    assert first.status == (3 if command == "segment" else 0)
    again = rlkd(*words)
    assert again.status == first.status, again.err
    train_again(model)
    assert refused(rlkd(*words), f"model hf/{model} changed")
    assert rlkd(*words, "--overwrite").status == first.status


def test_large_weights_are_known_by_their_date(model) -> None:
    os.truncate(model / "model.safetensors", FAST_BYTES + 1)  # the rest is a hole: nothing on disk
    prints = folder_fingerprint(model)
    assert prints["model.safetensors"].startswith("dated ")
    assert not prints["config.json"].startswith("dated ")
    os.utime(model / "model.safetensors")
    assert folder_fingerprint(model) != prints


def test_a_judge_that_changed_and_the_verdicts_that_it_left(rlkd, model) -> None:
    write(Path("t.jsonl"), [segmentation(1, step("one thing"))])
    write(Path("s.jsonl"), [segmentation(1, step("another thing"))])
    judged = ["--judge", f"hf/{model}", "--verdict-cache", "v.sqlite", "-q"]
    assert rlkd("score", "t.jsonl", "s.jsonl", *judged).status == 0
    assert rlkd("score", "t.jsonl", "s.jsonl", *judged).status == 0
    train_again(model)
    assert refused(rlkd("score", "t.jsonl", "s.jsonl", *judged), "v.sqlite", "changed")
    assert rlkd("score", "t.jsonl", "s.jsonl", *judged, "--overwrite").status == 0
    assert rlkd("score", "t.jsonl", "s.jsonl", *judged).status == 0


def test_an_input_that_was_cut(rlkd, server) -> None:
    command = ["segment", "in.jsonl", "--model", server.url, "--no-verify", "-o", "out.jsonl", "-q"]
    write(Path("in.jsonl"), paths(6))
    assert rlkd(*command).status == 0
    write(Path("in.jsonl"), paths(3))
    assert refused(rlkd(*command), "in.jsonl gives 3 records", "6")
    assert len(read(Path("out.jsonl"))) == 6
    assert rlkd(*command, "--overwrite").status == 0 and len(read(Path("out.jsonl"))) == 3


def test_an_input_that_was_cut_before_the_run_was_finished(rlkd, server) -> None:
    command = ["segment", "in.jsonl", "--model", server.url, "--no-verify", "-o", "out.jsonl", "-q"]
    server.script = lambda request, number: Response(status=401) if number >= 4 else Response()
    write(Path("in.jsonl"), paths(6))
    assert rlkd(*command, "--concurrency", "1").status == 1
    server.script = lambda request, number: Response()
    write(Path("in.jsonl"), paths(3))
    assert refused(rlkd(*command), "in.jsonl gives 3 records", "made from 6")
    assert not Path("out.jsonl").exists()


def test_a_run_that_was_ended_is_bound_to_all_of_its_input(rlkd, server) -> None:
    command = ["segment", "in.jsonl", "--model", server.url, "--no-verify", "-o", "out.jsonl", "-q"]
    server.script = lambda request, number: Response(status=401) if number >= 2 else Response()
    write(Path("in.jsonl"), paths(6))
    assert rlkd(*command, "--concurrency", "1").status == 1
    server.script = lambda request, number: Response()
    assert refused(rlkd(*command, "--limit", "4"), "in.jsonl gives 4 records", "made from 6")
    edited = paths(6)
    edited[5]["path"] = "another path"
    write(Path("in.jsonl"), edited)
    assert refused(rlkd(*command), "in.jsonl: its records changed")
    write(Path("in.jsonl"), paths(8))  # it only grew
    assert rlkd(*command).status == 0 and len(read(Path("out.jsonl"))) == 8


def test_a_run_that_did_nothing_binds_nothing(rlkd, server) -> None:
    write(Path("in.jsonl"), paths(3))
    command = ["segment", "in.jsonl", "--no-verify", "-o", "out.jsonl", "-q", "--model"]
    server.script = lambda request, number: Response(status=401)
    assert rlkd(*command, server.url).status == 1
    server.script = lambda request, number: Response()
    assert rlkd(*command, server.url.replace("#m", "#n")).status == 0


def test_an_input_whose_middle_was_edited(rlkd, server) -> None:
    command = ["segment", "in.jsonl", "--model", server.url, "--no-verify", "-o", "out.jsonl", "-q"]
    write(Path("in.jsonl"), paths(6))
    assert rlkd(*command).status == 0
    write(Path("in.jsonl"), [*paths(2), {**paths(3)[2], "path": "edited"}, *paths(6)[3:]])
    assert refused(rlkd(*command), "in.jsonl", "changed")


@pytest.mark.parametrize("change", ["cut", "edited"])
def test_an_output_that_was_changed_by_hand(rlkd, server, change: str) -> None:
    command = ["segment", "in.jsonl", "--model", server.url, "--no-verify", "-o", "out.jsonl", "-q"]
    write(Path("in.jsonl"), paths(3))
    assert rlkd(*command).status == 0
    text = Path("out.jsonl").read_text()
    Path("out.jsonl").write_text(text[:100] if change == "cut" else text.replace("of 1", "of 7"))
    assert refused(rlkd(*command), "out.jsonl", "changed after it was finished")
    assert rlkd(*command, "--overwrite").status == 0 and Path("out.jsonl").read_text() == text


def test_an_input_that_grew_goes_on(rlkd, server) -> None:
    server.script = lambda request, number: (
        Response("no steps") if "path of 1." in str(request) else Response()
    )
    command = ["segment", "in.jsonl", "--model", server.url, "--no-verify", "-q"]
    write(Path("in.jsonl"), paths(4))
    assert rlkd(*command, "-o", "out.jsonl").status == 3
    asked = len(server.requests)
    write(Path("in.jsonl"), paths(7))
    assert rlkd(*command, "-o", "out.jsonl").status == 3
    assert len(server.requests) == asked + 3
    assert rlkd(*command, "-o", "whole.jsonl").status == 3
    for ending in ("", ".rejects.jsonl"):
        ours, theirs = (Path(f"{name}.jsonl{ending}").read_bytes() for name in ("out", "whole"))
        assert ours == theirs
    manifests = [json.loads(manifest_of(Path(f)).read_text()) for f in ("out.jsonl", "whole.jsonl")]
    for name in ("input", "output", "rejected", "rejects", "models"):
        assert manifests[0][name] == manifests[1][name]


def test_a_run_that_dies_while_it_takes_a_finished_file_over_loses_nothing(rlkd, server) -> None:
    command = ["segment", "in.jsonl", "--model", server.url, "--no-verify", "-o", "out.jsonl", "-q"]
    write(Path("in.jsonl"), paths(4))
    assert rlkd(*command).status == 0
    settings = json.loads(manifest_of(Path("out.jsonl")).read_text())["settings"]
    write(Path("in.jsonl"), paths(6))
    header = json.dumps({"settings": settings, "copied": 4})  # and death before the first copy
    Path("out.jsonl.journal").write_text(header + "\n")
    asked = len(server.requests)
    assert rlkd(*command).status == 0
    assert len(server.requests) == asked + 2 and len(read(Path("out.jsonl"))) == 6


def test_a_finished_command_opens_nothing(rlkd, server) -> None:
    command = ["segment", "in.jsonl", "--model", server.url, "--no-verify", "-o", "out.jsonl", "-q"]
    write(Path("in.jsonl"), paths(2))
    assert rlkd(*command).status == 0
    server.script = lambda request, number: Response(status=500)
    asked = len(server.requests)
    finished = rlkd(*command)
    assert finished.status == 0 and len(server.requests) == asked
    loaded = rlkd("segment", "in.jsonl", "--model", "hf/nowhere", "--no-verify", "-o", "new.jsonl")
    assert loaded.status == 1 and "nowhere" in loaded.err  # what would have been loaded is away


def test_a_finished_command_does_not_import_what_its_model_needs(rlkd, base) -> None:
    write(Path("in.jsonl"), paths(1))
    code = """
import sys
from rlkd_cli.cli import main
print(main(sys.argv[1:]), sorted({"torch", "transformers"} & sys.modules.keys()))
"""
    words = f"sample in.jsonl --model hf/{base} --n 1 --max-tokens 2 -o out.jsonl -q".split()

    def run() -> str:
        command = [sys.executable, "-c", code, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=120).stdout.strip()

    assert run() == "0 ['torch', 'transformers']"
    assert run() == "0 []"


@pytest.mark.parametrize("flag", ["-o", "--rejects"])
def test_an_output_that_is_the_input_is_refused(rlkd, server, flag: str) -> None:
    before = write(Path("in.jsonl"), paths(2)).read_bytes()
    Path("link.jsonl").symlink_to("in.jsonl")
    for name in ("in.jsonl", "./in.jsonl", "link.jsonl"):
        more = ["--model", server.url, "--no-verify", "--overwrite", flag, name]
        result = rlkd("segment", "in.jsonl", *more)
        assert result.status == 2 and "is an input" in result.err
    assert Path("in.jsonl").read_bytes() == before and not server.requests


def test_everything_is_checked_before_a_model_is_opened(rlkd) -> None:
    write(Path("in.jsonl"), paths(2))
    write(Path("bad.jsonl"), [{"id": 1}])
    away = ["--model", "http://127.0.0.1:9/v1", "--no-verify"]
    for status, named, words in (
        (2, "bad.jsonl:1", ["segment", "bad.jsonl", *away]),
        (1, "in.jsonl", ["segment", "in.jsonl", *away, "-o", "in.jsonl/out.jsonl"]),
        (1, "in.jsonl", ["segment", "in.jsonl", *away, "-o", "o", "--rejects", "in.jsonl/r"]),
        (2, "in.jsonl:1", ["score", "bad.jsonl", "in.jsonl", "--judge", "hf/nowhere"]),
    ):
        result = rlkd(*words)
        assert result.status == status and named in result.err, result.err
        assert "127.0.0.1" not in result.err and "nowhere" not in result.err


def test_two_runs_of_one_output(rlkd, server) -> None:
    import fcntl

    command = ["segment", "in.jsonl", "--model", server.url, "--no-verify", "-o", "out.jsonl"]
    write(Path("in.jsonl"), paths(2))
    with Path("out.jsonl.journal").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for more in ([], ["--overwrite"]):
            second = rlkd(*command, *more)
            assert second.status == 1 and "another run is writing it" in second.err
    assert not server.requests


def test_a_damaged_manifest_and_journal_are_named(rlkd, server) -> None:
    command = ["segment", "in.jsonl", "--model", server.url, "--no-verify", "-o", "out.jsonl", "-q"]
    write(Path("in.jsonl"), paths(3))
    assert rlkd(*command).status == 0
    for text in ("", "{}", "[1]"):
        manifest_of(Path("out.jsonl")).write_text(text)
        assert refused(rlkd(*command), "out.jsonl.run.json is damaged")
    assert rlkd(*command, "--overwrite").status == 0
    settings = json.loads(manifest_of(Path("out.jsonl")).read_text())["settings"]
    lines = [json.dumps({"settings": settings}), "broken", '{"i": 0, "h": 0, "u": {}, "r": {}}']
    Path("out.jsonl.journal").write_text("\n".join(lines) + "\n")
    assert refused(rlkd(*command), "out.jsonl.journal:2", "damaged")


def test_no_result_replaces_what_it_was_made_from(rlkd) -> None:
    paths = [segmentation(1, step("a"), sample=i, correct=True, path="x") for i in range(2)]
    for name in ("a.jsonl", "b.jsonl"):
        write(Path(name), paths)
    before = Path("b.jsonl").read_bytes()
    lexical = ["--embedder", "lexical", "--overwrite"]
    for words in (
        ["eval", "--table", "b.jsonl", "-o", "b.jsonl"],
        ["eval", "--doubtful", "b.jsonl", "-o", "b.jsonl"],
        ["diversity", "a.jsonl", "--with", "b.jsonl", "-o", "b.jsonl", *lexical],
        ["diversity", "a.jsonl", "-o", "b.jsonl", *lexical, "--with", "b.jsonl"],
        ["segment", "b.jsonl", "--model", "hf/nowhere", "-o", "b.jsonl", "--dry-run"],
        ["segment", "b.jsonl", "--model", "hf/nowhere", "--record", "b.jsonl"],
        ["score", "a.jsonl", "b.jsonl", "--judge", "exact", "--verdict-cache", "b.jsonl"],
        ["score", "a.jsonl", "b.jsonl", "--judge", "exact", "--audit", "-o", "b.jsonl"],
    ):
        result = rlkd(*words)
        assert result.status == 2 and "is an input" in result.err, words
        assert Path("b.jsonl").read_bytes() == before


def test_files_that_are_missing_or_cannot_be_made_are_named_first(rlkd, server) -> None:
    write(Path("b.jsonl"), [{"id": 1, "problem": "p", "answer": "1"}])
    asked = ["eval", "--bench", "b.jsonl", "--model", server.url]
    for more, named in (
        (["--with", "gone.jsonl"], "gone.jsonl: no such file"),
        (["--plot", "figure.foo"], ".png"),
        (["--record", "no/where.jsonl"], "no/where.jsonl"),
        (["--export", "r.txt"], ".yaml"),
        (["--export", "r.yaml"], "benchmark of the hub"),
    ):
        result = rlkd(*asked, *more)
        assert result.status == 2 and named in result.err, result.err
    assert not server.requests


def test_an_input_that_moved_is_the_same_and_a_prompt_that_changed_is_not(
    rlkd, server, monkeypatch
) -> None:
    write(Path("b.jsonl"), [{"id": 1, "problem": "p", "answer": "1"}])
    words = ["--model", server.url, "--runs", "1", "-o", "o.jsonl", "-q"]
    assert rlkd("eval", "--bench", "b.jsonl", *words).status == 0
    Path("b.jsonl").rename("c.jsonl")
    assert rlkd("eval", "--bench", "./c.jsonl", *words).status == 0
    assert len(server.requests) == 1
    assert refused(
        rlkd("eval", "--bench", "c.jsonl", *words, "--prompt", "So: {problem}"), "prompt"
    )


def test_a_result_made_whole_is_made_anew_where_its_input_grew(rlkd) -> None:
    rows = [segmentation(1, step(word), sample=i) for i, word in enumerate(("gems", "books"))]
    write(Path("s.jsonl"), rows)
    words = ["diversity", "s.jsonl", "--embedder", "lexical", "-o", "d.jsonl", "-q"]
    assert rlkd(*words).status == 0 and read(Path("d.jsonl"))[0]["paths"] == 2
    write(Path("s.jsonl"), [*rows, segmentation(1, step("pens"), sample=2)])
    assert rlkd(*words).status == 0 and read(Path("d.jsonl"))[0]["paths"] == 3
    write(Path("s.jsonl"), rows[:1])
    assert refused(rlkd(*words), "s.jsonl changed")
