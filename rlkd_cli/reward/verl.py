"""verl: `reward.custom_reward_function.path=pkg://rlkd_cli.reward.verl`, name `compute_score`."""

from typing import Any

from rlkd_cli.reward.peers import configured, parts_of, total_of
from rlkd_cli.reward.texts import completion_text, labelled, named


async def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, float]:
    """`score` and its parts, which verl logs.

    The problem is named by `id`, `problem` or `question` in `extra_info`, or by a `ground_truth`
    that is a JSON object with an `id`. MissingReward where it could not be had, which ends verl's
    run: a reward of 0 would train.
    """
    row = labelled(ground_truth, extra_info)
    record = await configured().score(completion_text(solution_str), **named(row))
    return {"score": total_of(record), **parts_of(record)}
