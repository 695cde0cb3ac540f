"""What model calls cost."""

import asyncio

import pytest

from rlkd_cli.models.usage import Spent, add, cost, open_bill, price_of, spend


def test_a_bill_holds_what_its_own_task_spent() -> None:
    async def record(tokens: int) -> dict[str, Spent]:
        bill = open_bill()
        spend("m", requests=1, tokens_in=tokens)
        await asyncio.sleep(0)
        spend("m", retries=1, tokens_out=1)
        return bill

    async def both() -> list[dict[str, Spent]]:
        return list(await asyncio.gather(record(10), record(20)))

    spend("m", requests=100)  # no bill is open here
    one, other = asyncio.run(both())
    assert one == {"m": Spent(1, 1, 10, 1)} and other == {"m": Spent(1, 1, 20, 1)}
    add(one, {"m": [1, 0, 5, 0], "n": [1, 0, 0, 0]})
    assert one == {"m": Spent(2, 1, 15, 1), "n": Spent(1, 0, 0, 0)}


def test_prices_of_the_table_of_the_user_and_of_this_process() -> None:
    known = price_of("openai/gpt-4o")
    assert known == (2.5, 10.0) and price_of("openai/gpt-4o", (1.0, 2.0)) == (1.0, 2.0)
    assert price_of("openai/not-listed") is None
    assert price_of("hf/x") == price_of("replay/x") == (0.0, 0.0)


def test_one_unknown_price_makes_the_cost_unknown() -> None:
    bill = {"openai/gpt-4o": Spent(1, 0, 1_000_000, 100_000), "hf/x": Spent(9, 0, 10**9, 10**9)}
    assert cost(bill) == pytest.approx(3.5)
    assert cost({**bill, "openai/not-listed": Spent(1, 0, 1, 1)}) is None
