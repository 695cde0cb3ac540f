"""The heart: from a path to its score, by judges and graders; and the same for other trainers.

    from rlkd_cli.reward import StructuredReward

    reward = StructuredReward.open("teacher.jsonl", gsrm="http://gsrm:8001/v1", judge="math")
    record = await reward.score(path, id=7)  # or reward.score_sync(path, id=7)
    record["total"]

A module named after a trainer (`rlkd_cli.reward.trl`, `verl`, `openrlhf`, `slime`, `ms_swift`,
`verifiers`, `easyr1`, `areal`) holds this reward in the form which that trainer calls.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlkd_cli.reward.object import StructuredReward

__all__ = ["StructuredReward"]


def __getattr__(name: str) -> Any:
    """The public object, imported when it is used: judges and graders do without it."""
    if name == "StructuredReward":
        from rlkd_cli.reward.object import StructuredReward

        return StructuredReward
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
