"""The next token of each row of a batch, every row with random numbers of its own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rlkd_cli.models.base import Sampling

if TYPE_CHECKING:
    import torch

FIRST = 1024  # tokens among which a nucleus is looked for, before the whole vocabulary is sorted


def generator(sampling: Sampling) -> Any:
    """The random numbers of one reply, the same on every device."""
    import torch

    return torch.Generator().manual_seed((sampling.seed or 0) & (2**63 - 1))


def draw(
    logits: "torch.Tensor", samplings: Sequence[Sampling], generators: Sequence[Any]
) -> list[int]:
    """A token for each row of `logits` (rows, vocabulary): the likeliest at temperature 0, else
    drawn.

    A draw takes one random number, by the inverse of the cumulative distribution. The nucleus is
    the fewest likeliest tokens that hold `top_p` (Holtzman and others, 2020).
    """
    import torch

    chosen = logits.argmax(-1)
    drawn = [row for row, sampling in enumerate(samplings) if sampling.temperature > 0]
    if drawn:
        rows = torch.tensor(drawn, device=logits.device)
        numbers = torch.stack([torch.rand((), generator=generators[row]) for row in drawn])
        heat = torch.tensor([samplings[row].temperature for row in drawn])
        shares = torch.tensor([samplings[row].top_p for row in drawn])
        on = [part.to(logits.device) for part in (numbers, heat, shares)]
        logs = (logits[rows].float() / on[1][:, None]).log_softmax(-1)
        chosen[rows] = _nucleus(logs, on[2], on[0])
    return list(chosen.tolist())


def _nucleus(
    logs: "torch.Tensor", shares: "torch.Tensor", numbers: "torch.Tensor"
) -> "torch.Tensor":
    """A token a row from `logs` (rows, vocabulary), by top-p `shares` and random `numbers`
    (rows,)."""
    import torch

    chosen = torch.empty(len(logs), dtype=torch.long, device=logs.device)
    whole = shares >= 1
    if whole.any():
        order = logs[whole].exp().double().cumsum(-1)
        chosen[whole] = _place(order, numbers[whole] * order[:, -1])
    if not whole.all():
        rest = (~whole).nonzero()[:, 0]
        size = min(FIRST, logs.shape[-1])
        values, ids = logs[rest].topk(size, dim=-1)
        mass = values.exp().double().cumsum(-1)
        inside = (mass[:, -1] >= shares[rest]) | (size == logs.shape[-1])
        if inside.any():
            chosen[rest[inside]] = _pick(mass[inside], ids[inside], shares, numbers, rest[inside])
        if not inside.all():  # a nucleus larger than what was looked at
            values, ids = logs[rest[~inside]].sort(dim=-1, descending=True)
            mass = values.exp().double().cumsum(-1)
            chosen[rest[~inside]] = _pick(mass, ids, shares, numbers, rest[~inside])
    return chosen


def _pick(mass: Any, ids: Any, shares: Any, numbers: Any, rows: Any) -> Any:
    """The drawn tokens' ids, from cumulative `mass` (rows, tokens) of tokens that fall in
    likelihood."""
    last = _place(mass, shares[rows].double())[:, None]
    return ids.gather(-1, _place(mass, numbers[rows] * mass.gather(-1, last)[:, 0])[:, None])[:, 0]


def _place(order: Any, at: Any) -> Any:
    """The first place in each row of cumulative `order` whose value is not below `at` (rows,)."""
    import torch

    found = torch.searchsorted(order, at.double()[:, None])[:, 0]
    return found.clamp_(max=order.shape[-1] - 1)
