"""What training did to accuracy and to capability (2505.14216), question by question.

Accuracy is the mean success rate (pass@1); capability is whether a question is solved at all in k samples. Questions
are put in bins by their success rate before; those never solved have a bin of their own, because k failures of k
leave open any rate up to 1 - 0.05^(1/k).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from rlkd_cli import prompts
from rlkd_cli.core.metrics import never_solved_bound
from rlkd_cli.errors import UsageError
from rlkd_cli.records.schema import Raw

EDGES = (
    0.0,
    0.2,
    0.4,
    0.6,
    0.8,
    1.0,
)  # of the bins of success rates above 0: (0, 0.2], (0.2, 0.4] …


@dataclass
class Model:
    """One model's graded paths, by question."""

    right: dict[str | int, list[bool]] = field(default_factory=lambda: defaultdict(list))
    lengths: list[int] = field(
        default_factory=list
    )  # tokens, or words where no token count is in the file
    reflections: list[int] = field(default_factory=list)
    paths: list[tuple[str, str]] = field(default_factory=list)  # (problem, path)

    @classmethod
    def read(cls, records: Iterable[Raw], keywords: Sequence[str] | None = None) -> "Model":
        """`keywords`: what counts as reflection, in lower case (default: the list in `prompts/reflection.txt`)."""
        words = reflection_keywords() if keywords is None else keywords
        model = cls()
        for record in records:
            model.right[record["id"]].append(record["correct"])
            path = record.get("path") or ""
            model.lengths.append(
                record["tokens"] if isinstance(record.get("tokens"), int) else len(path.split())
            )
            model.reflections.append(sum(path.lower().count(word) for word in words))
            model.paths.append((record.get("problem", ""), path))
        return model

    def rate(self, name: str | int) -> float:
        return sum(self.right[name]) / len(self.right[name])


def reflection_keywords(text: str | None = None) -> list[str]:
    """One keyword a line; `#` opens a comment."""
    lines = (prompts.load("reflection") if text is None else text).split("\n")
    return [line.strip().lower() for line in lines if line.strip() and not line.startswith("#")]


def capability(
    before: Model, after: Model, k: int | None = None
) -> tuple[list[Raw], dict[str, Any]]:
    """One record a bin of the success rate before, and the whole.

    `k` is how many samples capability is seen through (default: what every question has in both files). UsageError
    where no question is in both files, or one has fewer than k samples.
    """
    shared = [name for name in before.right if name in after.right]
    if not shared:
        raise UsageError("no question is in both files")
    fewest = min(len(model.right[name]) for model in (before, after) for name in shared)
    k = fewest if k is None else k
    if k > fewest:
        raise UsageError(f"--k {k}: a question has only {fewest} samples")
    bins: list[tuple[str, list[str | int]]] = [
        ("never solved", [n for n in shared if before.rate(n) == 0])
    ]
    for low, high in pairwise(EDGES):
        bins.append((f"({low:g}, {high:g}]", [n for n in shared if low < before.rate(n) <= high]))
    records = [_bin(label, names, before, after, k) for label, names in bins if names]
    whole = _bin("all", shared, before, after, k)
    whole["gained"] = [
        n for n in shared if not any(before.right[n][:k]) and any(after.right[n][:k])
    ]
    whole["lost"] = [n for n in shared if any(before.right[n][:k]) and not any(after.right[n][:k])]
    whole["k"], whole["never_solved_bound"] = k, never_solved_bound(k)
    for label, model in (("before", before), ("after", after)):
        whole[f"length_{label}"] = sum(model.lengths) / len(model.lengths)
        whole[f"reflections_{label}"] = sum(model.reflections) / len(model.reflections)
    return records, whole


def _bin(label: str, names: Sequence[str | int], before: Model, after: Model, k: int) -> Raw:
    record: Raw = {"bin": label, "questions": len(names)}
    for when, model in (("before", before), ("after", after)):
        record[f"accuracy_{when}"] = sum(map(model.rate, names)) / len(names)
        record[f"capability_{when}"] = sum(any(model.right[name][:k]) for name in names) / len(
            names
        )
    return record
