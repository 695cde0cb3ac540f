"""Grading real answers: `rlkd`'s grader against plain math-verify in one thread, with hostile
answers mixed in, and texts of a million characters in which an answer is looked for.

python benchmarks/grading.py SAMPLES.jsonl [--answers 8000]
"""

import argparse
import asyncio
import json
import logging
import os
import time
from collections.abc import Iterator

import math_verify

from rlkd_cli.core.grading.grade import extract_answer
from rlkd_cli.reward.grading.grader import Grader

HOSTILE = [
    r"9^{9^{9^9}}",
    "1" * 100_000,
    r"\int_0^1 x^{99} \sin(x^{77}) e^{x^3} dx",
    r"\sum_{k=1}^{9999} \frac{\sin(k)}{k!}",
    "{" * 2000 + "x" + "}" * 2000,
]

LOOPS = [
    "\\boxed{", "\\boxed{1}", "\\boxed", "\\boxed 5 ", "\\boxed{1},", "<answer>", "<think>", "</|",
    "Answer: B ", "the answer is a ", "answer is ", "B is correct. ", "{", "\n", " ", "$",
]  # fmt: skip
NESTED = [("\\boxed{", "}"), ("\\boxed{\\boxed{1}", "}")]
LONG = 1_000_000  # characters


def long_texts() -> Iterator[tuple[str, str]]:
    """(what is repeated, a million characters of it)."""
    for piece in LOOPS:
        yield piece, (piece * (LONG // len(piece) + 1))[:LONG]
    for opening, closing in NESTED:
        count = LONG // len(opening + closing)
        yield opening + "…" + closing, opening * count + "5" + closing * count


def slowest() -> tuple[float, str]:
    """The longest time that one of the looping texts takes, in seconds, and which."""
    times = []
    for piece, text in long_texts():
        for reference in ("5", "B"):
            started = time.perf_counter()
            extract_answer(text, reference)
            times.append((time.perf_counter() - started, piece))
    return max(times)


def load(file: str, count: int) -> list[tuple[str, str]]:
    """(path, reference) pairs, repeated up to `count`; a record may have several paths."""
    pairs = []
    for line in open(file, encoding="utf-8"):
        record = json.loads(line)
        pairs += [(path, str(record["answer"])) for path in record.get("paths") or [record["path"]]]
    return [pairs[i % len(pairs)] for i in range(count)]


def plain(pairs: list[tuple[str, str]]) -> tuple[float, list[bool]]:
    """math-verify as its documentation shows it, on the same extracted answers."""
    started = time.perf_counter()
    verdicts = []
    for path, reference in pairs:
        prediction = extract_answer(path, reference)
        if prediction is None:
            verdicts.append(False)
            continue
        gold, answer = math_verify.parse(f"${reference}$"), math_verify.parse(f"${prediction}$")
        verdicts.append(bool(math_verify.verify(gold, answer)))
    return time.perf_counter() - started, verdicts


def ours(pairs: list[tuple[str, str]], timeout: float, workers: int) -> tuple[float, list[str]]:
    grader = Grader(timeout, workers)

    async def go() -> list[str]:
        nonlocal seconds
        started = time.perf_counter()
        grades = await asyncio.gather(*(grader.grade(*pair) for pair in pairs))
        seconds = time.perf_counter() - started
        await grader.close()
        return [grade.verdict for grade in grades]

    seconds = 0.0
    verdicts = asyncio.run(go())
    return seconds, verdicts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("samples")
    parser.add_argument("--answers", type=int, default=8000)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    workers = os.cpu_count() or 2
    pairs = load(options.samples, options.answers)
    alone, theirs = plain(pairs)
    together, mine = ours(pairs, 10.0, workers)
    differ = [i for i, (a, b) in enumerate(zip(theirs, mine, strict=True)) if a != (b == "correct")]
    print(
        f"{len(pairs)} answers: plain math-verify {len(pairs) / alone:.0f}/s, rlkd "
        f"{len(pairs) / together:.0f}/s with {workers} workers"
    )
    print(f"ratio {alone / together:.2f}; verdicts that differ: {len(differ)}")
    for i in sorted(
        {(extract_answer(*pairs[i]), pairs[i][1], theirs[i], mine[i]) for i in differ}, key=str
    )[:10]:
        print("  ", i)
    count, timeout = len(pairs) // 100, 2.0
    mixed = pairs + [
        (f"\\boxed{{{HOSTILE[i % len(HOSTILE)]} + {i}}}", r"\frac{1}{7}") for i in range(count)
    ]
    seconds, verdicts = ours(mixed, timeout, workers)
    bound = together + count * timeout / workers
    kinds = {
        verdict: verdicts[len(pairs) :].count(verdict)
        for verdict in sorted(set(verdicts[len(pairs) :]))
    }
    same = verdicts[: len(pairs)] == mine
    print(
        f"with {count} hostile answers: {seconds:.1f} s, bound {bound:.1f} s (count x time-out / "
        f"workers more); {kinds}; others the same: {same}"
    )
    seconds, piece = slowest()
    print(f"a million characters: {seconds:.2f} s at most ({piece!r} over and over)")
