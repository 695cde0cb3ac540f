"""What the adapters for other trainers share: one reward for the process, and what it is asked.

These trainers pass no arguments, so the options are read from the table `[reward]` of `rlkd.toml`
(or of the file that RLKD_REWARD_CONFIG names) and from RLKD_REWARD_TEACHER, RLKD_REWARD_JUDGE and
so on, which override it.
"""

import os
import threading
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from time import monotonic
from typing import Any

from rlkd_cli.errors import MissingReward, UsageError
from rlkd_cli.option import REWARD_TABLE, fields_of, read_tables
from rlkd_cli.records.schema import Raw
from rlkd_cli.reward.object import StructuredReward
from rlkd_cli.reward.rewarding import Rewarding

PREFIX = "RLKD_REWARD_"
FILE = f"{PREFIX}CONFIG"
LASTING = (
    "no_teacher",
    "other_problem",
    "model_failed",
)  # reasons that no further completion gets rid of

_lock = threading.Lock()
_opened: StructuredReward | None = None


def _new_lock() -> None:
    """A fork may have copied the lock while another thread held it."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_new_lock)


def configured() -> StructuredReward:
    """The reward of this process, opened by the first who asks; UsageError where it cannot be."""
    global _opened
    with _lock:
        if _opened is None:
            _opened = StructuredReward.open(**options_of(os.environ))
        return _opened


def close() -> None:
    """Closes this process's reward, if there is one; the next who asks reads the options anew."""
    global _opened
    with _lock:
        reward, _opened = _opened, None
    if reward:
        reward.close_sync()


def names() -> list[str]:
    """The options that a file or the environment may give."""
    return [field.name for field in fields_of(Rewarding)]


def options_of(environment: Mapping[str, str]) -> dict[str, Any]:
    """The options that file and environment give, by name; UsageError for want of a teacher."""
    named = environment.get(FILE)
    file = Path(named or "rlkd.toml")
    table = read_tables(file).get(REWARD_TABLE, {}) if named or file.is_file() else {}
    given = _of_table(table, file) | _of_environment(environment)
    if not given.get("teacher"):
        asked = f'set RLKD_REWARD_TEACHER, or teacher = "…" in [reward] of {file}'
        raise UsageError(f"no teacher for the reward: {asked}")
    return given


def _of_table(table: Any, file: Path) -> dict[str, Any]:
    if not isinstance(table, Mapping):
        raise UsageError(f"{file}: {REWARD_TABLE}: a table is needed, [{REWARD_TABLE}]")
    given = {name.replace("-", "_"): value for name, value in table.items()}
    if len(given) < len(table):
        twice = next(name for name in table if "-" in name and name.replace("-", "_") in table)
        raise UsageError(f"{file}: [{REWARD_TABLE}] gives {twice} in two spellings")
    return given


def _of_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """The options by name; one that is empty is none. UsageError for a name that is none."""
    known = {PREFIX + name.upper(): name for name in names()}
    for name in environment:
        if name.startswith(PREFIX) and name not in (*known, FILE):
            near = get_close_matches(name, [*known, FILE], 1)
            also = f"; the nearest: {near[0]}" if near else ""
            raise UsageError(f"{name}: no such option{also}")
    return {known[name]: text for name, text in environment.items() if name in known and text}


def total_of(record: Raw) -> float:
    """The total of a score record. MissingReward, with the reason, where it could not be had."""
    if record["total"] is None:
        raise MissingReward(f"{record['error']}: {record['detail']}")
    return float(record["total"])


def parts_of(record: Raw) -> dict[str, float]:
    """The parts of a reward as numbers, for a trainer's metrics; NaN for one that there is not."""
    names = ("structured", "outcome")
    return {name: float("nan") if record[name] is None else record[name] for name in names}


def check_lasting(records: Sequence[Raw]) -> None:
    """MissingReward where all of a batch are missing for a reason that does not pass."""
    if records and all(record.get("error") in LASTING for record in records):
        total_of(records[0])


def totals_sync(items: Sequence[Mapping[str, Any]], deadline: float | None = None) -> list[Raw]:
    """The records of completions, all of which have a total, within `deadline` seconds of now.

    Reading the teacher's file, with the first call, counts too. MissingReward where one has none.
    """
    began = monotonic()
    reward = configured()
    left = None if deadline is None else max(deadline - (monotonic() - began), 0.1)
    records = reward.score_many_sync(items, left)
    for record in records:
        total_of(record)
    return records
