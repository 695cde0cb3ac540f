"""Values that JSON does not have (from Parquet, and from data sets on the hub) as those that it
has.
"""

import datetime
import decimal
import math
from typing import Any

from rlkd_cli.errors import InputError
from rlkd_cli.records.schema import Raw

PLAIN = (str, bool, int, type(None))


def plain_row(row: Any, where: str) -> Raw | InputError:
    """A row with dates, decimals and bytes as text; InputError, which names the column, for what
    has no form.

    Bytes are text where they are UTF-8. NaN and Infinity are refused: a number that is not there is
    null.
    """
    if not isinstance(row, dict):
        return InputError(where, "", "not a JSON object", value=row)
    found: Raw = {}
    for column, value in row.items():
        try:
            found[column] = _plain(value)
        except ValueError as error:
            return InputError(where, str(column), str(error), value=_shown(row))
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not JSON; a number that is not there is null")
        return value
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise ValueError("bytes that are no text; leave the column out") from None
    if isinstance(value, decimal.Decimal | datetime.timedelta):
        return str(value)
    raise ValueError(f"a {type(value).__name__}, which JSON has not; leave the column out")


def _shown(value: Any) -> Any:
    """A row that is refused, as it can stand among the rejects."""
    if isinstance(value, dict):
        return {str(name): _shown(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(inner) for inner in value]
    try:
        return _plain(value)
    except ValueError:
        return repr(value) if isinstance(value, bytes) else str(value)
