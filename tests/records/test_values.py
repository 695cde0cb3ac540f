"""Values that JSON does not have."""

import json
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from rlkd_cli.errors import InputError
from rlkd_cli.records.values import plain_row


def test_dates_decimals_and_bytes_are_text() -> None:
    row = {
        "day": date(2026, 1, 2),
        "time": datetime(2026, 1, 2, 3, 4),
        "price": Decimal("1.50"),
        "long": timedelta(hours=1),
        "bytes": "é".encode(),
        "inner": ({"x": [date(2026, 1, 2)]}, True, None, 1.5),
    }
    found = plain_row(row, "f:1")
    assert found == {
        "day": "2026-01-02",
        "time": "2026-01-02T03:04:00",
        "price": "1.50",
        "long": "1:00:00",
        "bytes": "é",
        "inner": [{"x": ["2026-01-02"]}, True, None, 1.5],
    }
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "nan is not JSON"),
        ([float("inf")], "inf is not JSON"),
        (b"\xff", "bytes that are no text"),
        ({"inner": object()}, "a object, which JSON has not"),
    ],
)
def test_what_has_no_form_names_its_column(value: object, reason: str) -> None:
    found = plain_row({"id": 1, "bad": value}, "f:7")
    assert isinstance(found, InputError)
    assert str(found).startswith("f:7: bad: ") and reason in str(found)


def test_a_row_is_an_object() -> None:
    found = plain_row(["x"], "f:1")
    assert isinstance(found, InputError) and "not a JSON object" in str(found)
