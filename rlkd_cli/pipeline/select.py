"""`select`: the problems of a pool that are least similar to a test set (RLKD, section 4.3)."""

import heapq
from collections.abc import Iterable, Sequence
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


def _unit(embedder: Embedder, texts: Sequence[str]) -> NDArray[np.float64]:
    """Embeddings of length 1, (texts, dimensions); a text without any feature stays 0."""
    vectors = np.asarray(embedder.embed(list(texts)), dtype=float)
    unit: NDArray[np.float64] = vectors / np.maximum(
        np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12
    )
    return unit
