"""TRL alone, with the settings that `rlkd distill` trains with: what rlkd is compared with.

python benchmarks/bare.py sft|grpo|opd MODEL TEACHER.jsonl FOLDER [--steps 4] [--batch-size 4] …

FOLDER/metrics.jsonl gets a line a step, with `loss` and, for grpo and opd, `seconds_step` as rlkd
takes it (from a step's begin to its end), and a last line with `train_runtime`. The teacher of opd
is MODEL itself; with `--beta` grpo has a KL term from MODEL, the nearest that TRL has to kdrl.
"""

import argparse
import json
import re
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, ProgressCallback, TrainerCallback
from trl import (
    DistillationConfig,
    DistillationTrainer,
    GRPOConfig,
    GRPOTrainer,
    SFTConfig,
    SFTTrainer,
)


class Clock(TrainerCallback):
    """Keeps what is logged, and the seconds of each step."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self._began = self._seconds = 0.0

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        self._began = time.perf_counter()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self._seconds = time.perf_counter() - self._began

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        took = {"seconds_step": self._seconds} if "completions/mean_length" in logs else {}
        self.entries.append({**logs, "of": state.max_steps, **took})


def outcome(completions: list[Any], answer: list[str], **_: Any) -> list[float]:
    """1 where the last box holds the answer, as text."""
    texts = [c if isinstance(c, str) else c[0]["content"] for c in completions]
    boxes = [re.findall(r"\\boxed\{(.*?)\}", text) for text in texts]
    return [float(bool(box) and box[-1] == a) for box, a in zip(boxes, answer, strict=True)]


def trainer(options: argparse.Namespace) -> SFTTrainer | GRPOTrainer | DistillationTrainer:
    records = [json.loads(line) for line in open(options.teacher, encoding="utf-8")]
    common: dict[str, Any] = {
        "output_dir": str(options.folder), "max_steps": options.steps, "seed": 42,
        "per_device_train_batch_size": options.batch_size, "gradient_accumulation_steps": 1,
        "gradient_checkpointing": options.gradient_checkpointing, "learning_rate": 1e-5,
        "lr_scheduler_type": "constant", "max_grad_norm": 1.0, "save_strategy": "no",
        "logging_steps": 1, "report_to": [], "disable_tqdm": True,
        "bf16": torch.cuda.is_available(), "model_init_kwargs": {"dtype": "float32"},
    }  # fmt: skip
    asked = [[{"role": "user", "content": r["problem"]}] for r in records]
    if options.method == "sft":
        answers = [[{"role": "assistant", "content": r["path"]}] for r in records]
        rows = [{"prompt": p, "completion": a} for p, a in zip(asked, answers, strict=True)]
        return SFTTrainer(
            options.model, args=SFTConfig(**common), train_dataset=Dataset.from_list(rows)
        )
    rows = [{"prompt": p, "answer": r["answer"]} for p, r in zip(asked, records, strict=True)]
    written = {"max_completion_length": options.tokens, "temperature": 1.0}
    if options.method == "opd":
        config = DistillationConfig(
            teacher_model_init_kwargs={"dtype": "float32"}, **written, **common
        )
        return DistillationTrainer(options.model, options.model, config, Dataset.from_list(rows))
    arguments = GRPOConfig(
        num_generations=options.group, beta=options.beta, loss_type="grpo", **written, **common
    )
    return GRPOTrainer(options.model, outcome, arguments, Dataset.from_list(rows))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("method", choices=("sft", "grpo", "opd"))
    parser.add_argument("model")
    parser.add_argument("teacher")
    parser.add_argument("folder", type=Path)
    for name, value in (("steps", 4), ("batch-size", 4), ("group", 4), ("tokens", 64)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--beta", type=float, default=0.0)
    parser.add_argument(
        "--no-gradient-checkpointing", dest="gradient_checkpointing", action="store_false"
    )
    options = parser.parse_args()
    alone, clock = trainer(options), Clock()
    for printer in (PrinterCallback, ProgressCallback):
        alone.remove_callback(printer)
    alone.add_callback(clock)
    alone.train()
    options.folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(entry) + "\n" for entry in clock.entries]
    (options.folder / "metrics.jsonl").write_text("".join(lines), "utf-8")


if __name__ == "__main__":
    main()
