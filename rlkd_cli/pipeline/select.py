"""`select`: the problems of a pool that are least similar to a test set (RLKD, section 4.3), or
that a model solves at a certain rate (what it never solves is new to it: 2505.14216).
"""

import heapq
import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import count, groupby, islice
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from rlkd_cli.models.local.embedders import Embedder
from rlkd_cli.records.schema import Raw

LOT = 1024  # problems embedded in one call


def least_similar(
    pool: Iterable[Raw], tests: Sequence[str], embedder: Embedder, number: int
) -> list[Raw]:
    """The records of the `number` problems of `pool` that are least similar to any test problem.

    They stay in the pool's order; records with one id that follow each other are a problem and its
    paths. Each gets `similarity`, the cosine with the nearest test problem. The paper does not
    define the similarity to a set; using the nearest problem is our choice. The pool is read once,
    and only the best candidates are kept in memory.
    """
    target = _unit(embedder, tests)
    kept: list[tuple[float, int, list[Raw]]] = []  # a heap, the most similar of the chosen on top
    order = count()
    problems = (list(group) for _, group in groupby(pool, key=itemgetter("id")))
    while lot := list(islice(problems, LOT)):
        nearest = (_unit(embedder, [one[0]["problem"] for one in lot]) @ target.T).max(axis=1)
        for records, similarity in zip(lot, nearest.tolist(), strict=True):
            found = [{**raw, "similarity": similarity} for raw in records]
            heapq.heappush(kept, (-similarity, -next(order), found))
            if len(kept) > number:
                heapq.heappop(kept)
    ordered = sorted(kept, key=lambda entry: -entry[1])
    return [raw for _, _, records in ordered for raw in records]


Rates = Mapping[str, tuple[int, int]]  # by id: how many runs were right, of how many


def success_rates(graded: Iterable[Raw]) -> dict[str, tuple[int, int]]:
    """(right runs, runs) of each question, by its id as text."""
    found: dict[str, tuple[int, int]] = {}
    for raw in graded:
        right, runs = found.get(str(raw["id"]), (0, 0))
        found[str(raw["id"])] = (right + bool(raw["correct"]), runs + 1)
    return found


def in_band(pool: Iterable[Raw], rates: Rates, low: float, high: float) -> list[Raw]:
    """The records of problems with a success rate from `low` to `high`, both included.

    Each gets `success_rate` and `runs`; a problem without runs is in no band.
    """
    found = []
    for raw in pool:
        right, runs = rates.get(str(raw["id"]), (0, 0))
        if runs and low - 1e-9 <= right / runs <= high + 1e-9:
            found.append({**raw, "success_rate": right / runs, "runs": runs})
    return found


def drawn(records: Sequence[Raw], number: int, seed: int) -> list[Raw]:
    """The records of `number` problems drawn at random, in their order; all where there are no
    more.
    """
    names = list(dict.fromkeys(str(raw["id"]) for raw in records))
    kept = set(random.Random(seed).sample(names, min(number, len(names))))
    return [raw for raw in records if str(raw["id"]) in kept]


def _unit(embedder: Embedder, texts: Sequence[str]) -> NDArray[np.float64]:
    """Embeddings of length 1, (texts, dimensions); a text without any feature stays 0."""
    vectors = np.asarray(embedder.embed(list(texts)), dtype=float)
    unit: NDArray[np.float64] = vectors / np.maximum(
        np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12
    )
    return unit
