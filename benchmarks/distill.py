"""Seconds a step on the tiny world: plain TRL GRPO, `rlkd distill --method grpo`, and rlkd with its GSRM in process.

python benchmarks/distill.py [--steps 12]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from server import serve

ROOT = Path(__file__).parents[1]
BASE = ROOT / "examples/tiny/base"
BATCH, GROUP, TOKENS = 64, 8, 64


def plain(data: str, steps: int) -> None:
    """TRL alone, with the simplest reward that does the same: the last box against the answer, as text."""
    import re

    from datasets import Dataset
    from transformers import PrinterCallback, ProgressCallback, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    from rlkd_cli.training.model import quiet_libraries

    quiet_libraries()
    marks = []

    class Clock(TrainerCallback):
        def on_step_end(self, *args, **kwargs) -> None:
            marks.append(time.perf_counter())

    def outcome(completions, answer, **kwargs) -> list[float]:
        texts = [c if isinstance(c, str) else c[0]["content"] for c in completions]
        boxes = [re.findall(r"\\boxed\{(.*?)\}", text) for text in texts]
        return [
            float(bool(box) and box[-1] == right) for box, right in zip(boxes, answer, strict=True)
        ]

    records = [json.loads(line) for line in open(data)]
    rows = [
        {"prompt": [{"role": "user", "content": r["problem"]}], "answer": r["answer"]}
        for r in records
    ]
    trainer = GRPOTrainer(
        model=str(BASE),
        reward_funcs=outcome,
        args=GRPOConfig(
            output_dir=tempfile.mkdtemp(),
            max_steps=steps,
            per_device_train_batch_size=BATCH,
            gradient_accumulation_steps=1,
            num_generations=GROUP,
            max_completion_length=TOKENS,
            temperature=1.0,
            learning_rate=1e-5,
            lr_scheduler_type="constant_with_warmup",
            max_grad_norm=1.0,
            beta=0.0,
            loss_type="grpo",
            bf16=False,
            gradient_checkpointing=False,
            save_strategy="no",
            logging_steps=1,
            report_to=[],
            disable_tqdm=True,
            seed=42,
        ),
        train_dataset=Dataset.from_list(rows),
    )
    for printer in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(printer)
    trainer.add_callback(Clock())
    trainer.train()
    print(json.dumps([b - a for a, b in pairwise(marks)]))


def rlkd(folder: Path, name: str, steps: int, *flags: str) -> tuple[list[float], dict[str, float]]:
    """Seconds of each step but the first, and the mean of each part that the metrics log."""
    command = [
        sys.executable,
        "-m",
        "rlkd_cli",
        "distill",
        f"{folder}/teacher.jsonl",
        "-o",
        f"{folder}/{name}",
        "--student",
        str(BASE),
    ]
    command += [
        "--steps",
        str(steps),
        "--batch-size",
        str(BATCH),
        "--accumulation",
        "1",
        "--group",
        str(GROUP),
        "--temperature",
        "1",
    ]
    command += [
        "--max-tokens",
        str(TOKENS),
        "--learning-rate",
        "1e-5",
        "--max-grad-norm",
        "1",
        "--save-steps",
        "1000",
        "-q",
    ]
    command += [
        "--no-gradient-checkpointing",
        "--prompt-template",
        "{problem}",
        "--max-reward-failures",
        "1",
        *flags,
    ]
    subprocess.run(command, check=True)
    entries = [json.loads(line) for line in open(folder / name / "metrics.jsonl")]
    entries = [entry for entry in entries if "loss" in entry][1:]
    parts = {
        key: statistics.mean(e[key] for e in entries)
        for key in entries[0]
        if key.startswith("seconds_")
    }
    return [entry["step_time"] for entry in entries], parts


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
    parser.add_argument("--plain", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        plain(options.plain, options.steps)
        sys.exit()
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = [
            sys.executable,
            ROOT / "examples/tiny/world.py",
            "--out",
            folder,
            "--train",
            200,
            "--test",
            1,
            "--gsrm",
            1,
        ]
        subprocess.run(list(map(str, world)), check=True)
        alone = [
            sys.executable,
            __file__,
            "--steps",
            str(options.steps),
            "--plain",
            f"{folder}/teacher.jsonl",
        ]
        seconds = json.loads(
            subprocess.run(alone, stdout=subprocess.PIPE, text=True, check=True)
            .stdout.strip()
            .split("\n")[-1]
        )
        bare = show("plain TRL GRPO", seconds)
        seconds, parts = rlkd(folder, "grpo", options.steps, "--method", "grpo")
        show("rlkd distill --method grpo", seconds, bare, parts)
        gsrm = ("--gsrm", f"hf/{BASE}", "--gsrm-max-tokens", "96", "--concurrency", "128")
        seconds, parts = rlkd(folder, "rlkd", options.steps, *gsrm, "--judge", "exact")
        inside = show("rlkd, GSRM in process, exact judge", seconds, bare, parts)
        with serve(0.3, 100_000) as url:
            seconds, parts = rlkd(folder, "judged", options.steps, *gsrm, "--judge", url)
        judged = show("rlkd, GSRM in process, judge of 300 ms", seconds, bare, parts)
        print(
            f"the judge's latency makes a step {judged - inside:.3f} s longer; its waves alone take {parts['seconds_judging']:.3f} s"
        )
