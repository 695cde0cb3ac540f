"""A step of Structured Fine-grained Training and one of TRL's SFTTrainer: same model, same batches.

python benchmarks/gsrm.py [--large [--tokens 2048]]

--large: a random model with the shape and vocabulary of Qwen2.5-0.5B. SFTTrainer uses its loss on
completions only.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from rlkd_cli.training.gsrm.data import Example

BASE = Path(__file__).parents[1] / "examples/tiny/base"


def make_large(folder: Path) -> Path:
    """Random weights; the tokenizer is not needed, because examples are made of token ids."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=151_936,
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
        max_position_embeddings=32_768,
        tie_word_embeddings=True,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder / "large")
    return folder / "large"


def examples(count: int, prompt: int, reply: int) -> list[Example]:
    """Token ids with roles: none in the prompt; of the reply two fifths are M, the rest Q and A."""
    rng = random.Random(0)
    made = []
    for _ in range(count):
        ids = [rng.randrange(5, 90) for _ in range(prompt + reply)]
        roles = [-1] * prompt + [0 if i % 5 < 2 else 1 for i in range(reply - 1)] + [2]
        made.append(Example(np.array(ids, np.int32), np.array(roles, np.int8)))
    return made


def worker(kind: str, model: str, size: int, steps: int, prompt: int, reply: int) -> None:
    """One training; prints tokens per second after the first step, and the peak memory added."""
    import torch
    from transformers import (
        AutoModelForCausalLM,
        PrinterCallback,
        ProgressCallback,
        TrainerCallback,
        TrainingArguments,
    )

    from rlkd_cli.training.model import quiet_libraries

    quiet_libraries()
    marks: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *args, **kwargs) -> None:
            marks.append(time.perf_counter())

    data = examples(size * steps, prompt, reply)
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    settings = {
        "per_device_train_batch_size": size,
        "max_steps": steps,
        "learning_rate": 1e-4,
        "report_to": [],
        "disable_tqdm": True,
    }
    settings |= {
        "output_dir": tempfile.mkdtemp(),
        "save_strategy": "no",
        "gradient_checkpointing": False,
        "bf16": False,
        "logging_steps": 1,
    }
    settings |= (
        {"optim": "sgd"} if "large" in model else {}
    )  # AdamW's state would hide what the logits need
    if kind == "plain":
        from datasets import Dataset
        from trl import SFTConfig, SFTTrainer

        rows = [
            {"input_ids": e.ids.tolist(), "labels": np.where(e.roles >= 0, e.ids, -100).tolist()}
            for e in data
        ]
        from transformers import AutoTokenizer

        trainer = SFTTrainer(
            model=loaded,
            args=SFTConfig(
                **settings, dataset_kwargs={"skip_prepare_dataset": True}, max_length=None
            ),
            train_dataset=Dataset.from_list(rows),
            processing_class=AutoTokenizer.from_pretrained(BASE),
        )
    else:
        from rlkd_cli.models.local.labelled_head import LabelledHead
        from rlkd_cli.training.gsrm.data import collate
        from rlkd_cli.training.gsrm.trainer import BalanceCallback, StructuredTrainer

        trainer = StructuredTrainer(
            (kind,),
            BalanceCallback(),
            LabelledHead(loaded),
            model=loaded,
            args=TrainingArguments(**settings, remove_unused_columns=False),
            train_dataset=data,
            data_collator=lambda batch: collate(batch, 0),
        )
    for printer in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(printer)
    trainer.add_callback(Clock())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    trainer.train()
    added = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    speed = size * (prompt + reply) * (len(marks) - 1) / (marks[-1] - marks[0])
    print(json.dumps({"speed": speed, "memory": added}))


def table(
    title: str, model: Path, size: int, steps: int, prompt: int, reply: int, repeats: int
) -> None:
    print(f"{title}: batches of {size} x {prompt + reply} tokens, {reply} of them the reply")
    best: dict[str, dict] = {}
    for _ in range(repeats):
        for kind in ("plain", "meta", "solving", "mixed"):
            words = [kind, str(model), *map(str, (size, steps, prompt, reply))]
            out = subprocess.run(
                [sys.executable, __file__, "--worker", *words],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            ).stdout
            found = json.loads(out.strip().split("\n")[-1])
            if kind not in best or found["speed"] > best[kind]["speed"]:
                best[kind] = found
    for kind, found in best.items():
        ratio = found["speed"] / best["plain"]["speed"]
        print(
            f"  {kind:8} {found['speed']:8.0f} tokens/s  {ratio:5.2f} x plain  "
            f"{found['memory']:6} MiB above the loaded model"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--tokens", type=int, default=2048, help="of the large model's sequences")
    parser.add_argument("--worker", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker[0], options.worker[1], *map(int, options.worker[2:]))
    elif options.large:
        with tempfile.TemporaryDirectory() as name:
            prompt, reply = options.tokens * 3 // 4, options.tokens // 4
            table(
                "Qwen2.5-0.5B's shape, random weights",
                make_large(Path(name)),
                1,
                3,
                prompt,
                reply,
                1,
            )
    else:
        table("tiny base model", BASE, 16, 30, 64, 64, 3)
