"""`rlkd segment` with a server of fixed latency: distance from the ideal time, CPU and memory.

python benchmarks/segment.py [--records 1280] [--lines 1000000]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from server import serve


def command(*words: object) -> tuple[float, float, int]:
    """(wall seconds, CPU seconds, peak memory in MiB) of one `rlkd` command."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "rlkd_cli", *map(str, words)], stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, words
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def write(file: Path, records: int) -> Path:
    with file.open("w") as out:
        for i in range(records):
            out.write(
                json.dumps(
                    {"id": i, "problem": f"problem {i}", "path": f"path {i} " + "word " * 200}
                )
                + "\n"
            )
    return file


def ideal(folder: Path, records: int) -> None:
    latency, places = 0.2, 64
    source = write(folder / "ideal.jsonl", records)
    few = write(folder / "few.jsonl", 16)
    with serve(latency, places) as url:
        start = command(
            "segment",
            few,
            "--model",
            url,
            "--verifier",
            url,
            "--limit",
            0,
            "-o",
            folder / "none.jsonl",
        )[0]
        wall = command(
            "segment",
            source,
            "--model",
            url,
            "--verifier",
            url,
            "-o",
            folder / "out.jsonl",
            "--concurrency",
            2 * places,
        )[0]
        one = command(
            "segment",
            few,
            "--model",
            url,
            "--verifier",
            url,
            "-o",
            folder / "few.out",
            "--concurrency",
            1,
        )[0]
    requests = 2 * records
    best, serial = requests * latency / places, (one - start) * records / 16
    print(
        f"1. {records} records with verifier, {requests} requests of {latency * 1000:.0f} ms, "
        f"{places} at a time; 128 in flight"
    )
    print(
        f"   ideal {best:.2f} s | rlkd {wall - start:.2f} s after a start of {start:.2f} s: "
        f"{(wall - start) / best:.3f} of the ideal"
    )
    print(
        f"   one after the other (from 16 records) {serial:.0f} s: "
        f"rlkd is {serial / (wall - start):.1f} times as fast"
    )


def overhead(folder: Path, records: int = 10_000) -> None:
    source = write(folder / "overhead.jsonl", records)
    with serve(0.02, 100_000) as url:
        start = command(
            "segment",
            source,
            "--model",
            url,
            "--no-verify",
            "--limit",
            0,
            "-o",
            folder / "none2.jsonl",
        )
        wall, cpu, memory = command(
            "segment",
            source,
            "--model",
            url,
            "--no-verify",
            "-o",
            folder / "o.jsonl",
            "--concurrency",
            2000,
        )
    print(
        f"2. {records} requests of 20 ms, 2,000 in flight: "
        f"{1000 * (cpu - start[1]) / records:.2f} ms of CPU a request"
    )
    print(f"   {records / (wall - start[0]):.0f} requests/s, peak memory {memory} MiB")


def memory(folder: Path, lines: int) -> None:
    """A long input through `replay` with one reply for all: memory should hardly grow with it."""
    record = {"problem": "p", "path": "the same path", "domain": "math"}
    replies = folder / "replies.jsonl"
    one = folder / "one.jsonl"
    one.write_text(json.dumps({"id": 0, **record}) + "\n")
    with serve(0, 1) as url:
        command(
            "segment",
            one,
            "--model",
            url,
            "--no-verify",
            "--record",
            replies,
            "-o",
            folder / "one.out",
        )
    print("3. lines through replay to a file: time and peak memory")
    for count in (lines // 10, lines):
        source = folder / f"{count}.jsonl"
        with source.open("w") as out:
            for i in range(count):
                out.write(json.dumps({"id": i, **record}) + "\n")
        wall, _, peak = command(
            "segment",
            source,
            "--model",
            f"replay/{replies}",
            "--no-verify",
            "-o",
            folder / f"{count}.out",
        )
        print(
            f"   {count:,} lines: {wall:.0f} s, {1e6 * wall / count:.0f} µs a line, peak {peak} MiB"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=1280)
    parser.add_argument("--lines", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        ideal(Path(name), options.records)
        overhead(Path(name))
        memory(Path(name), options.lines)
