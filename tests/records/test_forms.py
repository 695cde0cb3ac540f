"""How records are written, by a file's name."""

import gzip
import json
from pathlib import Path

import pytest

from rlkd_cli.errors import OutputError, UsageError
from rlkd_cli.records.forms import check_form, dumps, is_lines, objects, stream_of, written

RECORDS = [{"id": 1, "text": "é∑"}, {"id": 2, "text": "b\u2028c", "more": [1, {"x": None}]}]


def save(path: Path, records: list[dict]) -> bytes:
    with written(path) as write:
        for record in records:
            write(record)
    return path.read_bytes()


@pytest.mark.parametrize("name", ["o.jsonl", "o.txt", "o.jsonl.gz", "o.json", "o.json.gz"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str) -> None:
    for records in (RECORDS, []):
        save(tmp_path / name, records)
        assert list(objects(tmp_path / name)) == records


def test_parquet_has_a_null_where_a_record_has_no_such_field(tmp_path: Path) -> None:
    save(tmp_path / "o.parquet", [{"id": 1}, {"id": 2, "note": "b"}])
    assert [row["id"] for row in objects(tmp_path / "o.parquet")] == [1, 2]
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(tmp_path / "o.parquet")
    assert table.to_pylist() == [{"id": 1, "note": None}, {"id": 2, "note": "b"}]


def test_a_column_of_two_types_has_no_parquet_form(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"no Parquet form.*nothing is lost"):
        save(tmp_path / "o.parquet", [{"id": 1}, {"id": "two"}])
    assert list(tmp_path.iterdir()) == []


def test_gzip_of_the_same_records_is_the_same_bytes(tmp_path: Path) -> None:
    one, other = (save(tmp_path / name, RECORDS) for name in ("a.jsonl.gz", "b.jsonl.gz"))
    assert one == other and gzip.decompress(one).count(b"\n") == 2


def test_a_json_list_is_json(tmp_path: Path) -> None:
    assert json.loads(save(tmp_path / "o.json", RECORDS)) == RECORDS
    assert json.loads(save(tmp_path / "none.json", [])) == []


def test_a_file_that_fails_half_way_does_not_appear(tmp_path: Path) -> None:
    file = tmp_path / "o.jsonl"
    with pytest.raises(ZeroDivisionError), written(file) as write:
        write({"id": 1})
        write({"id": 1 // 0})
    assert list(tmp_path.iterdir()) == []


def test_text_stays_readable_and_a_lone_surrogate_is_escaped() -> None:
    assert dumps({"a": "é"}) == '{"a": "é"}'
    assert json.loads(dumps({"a": "\ud800"}).encode()) == {"a": "\ud800"}


def test_endings_that_promise_something_else_are_refused() -> None:
    for name in ("o.csv", "o.xlsx", "O.ZST", "o.parquet.gz"):
        with pytest.raises(UsageError, match="choose one of these endings"):
            check_form(name)
    for name in ("o.jsonl", "o.JSON", "o.jsonl.gz", "o.parquet", "o"):
        check_form(name)
    assert is_lines("o.jsonl") and not is_lines("o.JSON") and not is_lines("o.jsonl.gz")


def test_what_is_a_stream(tmp_path: Path) -> None:
    assert stream_of(str(tmp_path / "new.jsonl")) is None
    assert stream_of("-") is not None
    with pytest.raises(UsageError, match="a folder"):
        stream_of(str(tmp_path))
