"""Which of a problem's teacher paths are learnt from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from rlkd_cli.errors import UsageError
from rlkd_cli.option import REWARD, option
from rlkd_cli.records.schema import Raw

TEACHER_PATHS = option(
    "--teacher-paths",
    help="Of a problem's paths that were checked: first-correct (4.1), all-correct, all.",
    choices=("first-correct", "all-correct", "all"),
    panel=REWARD,
)
_MARKS = ("correctness_math_verify", "correctness_llama", "correct")


@dataclass(frozen=True, kw_only=True)
class ChosenPaths:
    """The choice, as an option."""

    teacher_paths: Annotated[str, TEACHER_PATHS] = "first-correct"


def chosen_paths(records: Sequence[Raw], rule: str) -> list[Raw]:
    """The teacher's paths to learn from, by `--teacher-paths`; the paper's is `first-correct`
    (4.1).

    A path's own mark says whether it is correct: OpenR1's `correctness_math_verify`, or
    `correctness_llama` where that is null, or `correct`, as `rlkd eval` writes it. A mark that is
    neither true nor false is not one of correctness. Paths of a problem without such marks are all
    taken.
    UsageError where none is left.
    """
    if rule == "all":
        return list(records)
    marked = {str(raw["id"]) for raw in records if _correct(raw) is not None}
    chosen, seen = [], set()
    for raw in records:
        identity = str(raw["id"])
        if identity in marked:
            if not _correct(raw) or (rule == "first-correct" and identity in seen):
                continue
            seen.add(identity)
        chosen.append(raw)
    if not chosen:
        raise UsageError(
            f"no teacher path is correct; --teacher-paths {rule} leaves none, all does"
        )
    return chosen


def _correct(raw: Raw) -> bool | None:
    marks = [raw[name] for name in _MARKS if name in raw]
    return next((mark for mark in marks if isinstance(mark, bool)), False) if marks else None
