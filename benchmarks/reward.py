"""The structured reward with a judge of 50 ms: one comparison at a time, lazy, eager, and cached.

python benchmarks/reward.py
"""

import asyncio
import http.client
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from server import serve

from rlkd_cli import prompts
from rlkd_cli.core.reward import Verdict, structured_reward
from rlkd_cli.core.steps import PARTS, StepText
from rlkd_cli.models import HttpOptions, open_model
from rlkd_cli.reward.grading.grader import Grader
from rlkd_cli.reward.judges.model import ModelJudge
from rlkd_cli.reward.matcher import Matcher, Strategy
from rlkd_cli.reward.verdict_cache import VerdictCache

LATENCY, PAIRS, STEPS = 0.05, 64, 12
MATCH = {
    "meta_reasoning": 0.85,
    "sub_problem": 0.8,
    "answer": 0.7,
}  # ours: "a realistic share of matches"

Pair = tuple[list[StepText], list[StepText]]


def make_pairs(count: int) -> list[Pair]:
    """Teacher and student steps whose texts all differ; the judge says no to a text with a "~"."""
    rng = random.Random(0)

    def student(pair: int, i: int) -> StepText:
        return StepText(
            *[
                f"student {part} {i} of {pair}{'' if rng.random() < MATCH[part] else ' ~'}"
                for part in PARTS
            ]
        )

    return [
        (
            [StepText(*[f"teacher {part} {i} of {p}" for part in PARTS]) for i in range(STEPS)],
            [student(p, i) for i in range(STEPS)],
        )
        for p in range(count)
    ]


def naive(url: str, pairs: list[Pair]) -> tuple[float, int, int]:
    """What the released code does: one thread per completion, one question at a time.

    The teacher's path is segmented again for each completion.
    """
    base, _, model = url.partition("#")
    address = urllib.parse.urlsplit(base)
    calls, mine = [], threading.local()

    def ask(text: str) -> str:
        calls.append(1)
        if not hasattr(mine, "connection"):
            mine.connection = http.client.HTTPConnection(address.hostname or "", address.port)
        body = json.dumps(
            {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 4}
        )
        mine.connection.request(
            "POST", f"{address.path}/chat/completions", body, {"Content-Type": "application/json"}
        )
        return str(json.load(mine.connection.getresponse())["choices"][0]["message"]["content"])

    def one(pair: Pair) -> tuple[float, int]:
        trips = 1
        ask("segment the teacher's path")
        verdicts = []
        for teacher, student in zip(*pair, strict=True):
            found = []
            for part in PARTS:
                texts = {"first": getattr(teacher, part), "second": getattr(student, part)}
                found.append(ask(prompts.fill(prompts.load(f"match_{part}"), **texts)) == "yes")
                trips += 1
                if part == "meta_reasoning" and not found[0]:
                    break
            verdicts.append(Verdict(*found))
            if not found[0]:
                break
        return structured_reward(verdicts, STEPS, STEPS) or 0.0, trips

    started = time.perf_counter()
    with ThreadPoolExecutor(len(pairs)) as pool:
        results = list(pool.map(one, pairs))
    return time.perf_counter() - started, len(calls), max(trips for _, trips in results)


class Counting:
    """A judge that counts the questions that reach the model."""

    def __init__(self, judge: ModelJudge) -> None:
        self._judge, self.name, self.settle = judge, judge.name, judge.settle
        self.calls = 0

    async def ask(self, *question: str) -> float:
        self.calls += 1
        return await self._judge.ask(*question)  # type: ignore[arg-type]


def ours(
    url: str, pairs: list[Pair], strategy: Strategy, cache: VerdictCache
) -> tuple[float, int, int, list[float]]:
    async def go() -> tuple[float, int, int, list[float]]:
        model = open_model(url, HttpOptions(concurrency=4096))
        judge = Counting(ModelJudge(model, Grader()))
        matcher = Matcher(judge, cache=cache, strategy=strategy)
        await judge.ask("answer", "warm", "up")  # a first connection, and the client's imports
        judge.calls = 0
        started = time.perf_counter()
        scores = await asyncio.gather(*(matcher.score(*pair) for pair in pairs))
        seconds = time.perf_counter() - started
        await model.close()
        deepest = max(score.matched_steps for score in scores)
        trips = 0 if not judge.calls else 1 if strategy == "eager" else min(deepest + 1, STEPS + 1)
        return seconds, judge.calls, trips, [score.reward or 0.0 for score in scores]

    return asyncio.run(go())


def against_a_server(folder: Path) -> None:
    pairs = make_pairs(PAIRS)
    with serve(LATENCY, 100_000) as url:
        cache = VerdictCache(folder / "verdicts.db")
        rows = [("a. naive, 64 threads", *naive(url, pairs))]
        lazy = ours(url, pairs, "lazy", cache)
        eager = ours(url, pairs, "eager", VerdictCache())
        warm = ours(url, pairs, "lazy", VerdictCache(folder / "verdicts.db"))
        assert lazy[3] == eager[3] == warm[3]
        rows += [
            ("b. lazy", *lazy[:3]),
            ("c. eager", *eager[:3]),
            ("d. lazy, warm cache", *warm[:3]),
        ]
    print(f"{PAIRS} pairs of {STEPS} steps, a judge of {LATENCY * 1000:.0f} ms")
    for name, seconds, calls, trips in rows:
        print(
            f"{name:22} {seconds:7.3f} s  {calls:5d} calls  {trips:3d} round trips  "
            f"{rows[0][1] / seconds:7.1f} x"
        )
    bound = 1.3 * lazy[2] * LATENCY
    print(
        f"lazy against its bound of 1.3 x round trips x latency = {bound:.3f} s: "
        f"{lazy[0] / bound:.2f}"
    )


def from_the_cache(count: int = 100_000) -> None:
    """Pairs per second with all verdicts cached, in a separate process to measure its memory."""
    script = (
        "import asyncio, time, resource, reward, tempfile, pathlib\n"
        "from rlkd_cli.reward.matcher import Matcher\n"
        "from rlkd_cli.reward.verdict_cache import VerdictCache\n"
        "class Judge:\n"
        "    name = 'known'\n"
        "    def settle(self, *question): return None\n"
        "    async def ask(self, part, teacher, student): return float('~' not in student)\n"
        "pairs = reward.make_pairs(1000)\n"
        "async def go():\n"
        "    file = pathlib.Path(tempfile.mkdtemp(), 'v.db')\n"
        "    for pair in pairs: await Matcher(Judge(), cache=VerdictCache(file)).score(*pair)\n"
        "    matcher = Matcher(Judge(), cache=VerdictCache(file))\n"
        "    started = time.perf_counter()\n"
        f"    for i in range({count}): await matcher.score(*pairs[i % 1000])\n"
        "    return time.perf_counter() - started\n"
        "print(asyncio.run(go()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    seconds, memory = out.split()
    print(
        f"{count:,} pairs with verdicts cached: {count / float(seconds):,.0f} pairs/s, "
        f"peak memory {memory} MiB"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        against_a_server(Path(name))
    from_the_cache()
