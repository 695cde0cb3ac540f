"""`diversity`: how much the paths of a question differ at each step (RLKD, 4.3, Figure 5)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from rlkd_cli.core.metrics import bootstrap_interval, diversity
from rlkd_cli.core.steps import PARTS
from rlkd_cli.models.local.embedders import Embedder
from rlkd_cli.records.schema import Raw


def step_text(step: Raw) -> str:
    """The meta-reasoning-solving content of a step, as one text."""
    return "\n".join(step[part] for part in PARTS)


def diversity_per_step(records: Iterable[Raw], embedder: Embedder, seed: int = 0) -> Iterator[Raw]:
    """One diversity record per step index: D averaged over the questions.

    The paper does not say what to do when paths have different numbers of steps. Our choice: step i
    of a question uses the paths that have an i-th step, and questions with fewer than two such
    paths are left out.
    """
    texts: dict[int, dict[str | int, list[int]]] = defaultdict(lambda: defaultdict(list))
    numbers: dict[str, int] = {}
    for record in records:
        for index, step in enumerate(record["steps"], start=1):
            text = numbers.setdefault(step_text(step), len(numbers))
            texts[index][record["id"]].append(text)
    vectors = (
        np.asarray(embedder.embed(list(numbers)), dtype=float) if numbers else np.zeros((0, 1))
    )
    for index in sorted(texts):
        several = [paths for paths in texts[index].values() if len(paths) > 1]
        values = [diversity(vectors[paths]) for paths in several]
        values = [value for value in values if np.isfinite(value)]
        if not values:
            continue
        low, high = bootstrap_interval(values, seed)
        yield {
            "step": index,
            "diversity": float(np.mean(values)),
            "questions": len(values),
            "paths": sum(map(len, several)),
            "ci_low": low,
            "ci_high": high,
            "left_out": len(texts[index]) - len(values),
        }
