"""AReaL: `reward_fn="rlkd_cli.reward.areal.structured"` of its workflows."""

from typing import Any

from rlkd_cli.reward.peers import totals_sync
from rlkd_cli.reward.texts import completion_text, named

DEADLINE = 12.0  # seconds; AReaL waits 15, and takes a fourth time-out for 0


def structured(
    prompt: Any, completions: Any, prompt_ids: Any = None, completion_ids: Any = None, **data: Any
) -> float:
    """The total reward of a completion, in one of AReaL's worker processes.

    The problem is named by the data's `id`, `label` or `problem`, else by its last message of the
    user, or the prompt. MissingReward, which AReaL retries, where it could not be had.
    """
    item = {"path": completion_text(completions), **named(data, data.get("messages") or prompt)}
    return float(totals_sync([item], DEADLINE)[0]["total"])
