"""slime: `--custom-rm-path rlkd_cli.reward.slime.structured`, with and without `--group-rm`."""

from typing import Any

from rlkd_cli.reward.peers import configured, total_of
from rlkd_cli.reward.texts import completion_text, labelled, named

DEADLINE = 100.0  # seconds; slime waits 120


async def structured(args: Any, sample: Any, **more: Any) -> Any:
    """The total reward of a sample; of a list of samples, a list.

    The problem is named by `id` or `problem` in the sample's metadata, by a label that is a JSON
    object with an `id`, or by the prompt. MissingReward where it could not be had.
    """
    samples = sample if isinstance(sample, list) else [sample]
    records = await configured().score_many([_item(one) for one in samples], DEADLINE)
    totals = [total_of(record) for record in records]
    return totals if isinstance(sample, list) else totals[0]


def _item(sample: Any) -> dict[str, Any]:
    row = labelled(sample.label, sample.metadata)
    return {"path": completion_text(sample.response), **named(row, sample.prompt)}
