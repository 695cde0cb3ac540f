"""`rlkd serve` asked by clients of one sample each, beside `rlkd score` on the same samples.

    python benchmarks/serve.py

First the GSRM and the judge are one server of 50 ms; then the GSRM is the tiny base model in the
server's own process, where requests have to become batches. All sides start anew, with nothing
cached; the start of a process is not counted.
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
TINY = Path(__file__).parents[1] / "examples/tiny"
Result = tuple[float, int, list[float]]


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


def by_score(folder: Path, models: list[str]) -> Result:
    """Seconds, requests to the models and rewards of `rlkd score`."""
    files = [str(folder / name) for name in ("teacher.jsonl", "student.jsonl")]
    out = folder / "scores.jsonl"
    words = [*files, *models, "-o", str(out), "--overwrite", "-q"]
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


async def ask_all(
    url: str, name: str, students: list[dict], clients: int
) -> tuple[float, list[float]]:
    """Seconds and rewards; each of the clients sends its next sample when it has its reward."""
    rewards, rows = [0.0] * len(students), iter(enumerate(students))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def client() -> None:
            for place, row in rows:
                async with session.post(f"{url}{name}", json=body(name, row)) as response:
                    rewards[place] = number(name, await response.json())

        began = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(clients)))
        return time.perf_counter() - began, rewards


def by_serve(
    folder: Path, models: list[str], name: str, students: list[dict], clients: int = CLIENTS
) -> Result:
    """The same of `rlkd serve` and its clients."""
    words = [str(folder / "teacher.jsonl"), *models, "--port", "0"]
    command = [*RLKD, "serve", *words, "--structure-weight", "1", "--outcome-weight", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        address = process.stderr.readline().split()[-1]
        seconds, rewards = asyncio.run(ask_all(address, name, students, clients))
        asked = asyncio.run(metric(address))
        process.terminate()
    return seconds, asked, rewards


async def metric(address: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{address}/metrics") as response:
        text = await response.text()
    return sum(map(int, re.findall(r"rlkd_model_requests_total\{.*\} (\d+)", text)))


def show(title: str, result: Result, scored: Result) -> None:
    """A row; the rewards are those of `rlkd score`."""
    assert result[2] == scored[2]
    seconds, calls, ratio = result[0], result[1], result[0] / scored[0]
    print(f"{title:38} {seconds:6.2f} s  {calls:6d} calls  {ratio:5.2f} x")


def against_a_server(folder: Path) -> None:
    """GSRM and judge of a fixed latency."""
    print(f"{SAMPLES} samples of 12 steps, a model of {LATENCY * 1000:.0f} ms, best of {ROUNDS}")
    students = write_world(folder)
    with serve(LATENCY, 100_000) as url:
        models = ["--gsrm", url, "--judge", url]
        scored = min(by_score(folder, models) for _ in range(ROUNDS))
        show("rlkd score", scored, scored)
        for path in BODIES:
            served = min(by_serve(folder, models, path, students) for _ in range(ROUNDS))
            show(f"rlkd serve, {CLIENTS} clients on {path}", served, scored)


def in_process(folder: Path, count: int = 128) -> None:
    """A GSRM in the server's process."""
    print(f"{count} samples, the tiny base model as GSRM in the process, best of {ROUNDS}")
    command = [sys.executable, TINY / "world.py", "--out", folder, "--train", str(count)]
    subprocess.run([*command, "--test", "4", "--gsrm", "4"], check=True)
    rows = [json.loads(line) for line in (folder / "teacher.jsonl").read_text().splitlines()]
    students = [{name: row[name] for name in ("id", "problem", "path")} for row in rows]
    (folder / "student.jsonl").write_text("".join(json.dumps(row) + "\n" for row in students))
    models = ["--gsrm", f"hf/{TINY / 'base'}", "--judge", "exact", "--gsrm-max-tokens", "96"]
    scored = min(by_score(folder, models) for _ in range(ROUNDS))
    show("rlkd score", scored, scored)
    for clients in (CLIENTS, 1):
        served = min(
            by_serve(folder, models, "/v1/reward", students, clients) for _ in range(ROUNDS)
        )
        show(f"rlkd serve, {clients} client{'s' * (clients > 1)}", served, scored)


def main() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for part in (against_a_server, in_process):
        with tempfile.TemporaryDirectory() as name:
            part(Path(name))


if __name__ == "__main__":
    main()
