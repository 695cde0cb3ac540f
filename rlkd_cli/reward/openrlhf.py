"""OpenRLHF: `--reward.remote_url`, the path of this file, or the address of `rlkd serve`."""

from typing import Any

from rlkd_cli.reward.peers import totals_sync
from rlkd_cli.reward.texts import response_of

DEADLINE = 150.0  # seconds; OpenRLHF waits 180


def reward_func(
    queries: list[str], prompts: list[str], labels: list[Any], **more: Any
) -> dict[str, Any]:
    """`rewards`, `scores` (the same) and `extra_logs`, a value a query.

    A query is prompt and response; a label is a JSON object with an `id`, or the prompt is the
    problem. MissingReward where one could not be had, which OpenRLHF takes for no reward.
    """
    rows = zip(queries, prompts, labels, strict=True)
    items = [
        {"path": response_of(query, prompt), "label": label, "problem": prompt}
        for query, prompt, label in rows
    ]
    return answer(totals_sync(items, DEADLINE))


def answer(records: list[Any]) -> dict[str, Any]:
    """What OpenRLHF reads, of a file and of a server; parts that all records have are logged."""
    totals = [record["total"] for record in records]
    parts = {name: [record[name] for record in records] for name in ("structured", "outcome")}
    logs = {name: values for name, values in parts.items() if None not in values}
    return {"rewards": totals, "scores": totals, "extra_logs": logs}
