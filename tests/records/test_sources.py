"""Rows of an input by its form, and where each stands."""

import gzip
import json
from pathlib import Path

import pytest

from rlkd_cli.errors import InputError, UsageError
from rlkd_cli.records.sources import rows

ROWS = [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize("name", ["i.jsonl", "i.json", "i.jsonl.gz", "i.json.gz", "i.parquet"])
def test_every_form_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    text = "".join(json.dumps(row) + "\n" for row in ROWS)
    data = (json.dumps(ROWS) if ".json" in name and ".jsonl" not in name else text).encode()
    if name.endswith(".parquet"):
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(ROWS), file)
    else:
        file.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert [row for _, row in rows(str(file))] == ROWS


def test_a_broken_line_is_a_fault_of_its_own_and_the_next_is_read(tmp_path: Path) -> None:
    (tmp_path / "i.jsonl").write_text('{"id": 1}\n{broken\n\n{"id": 2}\n')
    found = list(rows(str(tmp_path / "i.jsonl")))
    assert [row for _, row in found if isinstance(row, dict)] == ROWS
    (fault,) = (row for _, row in found if isinstance(row, InputError))
    assert "i.jsonl:2: " in str(fault)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.jsonl: no such file"):
        list(rows(str(tmp_path / "none.jsonl")))
