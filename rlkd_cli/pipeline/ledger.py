"""The ledger of a run: what was asked of whom, what it cost, what was rejected and why, over all
its runs.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from rlkd_cli.errors import RecordError, RlkdError, UsageError
from rlkd_cli.models.providers import PRICES_OF
from rlkd_cli.models.usage import Bill, add, cost, price_of
from rlkd_cli.option import SERVER, option


class BudgetReached(RlkdError):
    """`--max-cost` is spent; what is finished is kept."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a run may cost."""

    price_in: Annotated[
        float | None,
        option(
            "--price-in",
            min=0,
            help=f"US dollars per million input tokens (default: price table of {PRICES_OF}).",
            panel=SERVER,
            free=True,
        ),
    ] = None
    price_out: Annotated[
        float | None,
        option(
            "--price-out",
            min=0,
            help=f"US dollars per million output tokens (default: price table of {PRICES_OF}).",
            panel=SERVER,
            free=True,
        ),
    ] = None
    max_cost: Annotated[
        float | None,
        option(
            "--max-cost",
            min=0,
            help="Stop before the run costs more than this many US dollars; finished work is kept.",
            panel=SERVER,
            free=True,
        ),
    ] = None

    @property
    def prices(self) -> tuple[float, float] | None:
        """Dollars per million tokens (in, out); UsageError where only one is given."""
        if (self.price_in is None) != (self.price_out is None):
            raise UsageError("--price-in and --price-out go together")
        if self.price_in is None or self.price_out is None:
            return None
        return self.price_in, self.price_out

    def ledger(self, models: Sequence[str]) -> "Ledger":
        """An empty ledger of a run that asks `models`; UsageError for a limit where a price is not
        known.
        """
        ledger = Ledger(self.prices, self.max_cost)
        unknown = ledger.unpriced(models)
        if self.max_cost is not None and unknown:
            reason = f"the price of {unknown[0]} is not known; give --price-in and --price-out"
            raise UsageError(f"--max-cost: {reason}")
        return ledger


@dataclass
class Ledger:
    """Adds up bills and outcomes.

    `prices` are dollars per million tokens (in, out) where the user gave them.
    """

    prices: tuple[float, float] | None = None
    max_cost: float | None = None
    bill: Bill = field(default_factory=dict)
    rejects: Counter[str] = field(default_factory=Counter)
    done: int = 0  # records finished in this run
    before: int = 0  # records that earlier runs finished
    started: float = field(default_factory=time.monotonic)
    requests_before: int = 0
    tokens_before: int = 0
    seconds_before: float = 0.0

    def carry_over(
        self, bill: Mapping[str, list[int]], rejects: Counter[str], seconds: float = 0.0
    ) -> None:
        """What earlier runs of the same command spent, rejected, and how long they ran."""
        add(self.bill, bill)
        self.rejects += rejects
        self.seconds_before = seconds
        self.requests_before, self.tokens_before = self.requests, self.tokens_out

    def unpriced(self, models: Sequence[str]) -> list[str]:
        """Those whose price nobody knows."""
        return [model for model in models if price_of(model, self.prices) is None]

    def settle(self, bill: Bill, error: RecordError | None) -> None:
        """A record is done."""
        self.done += 1
        add(self.bill, bill)
        if error:
            self.rejects[error.code] += 1

    @property
    def requests(self) -> int:
        return sum(spent.requests for spent in self.bill.values())

    @property
    def tokens_out(self) -> int:
        return sum(spent.tokens_out for spent in self.bill.values())

    @property
    def cost(self) -> float | None:
        return cost(self.bill, self.prices)

    @property
    def is_blind(self) -> bool:
        """Whether there is a budget, and no record yet that says what one costs."""
        return self.max_cost is not None and not (self.done + self.before)

    def check_budget(self, in_flight: int) -> None:
        """BudgetReached where one more record, after those in flight, would be likely to exceed
        `max_cost`.
        """
        spent, finished = self.cost or 0.0, self.done + self.before
        likely = spent + (in_flight + 1) * spent / finished if finished else spent
        if self.max_cost is not None and likely > self.max_cost:
            raise BudgetReached(
                f"--max-cost {self.max_cost:g}: ${spent:.4f} is spent on {finished} records and "
                "the next would exceed it; "
                "what is finished is kept: run the same command with a higher --max-cost to go on"
            )

    def note(self) -> str:
        """A few words for the progress line."""
        seconds = max(time.monotonic() - self.started, 1e-9)
        asked = self.requests - self.requests_before
        words = [f"{asked / seconds:.1f} requests/s" if asked else f"{self.done / seconds:.1f}/s"]
        written = self.tokens_out - self.tokens_before
        words += [f"{written / seconds:,.0f} tokens/s"] if written else []
        words += [f"${self.cost:.4f}"] if self.cost else []
        words += [f"{self.rejects.total()} rejected"] if self.rejects else []
        return ", ".join(words)

    def facts(self) -> dict[str, Any]:
        """For the manifest beside the output, over all its runs."""
        seconds = self.seconds_before + time.monotonic() - self.started
        return {
            "models": {model: spent._asdict() for model, spent in self.bill.items()},
            "rejects": dict(self.rejects),
            "cost": self.cost,
            "seconds": round(seconds, 3),
        }
