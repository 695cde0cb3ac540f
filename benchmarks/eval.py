"""Seconds to sample a benchmark with `rlkd eval`'s pipeline and with the bare vLLM engine.

python benchmarks/eval.py [--questions 64] [--runs 16] [--tokens 64] [--rounds 14]

Both send the same requests. One engine in one process serves them in turn, because the speed of a
shared machine differs between processes by more than what is measured. The bare side does what
`vllm.LLM.generate` does: it adds requests that are already token ids and steps the engine until
none is left. rlkd's side reads the problems, makes the prompts, samples, grades, and writes a
journal and the output.
"""

import argparse
import asyncio
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rlkd_cli.console import View
from rlkd_cli.core.question import question
from rlkd_cli.core.seeds import draw_seed
from rlkd_cli.models import Sampling, open_model, user
from rlkd_cli.models.chat import encode_chat
from rlkd_cli.pipeline.evaluate import Evaluator
from rlkd_cli.pipeline.ledger import Ledger
from rlkd_cli.pipeline.run import Run
from rlkd_cli.pipeline.sample import Sampler
from rlkd_cli.records.open import open_output
from rlkd_cli.records.read import Input
from rlkd_cli.records.schema import Task
from rlkd_cli.records.write import Out
from rlkd_cli.reward.grading.grader import Grader

ROOT = Path(__file__).parents[1]
BASE = ROOT / "examples/tiny/base"
TEMPLATE = "{problem}"


def with_rlkd(model, source: Input, sampling: Sampling, file: Path) -> int:
    """How many tokens were generated."""
    tokens = []
    evaluator = Evaluator(Grader(), Sampler(model, sampling, TEMPLATE))
    source.scan()
    out = Out(output=str(file), overwrite=True)
    output = open_output("eval", out, {}, source, lambda record: tokens.append(record["tokens"]))
    run = Run(evaluator, output, model.in_flight, View("", None, quiet=True), Ledger())
    asyncio.run(run.over(source))
    output.close()
    return sum(tokens)


def bare(model, requests: list[tuple[list[int], object]]) -> int:
    """How many tokens were generated."""
    engine, tokens = model._engine, 0
    for number, (ids, parameters) in enumerate(requests):
        engine.add_request(f"bare-{number}", {"prompt_token_ids": ids}, parameters)
    while engine.has_unfinished_requests():
        tokens += sum(
            len(output.outputs[0].token_ids) for output in engine.step() if output.finished
        )
    return tokens


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--questions", type=int, default=64)
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=14)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        counts = ["--train", "1", "--gsrm", "1", "--test", str(options.questions)]
        subprocess.run(
            [sys.executable, ROOT / "examples/tiny/world.py", "--out", name, *counts], check=True
        )
        with contextlib.redirect_stdout(sys.stderr):
            model = open_model(f"vllm/{BASE}")
        file = f"{name}/test.jsonl"
        source = Input(file, Task, copies=options.runs)
        sampling = Sampling(0.6, 0.95, options.tokens, seed=0)
        from transformers import AutoTokenizer

        tokenizer, requests = AutoTokenizer.from_pretrained(BASE), []
        for raw in (item.raw for item in source):
            own = Sampling(0.6, 0.95, options.tokens, draw_seed(0, raw["id"], raw["sample"]))
            requests.append(
                (encode_chat(tokenizer, user(question(raw, TEMPLATE))), model._params(own, 10_000))
            )
        seconds: dict[str, list[float]] = {"bare": [], "rlkd": []}
        tokens = set()
        for _ in range(options.rounds + 1):
            for side in seconds:
                started = time.perf_counter()
                tokens.add(
                    bare(model, requests)
                    if side == "bare"
                    else with_rlkd(
                        model,
                        Input(file, Task, copies=options.runs),
                        sampling,
                        Path(name, "o.jsonl"),
                    )
                )
                seconds[side].append(time.perf_counter() - started)
    asyncio.run(model.close())  # until then standard output is redirected
    print(
        f"{len(requests)} requests of up to {options.tokens} tokens; "
        f"tokens written, every time: {tokens}"
    )
    pairs = list(zip(seconds["rlkd"], seconds["bare"], strict=True))[1:]  # the first round warms up
    print("rlkd / bare, s: " + ", ".join(f"{a:.2f} / {b:.2f}" for a, b in pairs))
    ratio = statistics.median(seconds["rlkd"][1:]) / statistics.median(seconds["bare"][1:])
    print(f"ratio of the medians {ratio:.3f}")
