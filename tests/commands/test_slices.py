"""`--launch ray` without Ray: what is refused before anything starts, and how limits are shared."""

import sys
from pathlib import Path

import pytest

from rlkd_cli import __version__
from rlkd_cli.commands import segment
from rlkd_cli.commands.on_ray import problem_of, task_options
from rlkd_cli.records.output import FileOutput
from rlkd_cli.records.read import Rows
from rlkd_cli.records.schema import PathRecord
from tests.commands.test_shards import paths
from tests.conftest import write

RAY = ["--launch", "ray", "--num-processes", "2"]
OUT = ["-o", "out.jsonl"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--launch", "slurm", "--num-processes", "2", *OUT], "write ray, or ray:ADDRESS"),
        (["--launch", "ray", *OUT], "--num-processes N"),
        (RAY, "needs -o FILE"),
        ([*RAY, *OUT, "--shard", "1/2"], "no --shard"),
        ([*RAY, *OUT, "--record", "replies.jsonl"], "--record"),
        ([*RAY, *OUT, "--batch"], "--batch"),
        (["--gpus-per-process", "1", *OUT], "need --launch ray"),
        (["--merge", *OUT], "it needs --shard I/N"),
    ],
)
def test_what_does_not_go_together_is_refused(rlkd, server, words: list[str], said: str) -> None:
    write(Path("in.jsonl"), paths(2))
    refused = rlkd("segment", "in.jsonl", "--model", server.url, "--no-verify", *words)
    assert refused.status == 2 and said in refused.err, refused.err
    assert not server.requests and not Path("out.jsonl.shards").exists()


def test_an_input_that_only_one_process_can_read_is_refused(rlkd, server) -> None:
    refused = rlkd("segment", "-", "--model", server.url, "--no-verify", *RAY, *OUT)
    assert refused.status == 2 and "name a file" in refused.err


def test_without_ray_a_line_says_how_to_get_it(rlkd, server, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as where it is not installed
    write(Path("in.jsonl"), paths(2))
    refused = rlkd("segment", "in.jsonl", "--model", server.url, "--no-verify", *RAY, *OUT)
    assert refused.status == 2 and "pip install 'rlkd[ray]'" in refused.err
    assert not list(Path().glob("out.jsonl*"))


def test_a_machine_says_why_it_cannot_work(tmp_path) -> None:
    mark = tmp_path / "out.jsonl.shards/run-1"
    assert "storage that all machines share" in problem_of(__version__, mark)
    mark.parent.mkdir()
    mark.touch()
    assert problem_of(__version__, mark) == ""
    assert "this is 9.9" in problem_of("9.9", mark)


def test_limits_are_shared_out_among_the_tasks(rlkd) -> None:
    source = Rows().read(str(write(Path("in.jsonl"), paths(2))), PathRecord)
    source.scan()
    options = segment.Options(
        source="in.jsonl",
        output="out.jsonl",
        launch="ray",
        num_processes=4,
        rpm=10,
        tpm=2,
        max_cost=8.0,
        price_in=1.0,
        price_out=1.0,
        overwrite=True,
    )
    output = FileOutput(Path("out.jsonl"), "rejects.jsonl", {}, source)
    told = task_options(options, output, 4)
    assert (told.rpm, told.tpm, told.max_cost, told.concurrency) == (2, 1, 2.0, options.concurrency)
    assert (told.launch, told.num_processes, told.overwrite, told.quiet) == (
        None,
        None,
        False,
        True,
    )
    output.close()
