"""Where records and rejects go, by the options."""

from pathlib import Path

import pytest

from rlkd_cli.errors import UsageError
from rlkd_cli.records.write import Continued, Out
from tests.conftest import read, segmentation, step, write


def test_rejects_stand_beside_a_file_and_in_the_folder_for_a_stream() -> None:
    assert Out(output="a/o.jsonl").rejects_of("segment") == "a/o.jsonl.rejects.jsonl"
    for stream in (None, "-", "/dev/stdout"):
        assert Out(output=stream).rejects_of("segment") == "segment.rejects.jsonl"
    assert Out(output="o.jsonl", rejects="mine").rejects_of("segment") == "mine"


def test_what_is_asked_again_are_codes_of_a_file() -> None:
    assert Continued(output="o.jsonl").again == ()
    codes = Continued(output="o.jsonl", retry_rejects="timeout, http_500,")
    assert codes.again == ("timeout", "http_500")
    for output, words in ((None, "all"), ("-", "all"), ("o.jsonl", " , ")):
        with pytest.raises(UsageError, match="--retry-rejects"):
            _ = Continued(output=output, retry_rejects=words).again


def test_a_link_stays_a_link(rlkd) -> None:
    write(Path("teacher.jsonl"), [segmentation("a", step("m"))])
    Path("link.jsonl").symlink_to("real.jsonl")
    command = ("score", "teacher.jsonl", "teacher.jsonl", "--judge", "exact", "-o", "link.jsonl")
    assert rlkd(*command).status == 0 and rlkd(*command).status == 0
    assert Path("link.jsonl").is_symlink() and len(read(Path("real.jsonl"))) == 1
