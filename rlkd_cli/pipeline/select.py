"""`select`: the records of a pool that are least similar to a test set (RLKD, section 4.3)."""

import heapq
from collections.abc import Iterable, Sequence
from itertools import count, islice

import numpy as np
from numpy.typing import NDArray

from rlkd_cli.models.local.embedders import Embedder
from rlkd_cli.records.schema import Raw

LOT = 1024  # problems embedded in one call


def least_similar(
    pool: Iterable[Raw], tests: Sequence[str], embedder: Embedder, number: int
) -> list[Raw]:
    """The `number` records of `pool` least similar to any test problem, in the pool's order.

    Each gets `similarity`, the cosine with the nearest test problem. The paper does not define the
    similarity to a set; using the nearest problem is our choice. The pool is read once, and only
    the best candidates are kept in memory.
    """
    target = _unit(embedder, tests)
    kept: list[tuple[float, int, Raw]] = []  # a heap, the most similar of the chosen on top
    order, records = count(), iter(pool)
    while lot := list(islice(records, LOT)):
        nearest = (_unit(embedder, [raw["problem"] for raw in lot]) @ target.T).max(axis=1)
        for raw, similarity in zip(lot, nearest.tolist(), strict=True):
            heapq.heappush(kept, (-similarity, -next(order), {**raw, "similarity": similarity}))
            if len(kept) > number:
                heapq.heappop(kept)
    return [raw for _, _, raw in sorted(kept, key=lambda entry: -entry[1])]


def _unit(embedder: Embedder, texts: Sequence[str]) -> NDArray[np.float64]:
    """Embeddings of length 1, (texts, dimensions); a text without any feature stays 0."""
    vectors = np.asarray(embedder.embed(list(texts)), dtype=float)
    unit: NDArray[np.float64] = vectors / np.maximum(
        np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12
    )
    return unit
