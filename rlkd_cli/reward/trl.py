"""TRL: `trl grpo … --reward_funcs rlkd_cli.reward.trl.structured`, its asynchronous trainer too."""

from typing import Any

from rlkd_cli.reward.peers import check_lasting, configured
from rlkd_cli.reward.texts import completion_text, named


async def structured(
    completions: list[Any], prompts: list[Any] | None = None, **columns: Any
) -> list[float | None]:
    """The total reward of each completion, None where it could not be had.

    Problems are named by the columns `id`, `label` or `problem` of the data set, else by the
    prompts. TRL leaves out a completion whose only reward is None, but takes None for 0 beside
    another reward function: weigh outcome and format here (`outcome_weight`, `format_weight`), not
    in functions beside this one. MissingReward where none of a batch can ever be had.
    """
    if not completions:
        return []
    rows = [_row(columns, i) for i in range(len(completions))]
    asked = [None] * len(completions) if prompts is None else prompts
    items = [
        {"path": completion_text(completion), **named(row, prompt)}
        for completion, row, prompt in zip(completions, rows, asked, strict=True)
    ]
    records = await configured().score_many(items)
    check_lasting(records)
    if log := columns.get("log_metric"):
        _log(records, log)
    return [record["total"] for record in records]


def _row(columns: dict[str, Any], number: int) -> dict[str, Any]:
    """What the data set says of one completion."""
    names = ("id", "label", "problem", "question")
    return {name: columns[name][number] for name in names if columns.get(name) is not None}


def _log(records: list[Any], log: Any) -> None:
    for name in ("structured", "outcome"):
        known = [record[name] for record in records if record[name] is not None]
        if known:
            log(f"{name}_reward", sum(known) / len(known))
    log("reward_failures", sum(record["total"] is None for record in records) / len(records))
