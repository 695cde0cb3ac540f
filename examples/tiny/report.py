"""The quickstart's result: a table of what each student can do, from the files of the commands.

python examples/tiny/report.py RUN_FOLDER
"""

import json
import sys
from pathlib import Path

run = Path(sys.argv[1])
print(
    "\n| student | pass@1 | 95% interval | pass@8 | structured reward | diversity of step 1 |\n"
    f"|{' --- |' * 6}"
)
for student in ("base", "grpo", "rlkd"):
    metrics = json.loads((run / f"{student}.eval.json").read_text())
    scores = [json.loads(line)["reward"] for line in (run / f"{student}.scores.jsonl").open()]
    diversity = [
        json.loads(line)["diversity"] for line in (run / f"{student}.diversity.jsonl").open()
    ]
    low, high = metrics["pass@1 interval"]
    cells = [
        student,
        f"{metrics['pass@1']:.3f}",
        f"{low:.3f} to {high:.3f}",
        f"{metrics['pass@8']:.3f}",
    ]
    cells += [f"{sum(scores) / len(scores):.3f}", f"{diversity[0]:.3f}"]
    print(f"| {' | '.join(cells)} |")
print(f"\nPlots: {', '.join(sorted(str(p) for p in run.glob('*.png')))}")
