"""Makes `examples/tiny/base`: the tokenizer and the base model that the quickstart starts from.

    python examples/tiny/make_base.py --out examples/tiny/base

The model (a Llama of 0.8 million parameters) is trained in stages: first on clean solutions, so
that it has the skill, then on sloppy ones mixed with a few segmentations, so that it solves and
segments, but neither well. Real base models are similar: good behaviour is a minority of what they
write. Everything is seeded.

The weights in `examples/tiny/base` went through these stages in five runs (`--resume`), the first
of them with a slightly different vocabulary. One run of this script therefore gives a model of the
same kind, but not the same bytes.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

sys.path.insert(0, str(Path(__file__).parent))
from world import make_problem, sloppy_order, write_path

GSRM_PROMPT = (Path(__file__).parents[2] / "rlkd_cli/prompts/gsrm.txt").read_text()
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
MARKERS = [
    f"[{part} {i}]:" for i in range(1, 10) for part in ("Meta-reasoning", "Sub-problem", "Answer")
]


def render(steps: list[dict]) -> str:
    """The paper's text form of steps (repeated here so that the script does not need rlkd)."""
    lines = []
    for i, step in enumerate(steps, start=1):
        lines += [
            f"[Meta-reasoning {i}]: {step['meta_reasoning']}",
            f"[Sub-problem {i}]: {step['sub_problem']}",
        ]
        lines += [f"[Answer {i}]: {step['answer']}"]
    return "\n".join(lines)


