"""`rlkd eval` on vLLM in this process against the bare engine with the same requests, in wall seconds.

python benchmarks/eval.py [--questions 64] [--runs 64]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
BASE = ROOT / "examples/tiny/base"
BARE = """
import json, sys, time
from vllm import LLM, SamplingParams
from rlkd_cli.models import user
from rlkd_cli.models.hf_engine import encode_chat
from rlkd_cli.pipeline.sample import draw_seed
base, bench, runs, tokens = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
llm = LLM(model=base, enable_prefix_caching=True, enable_chunked_prefill=False)  # seeds and pieces do not go together on CPU
records = [json.loads(line) for line in open(bench)]
asked = [(r, i) for r in records for i in range(runs)]
prompts = [{"prompt_token_ids": encode_chat(llm.get_tokenizer(), user(r["problem"]))} for r, _ in asked]
params = [SamplingParams(temperature=0.6, top_p=0.95, max_tokens=tokens, seed=draw_seed(0, r["id"], i)) for r, i in asked]
started = time.perf_counter()
outputs = llm.generate(prompts, params, use_tqdm=False)
print(sum(len(out.outputs[0].token_ids) for out in outputs), time.perf_counter() - started)
"""


def seconds(command: list[str]) -> tuple[float, str]:
    started = time.perf_counter()
    out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return time.perf_counter() - started, out


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=64)
    parser.add_argument("--runs", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        world = [
            sys.executable,
            ROOT / "examples/tiny/world.py",
            "--out",
            name,
            "--train",
            1,
            "--gsrm",
            1,
            "--test",
            options.questions,
        ]
        subprocess.run(list(map(str, world)), check=True)
        bench = f"{name}/test.jsonl"
        sizes = ["--runs", str(options.runs), "--max-tokens", str(options.tokens)]
        ours = [sys.executable, "-m", "rlkd_cli", "eval", "--bench", bench, "--model", f"vllm/{BASE}", *sizes]
        ours += ["--prompt-template", "{problem}", "-o", f"{name}/out.jsonl", "-q"]
        bare = [sys.executable, "-c", BARE, str(BASE), bench, str(options.runs), str(options.tokens)]
        seconds([*bare[:-2], "1", "1"])  # files into the cache
        alone, printed = seconds(bare)
        tokens, sampling = printed.split()[-2:]
        with_rlkd, _ = seconds(ours)
        run = json.loads(Path(f"{name}/out.jsonl.run.json").read_text())["seconds"]
        mine = sum(json.loads(line)["tokens"] for line in open(f"{name}/out.jsonl"))
    print(f"{options.questions * options.runs} requests of up to {options.tokens} tokens: {tokens} tokens bare, {mine} with rlkd")
    print(
        f"sampling alone: generate() {float(sampling):.1f} s, rlkd's run, grading and writing too, {run:.1f} s: ratio {run / float(sampling):.3f}"
    )
    print(f"with start: bare engine {alone:.1f} s, rlkd eval {with_rlkd:.1f} s: ratio {with_rlkd / alone:.3f}")
