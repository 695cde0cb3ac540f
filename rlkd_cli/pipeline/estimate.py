"""What a run would ask and cost, from a sample of its records, before anything is asked (`--dry-run`)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rlkd_cli.models.usage import Bill, Spent, cost
from rlkd_cli.records.schema import Raw

SAMPLE = 200  # records that are looked at; the rest are counted


@dataclass(frozen=True)
class Call:
    """One request that a record needs: characters of its prompt, tokens of its reply (likely, and at most)."""

    model: str
    prompt: int
    likely: float
    at_most: int


def estimate(
    records: Iterable[Any], calls_of: Callable[[Raw], list[Call]], price: tuple[float, float] | None
) -> list[tuple[str, str]]:
    """Rows for people: records, calls, tokens, cost. `records` are items of an Input, read to their end."""
    count, seen, calls = 0, 0, list[Call]()
    for item in records:
        count += 1
        if seen < SAMPLE and item.fault is None:
            seen += 1
            calls += calls_of(item.raw)
    rows = [("records", f"{count:,}")]
    scale = count / seen if seen else 0.0
    likely: Bill = {}
    most: Bill = {}
    for model in dict.fromkeys(call.model for call in calls):
        mine = [call for call in calls if call.model == model]
        requests, read = (
            round(len(mine) * scale),
            round(sum(call.prompt for call in mine) / 4 * scale),
        )
        likely[model] = Spent(requests, 0, read, round(sum(call.likely for call in mine) * scale))
        most[model] = Spent(requests, 0, read, round(sum(call.at_most for call in mine) * scale))
        rows += [
            (f"calls of {model}", f"{requests:,}"),
            ("  tokens read, about", f"{read:,}"),
            ("  tokens written, about", f"{likely[model].tokens_out:,}"),
            ("  tokens written, at most", f"{most[model].tokens_out:,}"),
        ]
    dollars, ceiling = cost(likely, price), cost(most, price)
    known = (
        "not known (--price-in, --price-out)"
        if dollars is None
        else f"${dollars:,.2f}, at most ${ceiling:,.2f}"
    )
    return [*rows, ("cost, about", known)]
