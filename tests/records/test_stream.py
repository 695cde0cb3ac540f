"""Records to a stream, in the input's order."""

import io
import json
from pathlib import Path

import pytest

from rlkd_cli.errors import OutputError, RecordError, UsageError
from rlkd_cli.records.forms import close, put
from rlkd_cli.records.read import Item
from rlkd_cli.records.rejects import RejectsStream, reject, write_rejects
from rlkd_cli.records.stream import StreamOutput
from tests.conftest import read


def items(count: int) -> list[Item]:
    return [Item(f"f:{i + 1}", {"id": i}) for i in range(count)]


def test_records_leave_in_order_whatever_comes_first(tmp_path: Path) -> None:
    stream, seen = io.StringIO(), []
    output = StreamOutput(stream, str(tmp_path / "r.jsonl"), seen.append)
    these = items(4)
    output.add(2, these[2], {"id": 2}, {})
    output.add(1, these[1], RecordError("timeout", "late"), {})
    assert stream.getvalue() == ""
    output.add(0, these[0], {"id": 0}, {})
    output.add(3, these[3], {"id": 3}, {})
    assert [json.loads(line)["id"] for line in stream.getvalue().splitlines()] == [0, 2, 3]
    assert seen == [{"id": 0}, {"id": 2}, {"id": 3}] and output.rejected == 1
    output.close()
    (lost,) = read(tmp_path / "r.jsonl")
    assert (lost["id"], lost["error"], lost["detail"]) == (1, "timeout", "late")


def test_a_slow_record_holds_up_a_window_of_others(tmp_path: Path) -> None:
    output = StreamOutput(io.StringIO(), str(tmp_path / "r.jsonl"), lambda record: None)
    assert not output.is_full(output.WINDOW) and output.is_full(output.WINDOW + 1)
    output.add(0, items(1)[0], {"id": 0}, {})
    assert not output.is_full(output.WINDOW + 1)


def test_without_rejects_there_is_no_file(tmp_path: Path) -> None:
    RejectsStream(str(tmp_path / "r.jsonl")).close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="rejects are lines"):
        RejectsStream(str(tmp_path / "r.parquet"))


def test_a_full_stream_is_an_error_that_names_it() -> None:
    full = Path("/dev/full").open("w")
    with pytest.raises(OutputError, match="/dev/full: No space left"):
        put(full, {"id": 1})
    close(full)


def test_rejects_have_the_form_of_their_name(tmp_path: Path) -> None:
    write_rejects([reject({"id": 1}, RecordError("too_long", "d"))], tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())[0]["error"] == "too_long"
