"""ms-swift: a class for `orms["rlkd"]`, which a plugin file registers (examples/peers)."""

from typing import Any

from rlkd_cli.reward.peers import configured, total_of
from rlkd_cli.reward.texts import completion_text, named


class Structured:
    """An asynchronous reward of ms-swift; it is made with the trainer's arguments, and needs none.

    Problems are named by the columns `id`, `label` or `problem`, else by the last message of the
    user. MissingReward where one could not be had: ms-swift would add None as 0.
    """

    def __init__(self, args: Any = None, **more: Any) -> None:
        self.args = args

    async def __call__(self, completions: list[Any], **columns: Any) -> list[float]:
        names = ("id", "label", "problem", "question", "messages")
        rows = [
            {name: columns[name][i] for name in names if columns.get(name) is not None}
            for i in range(len(completions))
        ]
        items = [
            {"path": completion_text(completion), **named(row, row.get("messages"))}
            for completion, row in zip(completions, rows, strict=True)
        ]
        return [total_of(record) for record in await configured().score_many(items)]
