"""Seeds of single draws."""

from rlkd_cli.core.seeds import draw_seed


def test_every_draw_has_a_seed_of_its_own_that_stays() -> None:
    draws = [(s, i, k, a) for s in range(3) for i in (1, "1", 2) for k in range(3) for a in (1, 2)]
    seeds = {draw_seed(*draw) for draw in draws}
    assert len(seeds) == len(draws) and all(0 <= seed < 2**31 for seed in seeds)
    assert draw_seed(0, 1, 0) == draw_seed(0, 1, 0, 1)


def test_a_seed_is_the_same_in_every_version() -> None:
    assert [draw_seed(0, 1, 0), draw_seed(7, "a", 3, 2)] == [1381238731, 1858446799]
