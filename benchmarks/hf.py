"""`hf/` against a bare batched `generate()`: the same requests, batch size and model, limits of
uneven length.

python benchmarks/hf.py [--model FOLDER] [--requests 256] [--batch 32] [--longest 256]
[--temperature 0]
"""

import argparse
import asyncio
import random
import time
from pathlib import Path

import torch

from rlkd_cli.models import Sampling, user
from rlkd_cli.models.local.hf import HfModel

BASE = Path(__file__).parents[1] / "examples/tiny/base"


def bare(
    model: HfModel, prompts: list[list[int]], limits: list[int], batch: int, heat: float
) -> int:
    """Tokens written by `generate()` on batches of like prompt length, each to its longest
    limit."""
    order, tokens = sorted(range(len(prompts)), key=lambda i: len(prompts[i])), 0
    sampling = (
        {"do_sample": True, "temperature": heat, "top_p": 0.95} if heat else {"do_sample": False}
    )
    for start in range(0, len(order), batch):
        lot = order[start : start + batch]
        width = max(len(prompts[i]) for i in lot)
        pad = model._tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (width - len(prompts[i])) + prompts[i] for i in lot])
        mask = torch.tensor([[0] * (width - len(prompts[i])) + [1] * len(prompts[i]) for i in lot])
        with torch.inference_mode():
            model._model.generate(
                input_ids=ids.to(model.device),
                attention_mask=mask.to(model.device),
                max_new_tokens=max(limits[i] for i in lot),
                pad_token_id=pad,
                eos_token_id=-1,  # no end: every reply is as long as its limit
                **sampling,
            )
        tokens += sum(limits[i] for i in lot)
    return tokens


async def ours(model: HfModel, texts: list[str], limits: list[int], heat: float) -> int:
    asked = (
        model.reply(user(text), Sampling(heat, 0.95 if heat else 1.0, limit, seed))
        for seed, (text, limit) in enumerate(zip(texts, limits, strict=True))
    )
    return sum(reply.completion_tokens for reply in await asyncio.gather(*asked))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=str(BASE))
    parser.add_argument("--requests", type=int, default=256)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--longest", type=int, default=256)
    parser.add_argument("--temperature", type=float, default=0.0)
    options = parser.parse_args()
    draws = random.Random(0)
    model = HfModel(options.model, batch_size=options.batch)
    model._ends = model._writer._writer._ends = frozenset()
    texts = [
        f"hats = {i}. {'pens = 1. ' * draws.randrange(8)}What is hats?"
        for i in range(options.requests)
    ]
    # Lengths of real replies are skewed: most are short, few come near the limit
    limits = [max(4, int(options.longest * draws.random() ** 2)) for _ in texts]
    prompts = [model._encoder(user(text)) for text in texts]
    rates = {}
    for name in ("warm-up", "generate()", "hf/"):
        started = time.perf_counter()
        if name == "hf/":
            tokens = asyncio.run(ours(model, texts, limits, options.temperature))
        else:
            few = options.batch if name == "warm-up" else options.requests
            tokens = bare(model, prompts[:few], limits[:few], options.batch, options.temperature)
        seconds = time.perf_counter() - started
        rates[name] = tokens / seconds
        if name != "warm-up":
            print(f"{name:11} {tokens} tokens in {seconds:.1f} s: {rates[name]:.0f} tokens/s")
    print(f"hf/ is {rates['hf/'] / rates['generate()']:.2f} times as fast")


if __name__ == "__main__":
    main()
