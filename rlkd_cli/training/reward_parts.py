"""The parts of a reward as TRL takes them: a function each, over one shared computation.

`sum` is the paper's: a function gives the total and alone has a weight, the others are there to be
logged; where the total is missing, the completion is left out. `normalize` (GDPO, 2601.05242; TRL's
`normalize_then_sum`): each part is normalised within its group, then the parts are weighted and
summed, and the sums normalised over the batch, so that none drowns another by its spread; a part
that is missing for one completion is left out of that part alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from trl.trainer.utils import nanstd

from rlkd_cli.training.reward import Reward

AGGREGATION = {"sum": "sum_then_normalize", "normalize": "normalize_then_sum"}
TOTAL = "total"
NAMES = {"outcome": "outcome_reward", "format": "format_reward", "tags": "tag_reward"}


@dataclass
class Shared:
    """A reward that is computed once for all functions that TRL calls with the same batch."""

    reward: Reward
    _of: Any = None
    _work: Any = None

    async def __call__(self, completion_ids: Any, **columns: Any) -> dict[str, list[float | None]]:
        if completion_ids is not self._of:
            work = self.reward(completion_ids, **columns)
            self._of, self._work = completion_ids, asyncio.ensure_future(work)
        return await self._work  # type: ignore[no-any-return]


@dataclass
class PartFunction:
    """One part of the reward (or the total) as a reward function of TRL, with its weight."""

    name: str
    weight: float
    expects: Callable[[int], bool]  # whether the record of that row number is to have this part
    part: str
    compute: Callable[..., Awaitable[dict[str, list[float | None]]]]

    def __post_init__(self) -> None:
        self.__name__ = self.name  # what TRL calls it in its logs

    async def __call__(self, completion_ids: Any, **columns: Any) -> list[float | None]:
        return (await self.compute(completion_ids, **columns))[self.part]


def functions_of(reward: Reward, aggregate: str) -> list[PartFunction]:
    """The functions for TRL's trainer, those of the parts that weigh something."""
    shared, names = Shared(reward), {"structure": reward.path_reward, **NAMES}
    parts = {part: getattr(reward.weights, part) for part in names}

    def function(name: str, weight: float, part: str) -> PartFunction:
        return PartFunction(name, weight, lambda row: reward.expects(row, part), part, shared)

    is_sum = aggregate == "sum"
    found = [
        function(names[part], 0.0 if is_sum else weight, part)
        for part, weight in parts.items()
        if weight
    ]
    return [function("total_reward", 1.0, TOTAL), *found] if is_sum else found


def without_incomplete(values: torch.Tensor, functions: Sequence[PartFunction]) -> torch.Tensor:
    """Rewards (N, functions), where a completion whose total is missing has no part either.

    Its parts alone would count as a reward of 0 with TRL, which leaves out rows that are all NaN.
    """
    if functions[0].part != TOTAL or len(functions) == 1:
        return values
    return values.masked_fill(values[:, :1].isnan(), torch.nan)


def part_statistics(
    values: torch.Tensor, expected: torch.Tensor, group: int, names: Sequence[str]
) -> dict[str, float]:
    """Of rewards (N, functions), NaN where missing, by name: what shows one part drowning another.

    `…/group_deviation`: the mean over groups of the deviation within one (of those with two values
    or more); `…/constant_groups`: the share of these groups without any deviation; `…/missing`: the
    share of missing values among those that are `expected` (a mask of the same shape).
    """
    found: dict[str, float] = {}
    for k, name in enumerate(names):
        if not expected[:, k].any():
            continue
        found[f"{name}/missing"] = values[expected[:, k], k].isnan().float().mean().item()
        spread = nanstd(values[:, k].view(-1, group), dim=1)
        spread = spread[~spread.isnan()]
        if len(spread):
            found[f"{name}/group_deviation"] = spread.mean().item()
            constant = torch.isclose(spread, torch.zeros_like(spread))
            found[f"{name}/constant_groups"] = constant.float().mean().item()
    return found
