"""The pace of a model that goes on being asked after it was given up for once."""

import asyncio

import pytest

from rlkd_cli.errors import Unavailable
from rlkd_cli.models.server.backoff import Pace


def test_a_server_that_was_given_up_is_waited_for_anew() -> None:
    async def go() -> None:
        pace = Pace("m", patience=0.05, say=lambda line: None)
        for _ in range(2):  # the second request waits as long as the first
            await pace.turn()
            await pace.away("no connection")  # one look whether it is back
            with pytest.raises(Unavailable):
                await pace.away("no connection")
        await pace.turn()
        pace.accepted()

    asyncio.run(go())
