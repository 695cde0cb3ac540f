"""Work that is shared by those who ask for it at the same time."""

import asyncio

import pytest

from rlkd_cli.reward.once import Once


def test_equal_work_is_done_once_and_an_error_is_everybodys() -> None:
    async def go() -> None:
        once, began = Once[int](), []

        async def work() -> int:
            began.append(1)
            await asyncio.sleep(0.01)
            if len(began) == 2:
                raise ValueError("second")
            return 7

        assert await asyncio.gather(*(once.result("a", work) for _ in range(5))) == [7] * 5
        found = await asyncio.gather(
            *(once.result("a", work) for _ in range(3)), return_exceptions=True
        )
        assert [str(error) for error in found] == ["second"] * 3 and len(began) == 2

    asyncio.run(go())


def test_one_who_gives_up_leaves_the_work_to_the_others_and_the_last_one_ends_it() -> None:
    async def go() -> None:
        once, ended, go_on = Once[int](), [], asyncio.Event()

        async def work() -> int:
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise
            ended.append("done")
            return 7

        async def ask() -> asyncio.Task[int]:
            task = asyncio.create_task(once.result("a", work))
            await asyncio.sleep(0)  # it waits now
            return task

        first, second = await ask(), await ask()
        first.cancel()
        go_on.set()
        assert await second == 7 and first.cancelled() and ended == ["done"]
        go_on.clear()
        last = await ask()
        last.cancel()
        with pytest.raises(asyncio.CancelledError):
            await last
        assert not once.has("a")
        anew = await ask()  # begins at once, and not with what was ended
        go_on.set()
        assert await anew == 7 and ended == ["done", "cancelled", "done"]

    asyncio.run(go())


def test_the_last_results_are_kept() -> None:
    async def go() -> None:
        once, began = Once[str](keep=2), []

        async def ask(key: str) -> str:
            async def work() -> str:
                began.append(key)
                return key

            return await once.result(key, work)

        for key in "aba" + "cab":  # b makes room for c, then c for b
            assert await ask(key) == key
        assert began == ["a", "b", "c", "b"]

    asyncio.run(go())
