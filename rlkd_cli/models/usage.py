"""What model calls cost: requests, retries and tokens, noted where they happen and kept by the record they were for."""

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import NamedTuple

from rlkd_cli.models.providers import PAID, engine_of, unbatched


class Spent(NamedTuple):
    """What was asked of one model."""

    requests: int = 0
    retries: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def plus(self, other: Iterable[int]) -> "Spent":
        return Spent(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


Bill = dict[str, Spent]  # by model

_BILL: ContextVar[Bill | None] = ContextVar("bill", default=None)


def open_bill() -> Bill:
    """A bill that every model call made by this task, and by tasks that it starts, is written on."""
    bill: Bill = {}
    _BILL.set(bill)
    return bill


def add(bill: Bill, more: Mapping[str, Iterable[int]]) -> None:
    """Writes what stands on one bill (or on its JSON) on another."""
    for model, spent in more.items():
        bill[model] = bill.get(model, Spent()).plus(spent)


def spend(
    model: str, requests: int = 0, retries: int = 0, tokens_in: int = 0, tokens_out: int = 0
) -> None:
    """Writes on the bill that is open, if one is."""
    bill = _BILL.get()
    if bill is not None:
        add(bill, {model: (requests, retries, tokens_in, tokens_out)})


# US dollars per million tokens, in and out, as the providers' price pages gave them for this date, uncached input.
# DeepSeek's are those of its peak hours, twice the others, so that a budget errs on the safe side. The Batch API's
# discount (half) is applied where a batch is used.
PRICES_OF = "2026-11"
PRICES: dict[str, tuple[float, float]] = {
    "openai/gpt-4o": (2.50, 10.00),
    "openai/gpt-4o-mini": (0.15, 0.60),
    "openai/gpt-4.1": (2.00, 8.00),
    "openai/gpt-4.1-mini": (0.40, 1.60),
    "deepseek/deepseek-flash": (0.30, 1.20),
    "deepseek/deepseek-chat": (0.30, 1.20),
    "deepseek/deepseek-reasoner": (0.30, 1.20),
}
BATCH_DISCOUNT = 0.5


def price_of(model: str, given: tuple[float, float] | None = None) -> tuple[float, float] | None:
    """Dollars per million tokens (in, out): what the user gave, else the table's; None where nobody knows.

    Engines in this process and recorded replies cost nothing.
    """
    spec, in_batch = unbatched(model)
    if engine_of(spec) not in PAID:
        return 0.0, 0.0
    price = given or PRICES.get(spec)
    discount = BATCH_DISCOUNT if in_batch else 1.0
    return (price[0] * discount, price[1] * discount) if price else None


def cost(bill: Bill, given: tuple[float, float] | None = None) -> float | None:
    """US dollars; None where a model's price is not known."""
    total = 0.0
    for model, spent in bill.items():
        price = price_of(model, given)
        if price is None:
            return None
        total += (spent.tokens_in * price[0] + spent.tokens_out * price[1]) / 1e6
    return total
