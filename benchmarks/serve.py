"""`rlkd serve` asked by clients of one sample each, beside `rlkd score` on the same samples.

    python benchmarks/serve.py

The GSRM and the judge are one server of 50 ms. Both sides start anew, with nothing cached; the
start of a process is not counted.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
from reward import make_pairs
from server import serve

from rlkd_cli.core.steps import render

LATENCY, CLIENTS, SAMPLES, ROUNDS = 0.05, 64, 512, 3
RLKD = [sys.executable, "-m", "rlkd_cli"]
BODIES = ("/v1/reward", "/slime", "/openrlhf")


def write_world(folder: Path) -> list[dict]:
    """A file of the teacher and one of student paths, which are their own segmentations."""
    pairs = make_pairs(SAMPLES)
    with (folder / "teacher.jsonl").open("w") as out:
        for number, (steps, _) in enumerate(pairs):
            record = {"id": number, "steps": [step._asdict() for step in steps]}
            out.write(json.dumps(record) + "\n")
    students = [{"id": n, "problem": "", "path": render(own)} for n, (_, own) in enumerate(pairs)]
    (folder / "student.jsonl").write_text("".join(json.dumps(row) + "\n" for row in students))
    return students


def by_score(folder: Path, url: str) -> tuple[float, int, list[float]]:
    """Seconds, requests to the model and rewards of `rlkd score`."""
    files = [str(folder / name) for name in ("teacher.jsonl", "student.jsonl")]
    out = folder / "scores.jsonl"
    words = [*files, "--gsrm", url, "--judge", url, "-o", str(out), "--overwrite", "-q"]
    subprocess.run([*RLKD, "score", *words], check=True)
    facts = json.loads(Path(f"{out}.run.json").read_text())
    ledger = facts.get("ledger", facts)
    rewards = [json.loads(line)["reward"] for line in out.read_text().splitlines()]
    return ledger["seconds"], sum(m["requests"] for m in ledger["models"].values()), rewards


def body(name: str, row: dict) -> dict:
    """One sample as a trainer sends it."""
    label = json.dumps({"id": row["id"]})
    return {
        "/v1/reward": {"items": [{"id": row["id"], "path": row["path"]}]},
        "/slime": {"prompt": "", "response": row["path"], "label": label},
        "/openrlhf": {"query": [row["path"]], "prompts": [""], "labels": [label]},
    }[name]


def number(name: str, said: object) -> float:
    """The structured reward in an answer; the teacher has no answers, so it is the whole total."""
    if isinstance(said, dict):
        return said["scores"][0]["total"] if name == "/v1/reward" else said["rewards"][0]
    return float(said)  # type: ignore[arg-type]


async def ask_all(url: str, name: str, students: list[dict]) -> tuple[float, list[float]]:
    """Seconds and rewards; each of the clients sends its next sample when it has its reward."""
    rewards, rows = [0.0] * len(students), iter(enumerate(students))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def client() -> None:
            for place, row in rows:
                async with session.post(f"{url}{name}", json=body(name, row)) as response:
                    rewards[place] = number(name, await response.json())

        began = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        return time.perf_counter() - began, rewards


def by_serve(
    folder: Path, url: str, name: str, students: list[dict]
) -> tuple[float, int, list[float]]:
    """The same of `rlkd serve` and its clients."""
    words = [str(folder / "teacher.jsonl"), "--gsrm", url, "--judge", url, "--port", "0"]
    command = [*RLKD, "serve", *words, "--structure-weight", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        address = process.stderr.readline().split()[-1]
        seconds, rewards = asyncio.run(ask_all(address, name, students))
        asked = asyncio.run(metric(address))
        process.terminate()
    return seconds, asked, rewards


async def metric(address: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{address}/metrics") as response:
        text = await response.text()
    return sum(map(int, re.findall(r"rlkd_model_requests_total\{.*\} (\d+)", text)))


def main() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(f"{SAMPLES} samples of 12 steps, a model of {LATENCY * 1000:.0f} ms, best of {ROUNDS}")
    with tempfile.TemporaryDirectory() as name, serve(LATENCY, 100_000) as url:
        folder = Path(name)
        students = write_world(folder)
        scored = min(by_score(folder, url) for _ in range(ROUNDS))
        print(f"{'rlkd score':38} {scored[0]:6.2f} s  {scored[1]:6d} calls   1.00 x")
        for path in BODIES:
            served = min(by_serve(folder, url, path, students) for _ in range(ROUNDS))
            assert served[2] == scored[2]
            title = f"rlkd serve, {CLIENTS} clients on {path}"
            ratio = served[0] / scored[0]
            print(f"{title:38} {served[0]:6.2f} s  {served[1]:6d} calls  {ratio:5.2f} x")


if __name__ == "__main__":
    main()
