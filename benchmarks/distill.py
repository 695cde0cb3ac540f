"""Seconds per step on the toy problem: TRL alone, and `rlkd distill` with the same trainer: grpo,
opd, kdrl; then RLKD.

python benchmarks/distill.py [--steps 12]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from server import serve

ROOT = Path(__file__).parents[1]
BASE = ROOT / "examples/tiny/base"
BATCH, GROUP, TOKENS = 64, 8, 64
CHECKPOINTING = "--no-gradient-checkpointing"


def plain(folder: Path, steps: int, method: str = "grpo", *more: str) -> list[float]:
    """TRL alone, with the simplest equivalent reward: the last box equals the answer as text."""
    flags = f"--steps {steps} --batch-size {BATCH} --group {GROUP} --tokens {TOKENS}"
    script, run = Path(__file__).with_name("bare.py"), folder / f"plain-{method}{len(more)}"
    words = [method, BASE, folder / "teacher.jsonl", run, *flags.split(), CHECKPOINTING, *more]
    subprocess.run(list(map(str, [sys.executable, script, *words])), check=True)
    return [entry["seconds_step"] for entry in entries(run)]


def entries(run: Path) -> list[dict[str, float]]:
    """What a training logged at each step after the first, which warms up."""
    lines = map(json.loads, open(run / "metrics.jsonl", encoding="utf-8"))
    return [entry for entry in lines if "loss" in entry][1:]


def rlkd(folder: Path, name: str, steps: int, *flags: str) -> tuple[list[float], dict[str, float]]:
    """Seconds of each step after the first, and the mean of each part that the metrics log."""
    settings = f"""
        --steps {steps} --batch-size {BATCH} --accumulation 1 --group {GROUP} --temperature 1
        --max-tokens {TOKENS} --learning-rate 1e-5 --max-grad-norm 1 --save-steps 1000 -q
        {CHECKPOINTING} --prompt-template {{problem}} --max-reward-failures 1"""
    words = ["distill", folder / "teacher.jsonl", "-o", folder / name, "--student", BASE]
    command = [sys.executable, "-m", "rlkd_cli", *words, *settings.split(), *flags]
    subprocess.run(list(map(str, command)), check=True)
    logged = entries(folder / name)
    parts = {
        key: statistics.mean(entry[key] for entry in logged)
        for key in logged[0]
        if key.startswith("seconds_") and key != "seconds_step"
    }
    return [entry["seconds_step"] for entry in logged], parts


def show(
    name: str,
    seconds: list[float],
    against: float | None = None,
    parts: dict[str, float] | None = None,
) -> float:
    middle = statistics.median(seconds)
    print(
        f"{name:42} {middle:6.3f} s a step"
        + (f"  {middle / against:5.3f} x plain" if against else "")
    )
    if parts:
        print(
            "    "
            + ", ".join(
                f"{part.removeprefix('seconds_')} {value:.3f}" for part, value in parts.items()
            )
        )
    return middle


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = f"--out {folder} --train 200 --test 1 --gsrm 1".split()
        subprocess.run([sys.executable, ROOT / "examples/tiny/world.py", *world], check=True)
        seconds = plain(folder, options.steps)
        bare = show("plain TRL GRPO", seconds)
        seconds, parts = rlkd(folder, "grpo", options.steps, "--method", "grpo")
        show("rlkd distill --method grpo", seconds, bare, parts)
        taught = ("--teacher", str(BASE))
        for method, its in (("opd", ("opd",)), ("kdrl", ("grpo", "--beta", "0.001"))):
            its_bare = show(f"plain TRL {' '.join(its)}", plain(folder, options.steps, *its))
            seconds, parts = rlkd(folder, method, options.steps, "--method", method, *taught)
            show(f"rlkd distill --method {method}", seconds, its_bare, parts)
        gsrm = ("--gsrm", f"hf/{BASE}", "--gsrm-max-tokens", "96", "--concurrency", "128")
        seconds, parts = rlkd(folder, "rlkd", options.steps, *gsrm, "--judge", "exact")
        inside = show("rlkd, GSRM in process, exact judge", seconds, bare, parts)
        with serve(0.3, 100_000) as url:
            seconds, parts = rlkd(folder, "judged", options.steps, *gsrm, "--judge", url)
        judged = show("rlkd, GSRM in process, judge of 300 ms", seconds, bare, parts)
        print(
            f"the judge's latency makes a step {judged - inside:.3f} s longer; "
            f"its waves alone take {parts['seconds_judging']:.3f} s"
        )
