"""What is reported: pass@1, pass@k and their intervals (RLKD, section 4.1), step-level diversity D (section 4.3)."""

from collections.abc import Sequence
from math import comb

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


def bootstrap_interval(values: Sequence[float], seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """A 95% interval of the mean by resampling `values` (one a question); the two ends coincide for one value."""
    data = np.asarray(values, dtype=float)
    picks = np.random.default_rng(seed).integers(0, len(data), size=(draws, len(data)))
    low, high = np.quantile(data[picks].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def diversity(embeddings: NDArray[np.float64]) -> float:
    """D = 1 / mean_j cos(e_j, u) with u the mean of the e_j; embeddings are (paths, dimensions), at least 2 rows.

    1 where all paths say the same; larger the more they differ. Infinite where the embeddings cancel out.
    """
    mean = embeddings.mean(axis=0)
    lengths = np.linalg.norm(embeddings, axis=1) * np.linalg.norm(mean)
    cosines = np.divide(embeddings @ mean, lengths, out=np.zeros(len(embeddings)), where=lengths > 0)
    average = float(cosines.mean())
    return 1.0 / average if average > 0 else float("inf")