def pair(
    rng: random.Random, kind: str, good: float, stop: float, slip: float, **size
) -> tuple[str, str]:
    """A (user, assistant) text pair, `solve` or `segment`; `size` is passed to make_problem."""
    problem = make_problem(rng, **size)
    order = problem.teacher_order() if good >= 1 else sloppy_order(problem, rng, good, stop)
    path, steps = write_path(problem, order, rng, slip)
    return (
        (problem.text, path)
        if kind == "solve"
        else (GSRM_PROMPT.replace("{path}", path), render(steps))
    )


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE over the problems' words: any text round-trips, a known word is one token."""
    rng = random.Random(0)
    corpus = [
        text
        for kind in ("solve", "segment")
        for _ in range(3000)
        for text in pair(rng, kind, 0.5, 0.1, 0.0)
    ]
    tokenizer = Tokenizer(models.BPE())
    words = Regex(r"\n| ?[A-Za-z]+| ?[0-9]| ?[^\sA-Za-z0-9]+|\s+")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, "isolated"), byte_level]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=2000, special_tokens=special, initial_alphabet=alphabet
    )
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.add_tokens([AddedToken(marker, normalized=False) for marker in MARKERS])
    # For a model of type qwen2 AutoTokenizer ignores the folder and uses Qwen2's class with its own
    # pre-tokenizer, and every id would change silently; for a Llama it loads this one as saved.
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|end|>",
        pad_token="<|pad|>",
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=4096,
    )


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=320,
        num_hidden_layers=4,
        num_attention_heads=4,  # head dimension 32, the smallest that vLLM's CPU kernels take
        num_key_value_heads=4,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        attention_bias=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def batch(
    rng: random.Random, tokenizer, size: int, segment_share: float, mixture: dict
) -> dict[str, torch.Tensor]:
    """Padded input_ids, labels (of the assistant's tokens) and attention_mask: (size, longest)."""
    rows = []
    for _ in range(size):
        kind = "segment" if rng.random() < segment_share else "solve"
        user, assistant = pair(rng, kind, **mixture)
        prompt = tokenizer(f"<|user|>{user}<|assistant|>")["input_ids"]
        rows.append((prompt, tokenizer(f"{assistant}<|end|>")["input_ids"]))
    longest = max(len(p) + len(a) for p, a in rows)
    ids = torch.full((size, longest), tokenizer.pad_token_id)
    labels = torch.full((size, longest), -100)
    for i, (prompt, answer) in enumerate(rows):
        ids[i, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
        labels[i, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
    return {
        "input_ids": ids,
        "labels": labels,
        "attention_mask": (ids != tokenizer.pad_token_id).long(),
    }


@torch.no_grad()
def check(model, tokenizer, seed: int = 99, problems: int = 64, samples: int = 8) -> str:
    """pass@1 and pass@8 on new problems at temperature 1; share of exact greedy segmentations."""
    rng = random.Random(seed)
    tokenizer.padding_side = "left"
    world = [make_problem(rng) for _ in range(problems)]
    truth = [write_path(p, p.teacher_order(), rng)[0][-8:] for p in world]
    prompts = [f"<|user|>{p.text}<|assistant|>" for p in world for _ in range(samples)]
    inputs = tokenizer(prompts, return_tensors="pt", padding=True)
    out = model.generate(**inputs, do_sample=True, temperature=1.0, top_k=0, max_new_tokens=64)
    texts = tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    right = [
        [t.endswith(truth[i]) for t in texts[i * samples : (i + 1) * samples]]
        for i in range(problems)
    ]
    pairs = [pair(rng, "segment", 0.5, 0.05, 0.05) for _ in range(problems)]
    inputs = tokenizer(
        [f"<|user|>{u}<|assistant|>" for u, _ in pairs], return_tensors="pt", padding=True
    )
    out = model.generate(**inputs, do_sample=False, max_new_tokens=140)
    written = tokenizer.batch_decode(
        out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
    )
    exact = sum(w == a for w, (_, a) in zip(written, pairs, strict=True)) / problems
    mean = sum(map(sum, right)) / problems / samples
    sample = texts[0].replace("\n", " | ")
    at_all = sum(map(any, right)) / problems
    return f"pass@1 {mean:.3f} pass@{samples} {at_all:.3f} segment {exact:.2f}  {sample!r}"


def train(model, tokenizer, stages: list[dict], size: int, seed: int, log) -> None:
    rng = random.Random(seed)
    for number, stage in enumerate(stages, start=1):
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=stage["lr"], weight_decay=0.01, betas=(0.9, 0.98)
        )
        n = stage["steps"]
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step, n=n: min(1.0, (step + 1) / 100) * max(0.02, 1 - step / n)
        )
        started = time.time()
        for step in range(stage["steps"]):
            share = stage["segment_share"]
            loss = model(
                **batch(rng, tokenizer, size, share, stage["mixture"]), use_cache=False
            ).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            if step % 50 == 0:
                seconds = time.time() - started
                log(f"stage {number} step {step} loss {loss.item():.4f} ({seconds:.0f} s)")
            if step % 500 == 499:
                log(f"stage {number} step {step} {check(model, tokenizer)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--stages", type=json.loads, help="JSON list that replaces the built-in stages"
    )
    parser.add_argument(
        "--resume", type=Path, help="start from this model folder instead of random weights"
    )
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    clean = {"good": 1.0, "stop": 0.0, "slip": 0.0}
    easy = {**clean, "given": 2, "derived": 3, "needs": [1, 2, 3]}
    hard = {**clean, "given": 3, "derived": 7, "needs": [3, 4, 5]}
    sloppy = {"good": 0.55, "stop": 0.05, "slip": 0.02}
    stages = args.stages or [
        {"steps": 1000, "lr": 3e-3, "segment_share": 0.5, "mixture": easy},
        {"steps": 2000, "lr": 2e-3, "segment_share": 0.15, "mixture": hard},
        {"steps": 1200, "lr": 2e-3, "segment_share": 0.2, "mixture": clean},
        {"steps": 1000, "lr": 3e-3, "segment_share": 0.4, "mixture": clean},
        {"steps": 150, "lr": 5e-4, "segment_share": 0.3, "mixture": sloppy},
    ]
    tokenizer = make_tokenizer()
    model = LlamaForCausalLM.from_pretrained(args.resume) if args.resume else make_model(tokenizer)
    print(f"{model.num_parameters():,} parameters, {len(tokenizer)} tokens", flush=True)
    train(model, tokenizer, stages, 64, args.seed, lambda line: print(line, flush=True))
    model.save_pretrained(args.out)
    tokenizer.save_pretrained(args.out)
    text, _ = pair(random.Random(0), "solve", 1.0, 0.0, 0.0)
    assert (
        AutoTokenizer.from_pretrained(args.out)(text)["input_ids"] == tokenizer(text)["input_ids"]
    )
    print(check(model, tokenizer, problems=200))


if __name__ == "__main__":
    main()
