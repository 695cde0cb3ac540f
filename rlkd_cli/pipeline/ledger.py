"""The ledger of a run: what was asked of which model, what it cost, what was rejected and why, over all its sittings."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from rlkd_cli.errors import RecordError, RlkdError
from rlkd_cli.models.usage import Bill, add, cost


class BudgetReached(RlkdError):
    """`--max-cost` is spent; what is finished is kept."""


@dataclass
class Ledger:
    """Adds up bills and outcomes. `prices` are dollars per million tokens (in, out) where the user gave them."""

    prices: tuple[float, float] | None = None
    max_cost: float | None = None
    bill: Bill = field(default_factory=dict)
    rejects: Counter[str] = field(default_factory=Counter)
    done: int = 0  # records finished in this sitting
    before: int = 0  # records that earlier sittings finished
    started: float = field(default_factory=time.monotonic)
    requests_before: int = 0

    def carry_over(self, bill: Bill, rejects: Counter[str]) -> None:
        """What earlier sittings of the same run spent."""
        add(self.bill, bill)
        self.rejects += rejects
        self.requests_before = self.requests

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
    def cost(self) -> float | None:
        return cost(self.bill, self.prices)

    def check_budget(self, in_flight: int) -> None:
        """BudgetReached where one more record, after those in flight, would be likely to exceed `max_cost`."""
        spent, finished = self.cost or 0.0, self.done + self.before
        likely = spent + (in_flight + 1) * spent / finished if finished else spent
        if self.max_cost is not None and likely > self.max_cost:
            raise BudgetReached(
                f"--max-cost {self.max_cost:g}: ${spent:.4f} is spent on {finished} records and the next would exceed it; "
                "what is finished is kept: run the same command with a higher --max-cost to go on"
            )

    def note(self) -> str:
        """A few words for the progress line."""
        seconds = max(time.monotonic() - self.started, 1e-9)
        asked = self.requests - self.requests_before
        words = [f"{asked / seconds:.1f} requests/s" if asked else f"{self.done / seconds:.1f}/s"]
        words += [f"${self.cost:.4f}"] if self.cost else []
        words += [f"{self.rejects.total()} rejected"] if self.rejects else []
        return ", ".join(words)

    def facts(self) -> dict[str, Any]:
        """For the manifest beside the output; `seconds` is this sitting's, all else the whole run's."""
        return {
            "models": {model: spent._asdict() for model, spent in self.bill.items()},
            "rejects": dict(self.rejects),
            "cost": self.cost,
            "seconds": round(time.monotonic() - self.started, 3),
        }
