"""EasyR1: `worker.reward.reward_function=FILE:compute_score`, the path of this file."""

from typing import Any

from rlkd_cli.reward.peers import parts_of, totals_sync
from rlkd_cli.reward.texts import completion_text


def compute_score(reward_inputs: Any, **more: Any) -> Any:
    """`overall` and the parts, for a batch of inputs or for one.

    The problem is named by a `ground_truth` that is a JSON object with an `id`. MissingReward where
    one could not be had, which ends the run: EasyR1 has no missing reward.
    """
    is_one = isinstance(reward_inputs, dict)
    asked = [reward_inputs] if is_one else reward_inputs
    items = [
        {"path": completion_text(one["response"]), "label": one["ground_truth"]} for one in asked
    ]
    records = totals_sync(items)
    scores = [{"overall": record["total"], **parts_of(record)} for record in records]
    return scores[0] if is_one else scores
