from itertools import combinations

import numpy as np
import pytest

from rlkd_cli.core.metrics import bootstrap_interval, diversity, first_k, mean_pass_at_k, pass_at_k


@pytest.mark.parametrize(("n", "c", "k"), [(5, 2, 1), (5, 2, 3), (4, 0, 2), (4, 4, 4), (6, 1, 6)])
def test_pass_at_k_counts_all_draws(n: int, c: int, k: int) -> None:
    draws = list(combinations(range(n), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(min(draw) < c for draw in draws) / len(draws))


def test_k_above_n_is_refused() -> None:
    with pytest.raises(ValueError, match="pass@3 needs"):
        pass_at_k(2, 1, 3)


def test_means_over_questions() -> None:
    results = [[True, False], [False, False]]
    assert mean_pass_at_k(results, 1) == 0.25
    assert first_k(results, 2) == 0.5


def test_interval_holds_the_mean_and_has_no_width_for_one_question() -> None:
    low, high = bootstrap_interval([0.0, 1.0] * 50)
    assert low < 0.5 < high
    assert bootstrap_interval([0.3]) == (0.3, 0.3)


def test_diversity_is_one_for_equal_paths_and_grows() -> None:
    same, orthogonal = np.array([[1.0, 0.0]] * 3), np.eye(2)
    assert diversity(same) == pytest.approx(1.0)
    assert diversity(orthogonal) == pytest.approx(2**0.5)
    assert diversity(np.array([[1.0, 0.0], [-1.0, 0.0]])) == float("inf")
