"""What training did to accuracy and to capability (2505.14216), question by question.

Accuracy is the mean success rate (pass@1); capability is whether a question is solved at all in k
samples. Questions are put in bins by their success rate before; those never solved have a bin of
their own, because k failures of k leave open any rate up to 1 - 0.05^(1/k).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from rlkd_cli import prompts
from rlkd_cli.core.metrics import never_solved_bound, sign_flip_test
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

    samples: dict[str | int, dict[int, bool]] = field(default_factory=lambda: defaultdict(dict))
    lengths: list[int] = field(
        default_factory=list
    )  # tokens, or words where no token count is in the file
    reflections: list[int] = field(default_factory=list)
    paths: list[tuple[str, str]] = field(default_factory=list)  # (problem, path)

    @classmethod
    def read(cls, records: Iterable[Raw], keywords: Sequence[str] | None = None) -> "Model":
        """`keywords`: what counts as reflection, in lower case (default: the list in
        `prompts/reflection.txt`).
        """
        words = reflection_keywords() if keywords is None else keywords
        pattern = _reflection_pattern(words)
        model = cls()
        for record in records:
            runs = model.samples[record["id"]]
            runs[_place(record, runs)] = record["correct"]
            path = record.get("path") or ""
            model.lengths.append(
                record["tokens"] if isinstance(record.get("tokens"), int) else len(path.split())
            )
            model.reflections.append(len(pattern.findall(path)) if pattern else 0)
            model.paths.append((record.get("problem", ""), path))
        return model

    @property
    def right(self) -> dict[str | int, list[bool]]:
        """Each question's verdicts, in the order of `sample`."""
        return {name: [runs[i] for i in sorted(runs)] for name, runs in self.samples.items()}

    def rate(self, name: str | int) -> float:
        runs = self.samples[name]
        return sum(runs.values()) / len(runs)


def _place(record: Raw, runs: dict[int, bool]) -> int:
    """A path's number among those of its question: its `sample`, or the next where it has none."""
    sample = record.get("sample")
    return sample if isinstance(sample, int) else max(runs, default=-1) + 1


def _reflection_pattern(words: Sequence[str]) -> re.Pattern[str] | None:
    """Keywords as whole words, longest first: "let me double-check" counts once, "waiter" not."""
    longest = sorted({word for word in words if word}, key=len, reverse=True)
    if not longest:
        return None
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest))})(?!\w)", re.IGNORECASE)


def reflection_keywords(text: str | None = None) -> list[str]:
    """One keyword a line; `#` opens a comment."""
    lines = (prompts.load("reflection") if text is None else text).split("\n")
    return [line.strip().lower() for line in lines if line.strip() and not line.startswith("#")]


def capability(
    before: Model, after: Model, k: int | None = None
) -> tuple[list[Raw], dict[str, Any]]:
    """One record a bin of the success rate before, and the whole.

    `k` is how many samples capability is seen through (default: what every question has in both
    files). UsageError where no question is in both files, or one has fewer than k samples.
    """
    rights = before.right, after.right
    shared = [name for name in before.samples if name in after.samples]
    if not shared:
        raise UsageError("no question is in both files")
    alone = len(before.samples.keys() ^ after.samples.keys())
    fewest = min(len(right[name]) for right in rights for name in shared)
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
    solved = [{name for name in shared if any(right[name][:k])} for right in rights]
    whole["gained"] = [name for name in shared if name in solved[1] - solved[0]]
    whole["lost"] = [name for name in shared if name in solved[0] - solved[1]]
    accuracy = [tuple((sum(r[name]), len(r[name])) for r in rights) for name in shared]
    seen = [tuple((int(name in names), 1) for names in solved) for name in shared]
    for label, counts in (("accuracy", accuracy), ("capability", seen)):
        test = sign_flip_test(counts)
        whole[f"{label}_p_value"], whole[f"{label}_p_value_error"] = test.value, test.error
    whole["k"], whole["never_solved_bound"] = k, never_solved_bound(k)
    for label, model in (("before", before), ("after", after)):
        whole[f"length_{label}"] = sum(model.lengths) / len(model.lengths)
        whole[f"reflections_{label}"] = sum(model.reflections) / len(model.reflections)
    whole["only in one file"] = alone
    return records, whole


def _bin(label: str, names: Sequence[str | int], before: Model, after: Model, k: int) -> Raw:
    record: Raw = {"bin": label, "questions": len(names)}
    for when, model in (("before", before), ("after", after)):
        right = model.right
        record[f"accuracy_{when}"] = sum(map(model.rate, names)) / len(names)
        record[f"capability_{when}"] = sum(any(right[name][:k]) for name in names) / len(names)
    return record
