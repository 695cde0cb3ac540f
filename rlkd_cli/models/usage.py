"""What model calls cost: requests, retries and tokens, noted where they happen and kept by the
record they were for."""

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import NamedTuple

from rlkd_cli.models.providers import BATCH_DISCOUNT, hosted
from rlkd_cli.models.spec import is_paid, unbatched


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


def open_bill(bill: Bill | None = None) -> Bill:
    """A bill, a new one unless one is given, for every model call that this task makes, and that
    tasks make which it starts.
    """
    bill = {} if bill is None else bill
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


def price_of(model: str, given: tuple[float, float] | None = None) -> tuple[float, float] | None:
    """Dollars per million tokens (in, out): what the user gave, else the table's; None where nobody
    knows.

    Engines in this process and recorded replies cost nothing.
    """
    spec, in_batch = unbatched(model)
    if not is_paid(spec):
        return 0.0, 0.0
    price = given or hosted(spec).price
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
