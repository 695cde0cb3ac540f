"""What is reported: pass@1, pass@k and their intervals (RLKD, section 4.1), step-level diversity D (section 4.3)."""

from collections.abc import Sequence
from math import comb, gcd, lcm

import numpy as np
from numpy.typing import NDArray


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that at least one of k responses drawn from n, of which c are right, is right.

    Unbiased: 1 - C(n-c, k) / C(n, k). ValueError where k > n: there is no estimate from fewer than k samples.
    """
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} needs at least {k} samples of a question; one has {n}")
    return 1.0 - comb(n - c, k) / comb(n, k)


def mean_pass_at_k(results: Sequence[Sequence[bool]], k: int) -> float:
    """pass@k averaged over questions; `results` holds each question's verdicts. pass@1 is mean correctness."""
    return float(np.mean([pass_at_k(len(question), sum(question), k) for question in results]))


def first_k(results: Sequence[Sequence[bool]], k: int) -> float:
    """The paper's own count: the share of questions with a right answer among the first k responses."""
    return float(np.mean([any(question[:k]) for question in results]))


def bootstrap_interval(
    values: Sequence[float], seed: int = 0, draws: int = 2000
) -> tuple[float, float]:
    """A 95% interval of the mean by resampling `values` (one a question); the two ends coincide for one value."""
    data = np.asarray(values, dtype=float)
    picks = np.random.default_rng(seed).integers(0, len(data), size=(draws, len(data)))
    low, high = np.quantile(data[picks].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def standard_error(values: Sequence[float]) -> float:
    """The standard error of the mean of `values` (one a question); 0 for fewer than two."""
    return float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0


def majority_vote(answers: Sequence[tuple[str | None, bool]]) -> bool:
    """Whether the most frequent answer (the first among equals) is right; `answers` are (text, right), None for none."""
    given = [text for text, _ in answers if text is not None]
    if not given:
        return False
    winner = max(dict.fromkeys(given), key=given.count)
    return any(right for text, right in answers if text == winner)


def never_solved_bound(k: int) -> float:
    """The success rate that k failures of k leave open at 95%: 1 - 0.05^(1/k) (2505.14216)."""
    return 1.0 - float(0.05 ** (1 / k))


def sign_flip_p_value(counts: Sequence[tuple[tuple[int, int], ...]]) -> float:
    """Exact two-sided p value of no difference between two systems on the same questions.

    `counts` holds a question's ((right, runs) of A, (right, runs) of B). Under no difference each question's
    difference is as likely with either sign; the p value is the share of all 2^n sign patterns whose sum is at
    least as far from 0 as the one seen. Sums are of whole numbers, so the distribution is a product of polynomials.
    """
    scale = lcm(*{runs for pair in counts for _, runs in pair})
    steps = [abs(b * (scale // m) - a * (scale // n)) for (a, n), (b, m) in counts]
    seen = abs(sum(b * (scale // m) - a * (scale // n) for (a, n), (b, m) in counts))
    unit = gcd(*steps)
    if not unit:
        return 1.0
    chances = np.ones(1)  # of each sum, from -reach to reach in steps of `unit`
    for step in (step // unit for step in steps if step):
        grown = np.zeros(len(chances) + 2 * step)
        grown[: len(chances)] += chances / 2
        grown[2 * step :] += chances / 2
        chances = grown
    sums = np.abs(np.arange(len(chances)) - len(chances) // 2)
    return float(min(1.0, chances[sums >= seen // unit].sum()))


def diversity(embeddings: NDArray[np.float64]) -> float:
    """D = 1 / mean_j cos(e_j, u) with u the mean of the e_j; embeddings are (paths, dimensions), at least 2 rows.

    1 where all paths say the same; larger the more they differ. Infinite where the embeddings cancel out.
    """
    mean = embeddings.mean(axis=0)
    lengths = np.linalg.norm(embeddings, axis=1) * np.linalg.norm(mean)
    cosines = np.divide(
        embeddings @ mean, lengths, out=np.zeros(len(embeddings)), where=lengths > 0
    )
    average = float(cosines.mean())
    return 1.0 / average if average > 0 else float("inf")
