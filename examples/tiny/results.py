"""RESULTS.md's tables, from the files that results.sh wrote.

python examples/tiny/results.py RUN_FOLDER
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

from rlkd_cli.core.metrics import bootstrap_interval, pass_at_k, sign_flip_p_value

run = Path(sys.argv[1])
METHODS = ("base", "sft", "grpo", "ppo", "rlkd", "rlad", "teacher")


def lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.open()]


def by_question(files: list[Path], field: str) -> dict[str, list[float]]:
    """A question's values over all seeds and samples."""
    found: dict[str, list[float]] = defaultdict(list)
    for file in files:
        for record in lines(file):
            found[record["id"]].append(float(record[field]))
    return found


def seeds(method: str, kind: str) -> list[Path]:
    alone = run / f"{method}.{kind}.jsonl"
    return [alone] if alone.exists() else sorted(run.glob(f"{method}-*.{kind}.jsonl"))


def cell(values: list[float]) -> str:
    low, high = bootstrap_interval(values)
    return f"{sum(values) / len(values):.3f} ({low:.3f} to {high:.3f})"


print(
    "| method | seeds | pass@1 | pass@8 | structured reward | not segmentable |\n|" + " --- |" * 6
)
correct = {
    method: by_question(seeds(method, "graded"), "correct")
    for method in METHODS
    if seeds(method, "graded")
}
for method, questions in correct.items():
    files = seeds(method, "graded")
    pass_1 = [sum(values) / len(values) for values in questions.values()]
    eights = [
        [values[i : i + 8] for i in range(0, len(values), 8)] for values in questions.values()
    ]
    pass_8 = [
        sum(pass_at_k(8, int(sum(eight)), 8) for eight in each) / len(each) for each in eights
    ]
    scores = by_question(seeds(method, "scores"), "reward")
    rewards = [sum(values) / len(values) for values in scores.values()]
    lost = 1 - sum(map(len, scores.values())) / sum(map(len, questions.values()))
    print(
        f"| {method} | {len(files)} | {cell(pass_1)} | {cell(pass_8)} "
        f"| {cell(rewards)} | {lost:.3f} |"
    )

print("\n| pass@1, paired by question | difference | 95% interval | p |\n|" + " --- |" * 4)
for a, b in (
    ("base", "rlkd"),
    ("grpo", "rlkd"),
    ("ppo", "rlkd"),
    ("sft", "rlkd"),
    ("rlad", "rlkd"),
    ("base", "grpo"),
    ("grpo", "rlad"),
):
    if a in correct and b in correct:
        counts = [
            tuple((int(sum(c[q])), len(c[q])) for c in (correct[a], correct[b])) for q in correct[a]
        ]
        gaps = [y / m - x / n for (x, n), (y, m) in counts]
        low, high = bootstrap_interval(gaps)
        p = sign_flip_p_value(counts)
        print(f"| {b} - {a} | {sum(gaps) / len(gaps):+.3f} | {low:+.3f} to {high:+.3f} | {p:.4f} |")
