"""What is reported: pass@1, pass@k and their intervals (RLKD, section 4.1), step-level diversity D
(section 4.3).
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from math import comb, gcd, lcm
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that at least one of k responses drawn from n, of which c are right, is right.

    Unbiased: 1 - C(n-c, k) / C(n, k). ValueError where k > n: there is no estimate from fewer than
    k samples.
    """
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} needs at least {k} samples of a question; one has {n}")
    return 1.0 - comb(n - c, k) / comb(n, k)


def mean_pass_at_k(results: Sequence[Sequence[bool]], k: int) -> float:
    """pass@k averaged over questions; `results` holds each question's verdicts. pass@1 is mean
    correctness.
    """
    return float(np.mean([pass_at_k(len(question), sum(question), k) for question in results]))


def first_k(results: Sequence[Sequence[bool]], k: int) -> float:
    """The paper's own count: the share of questions with a right answer among the first k
    responses.
    """
    return float(np.mean([any(question[:k]) for question in results]))


def bootstrap_interval(
    values: Sequence[float], seed: int = 0, draws: int = 2000
) -> tuple[float, float]:
    """A 95% interval of the mean by resampling `values` (one a question); the two ends coincide for
    one value.
    """
    data, random = np.asarray(values, dtype=float), np.random.default_rng(seed)
    rows = max(1, 4_000_000 // len(data))  # at a time: thousands of questions fill the memory
    means = [
        data[random.integers(0, len(data), size=(min(rows, draws - done), len(data)))].mean(axis=1)
        for done in range(0, draws, rows)
    ]
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return float(low), float(high)


def standard_error(values: Sequence[float]) -> float:
    """The standard error of the mean of `values` (one a question); 0 for fewer than two."""
    return float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0


def majority_vote(answers: Sequence[tuple[Hashable | None, bool]]) -> float:
    """How right the most frequent answer is, from 0 to 1; of several as frequent, the share that is
    right.

    `answers` are (group, right): answers that are equal share a group, and None is no answer. The
    order of the answers makes no difference. 0 where no answer is given.
    """
    votes = Counter(group for group, _ in answers if group is not None)
    if not votes:
        return 0.0
    most = max(votes.values())
    winners = [group for group, count in votes.items() if count == most]
    right = {group for group, is_right in answers if is_right}
    return sum(winner in right for winner in winners) / len(winners)


def never_solved_bound(k: int) -> float:
    """The success rate that k failures of k leave open at 95%: 1 - 0.05^(1/k) (2505.14216)."""
    return 1.0 - float(0.05 ** (1 / k))


class PValue(NamedTuple):
    """A two-sided p value, and the standard error of its estimate: 0 where it is exact."""

    value: float
    error: float


Counts = Sequence[tuple[tuple[int, int], ...]]
CELLS = 50_000_000  # additions that an exact distribution may take
DRAWS = 99_999  # sign patterns of a Monte Carlo estimate; fewer for thousands of questions
FEWEST_DRAWS = 9_999


def sign_flip_p_value(counts: Counts) -> float:
    """The p value of `sign_flip_test`."""
    return sign_flip_test(counts).value


def sign_flip_test(counts: Counts, seed: int = 0) -> PValue:
    """Two-sided p value of no difference between two systems on the same questions.

    `counts` holds a question's ((right, runs) of A, (right, runs) of B). Under no difference each
    question's difference is as likely with either sign; the p value is the share of all 2^n sign
    patterns whose sum is at least as far from 0 as the one seen. Exact where that is cheap: sums of
    whole numbers have the distribution of a product of polynomials, and few questions have few
    patterns. Else it is estimated by `scipy.stats.permutation_test`.
    """
    scale = lcm(*{runs for pair in counts for _, runs in pair})
    steps = [b * (scale // m) - a * (scale // n) for (a, n), (b, m) in counts]
    unit = gcd(*steps)
    if not unit:
        return PValue(1.0, 0.0)
    whole = [step // unit for step in steps if step]
    if sum(map(abs, whole)) * len(whole) * 2 <= CELLS:
        return PValue(_by_polynomials(whole), 0.0)
    differences = [b / m - a / n for (a, n), (b, m) in counts if a * m != b * n]
    return _by_patterns(differences, seed)


def _by_polynomials(steps: Sequence[int]) -> float:
    chances = np.ones(1)  # of each sum, from -reach to reach
    for step in map(abs, steps):
        grown = np.zeros(len(chances) + 2 * step)
        grown[: len(chances)] += chances / 2
        grown[2 * step :] += chances / 2
        chances = grown
    sums = np.abs(np.arange(len(chances)) - len(chances) // 2)
    return float(min(1.0, chances[sums >= abs(sum(steps))].sum()))


def _by_patterns(differences: Sequence[float], seed: int) -> PValue:
    """All patterns where there are at most `DRAWS`, else as many at random."""
    from scipy.stats import permutation_test

    draws = min(DRAWS, max(FEWEST_DRAWS, CELLS * 4 // len(differences)))
    found = permutation_test(
        (np.asarray(differences),),
        lambda values, axis: np.sum(values, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=draws,
        batch=max(1, 4_000_000 // len(differences)),
        rng=np.random.default_rng(seed),
    )
    value = float(min(1.0, found.pvalue))
    is_exact = 2 ** len(differences) <= draws
    return PValue(value, 0.0 if is_exact else (value * (1 - value) / draws) ** 0.5)


def diversity(embeddings: NDArray[np.float64]) -> float:
    """D = 1 / mean_j cos(e_j, u) with u the mean of the e_j; embeddings are (paths, dimensions), at
    least 2 rows.

    1 where all paths say the same; larger the more they differ. Infinite where the embeddings
    cancel out.
    """
    mean = embeddings.mean(axis=0)
    lengths = np.linalg.norm(embeddings, axis=1) * np.linalg.norm(mean)
    cosines = np.divide(
        embeddings @ mean, lengths, out=np.zeros(len(embeddings)), where=lengths > 0
    )
    average = float(cosines.mean())
    return 1.0 / average if average > 0 else float("inf")
