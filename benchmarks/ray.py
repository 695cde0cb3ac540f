"""`--launch ray` against one process with the same concurrency in all: wall time, and the memory of
the process that starts the tasks; what a slice costs before its first request, and the merge after
the last.

python benchmarks/ray.py [--records 20000] [--rounds 3]

A server of fixed latency answers both. The start of Ray and of its tasks is what a run of two
records takes, and is taken off.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil
from segment import write
from server import serve

LATENCY, TASKS, EACH = 0.02, 2, 8


def command(*words: object) -> tuple[float, float]:
    """(wall seconds, most MiB that its own process held) of one `rlkd` command."""
    started, most = time.perf_counter(), 0
    process = psutil.Popen(
        [sys.executable, "-m", "rlkd_cli", *map(str, words)], stderr=subprocess.PIPE
    )
    while process.poll() is None:
        try:
            most = max(most, process.memory_info().rss)
        except psutil.Error:
            break
        time.sleep(0.05)
    assert process.wait() == 0, process.stderr.read().decode()
    return time.perf_counter() - started, most / 2**20


def run(folder: Path, url: str, records: int, tasks: int) -> tuple[float, float]:
    """`segment` of so many records by so many tasks (0: in one process); removes what it wrote."""
    source = folder / f"{records}.jsonl"
    if not source.exists():
        write(source, records)
    out = folder / "out.jsonl"
    more = ["--launch", "ray", "--num-processes", tasks] if tasks else []
    words = ["segment", source, "--model", url, "--no-verify", "-o", out, "-q", *more]
    found = command(*words, "--concurrency", EACH if tasks else TASKS * EACH)
    assert json.loads(out.with_name("out.jsonl.run.json").read_text())["records"] == records
    for file in folder.glob("out.jsonl*"):
        file.unlink()
    return found


def parts(folder: Path, url: str, records: int, count: int = 4) -> None:
    """What reading the input costs every slice, and what putting the parts together costs."""
    source, out = write(folder / "parts.jsonl", records), folder / "parts.out.jsonl"
    words = ["segment", source, "--model", url, "--no-verify", "-q"]
    start = command(*words, "--dry-run", "--limit", 1)[0]
    read = command(*words, "--dry-run")[0] - start
    for index in range(1, count + 1):
        command(*words, "-o", out, "--shard", f"{index}/{count}", "--concurrency", 256)
    journals = sum(file.stat().st_size for file in folder.glob("parts.out.jsonl.shards/*"))
    merge, most = command("merge", out, "-q")
    merge -= command("merge", out, "-q")[0]  # finished: the start alone
    print(f"{records} records of {source.stat().st_size / records / 1000:.1f} kB, {count} slices")
    print(f"reading the input, which each slice does   {1e6 * read / records:4.0f} µs a record")
    print(
        f"rlkd merge                                 {1e6 * merge / records:4.0f} µs a record, "
        f"{most:.0f} MiB; journals {journals / 2**20:.0f} MiB, file "
        f"{out.stat().st_size / 2**20:.0f} MiB"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, serve(LATENCY, 100_000) as url:
        folder = Path(name)
        rows = []
        for _ in range(options.rounds):
            start_one, start_ray = (run(folder, url, 2, tasks)[0] for tasks in (0, TASKS))
            one, ray = (run(folder, url, options.records, tasks) for tasks in (0, TASKS))
            rows.append((one[0] - start_one, ray[0] - start_ray, start_ray, one[1], ray[1]))
        one_s, ray_s, start_s, one_mib, ray_mib = (
            median(column) for column in zip(*rows, strict=True)
        )
        few = run(folder, url, options.records // 4, TASKS)[1]
    ideal = options.records * LATENCY / TASKS / EACH
    print(
        f"{options.records} records of {LATENCY * 1000:.0f} ms, {TASKS * EACH} at a time "
        f"(ideal {ideal:.1f} s); medians of {options.rounds} rounds"
    )
    print(f"one process   {one_s:6.1f} s   {one_mib:4.0f} MiB")
    print(
        f"{TASKS} Ray tasks   {ray_s:6.1f} s   {ray_mib:4.0f} MiB in the process that starts them, "
        f"{few:.0f} with {options.records // 4} records; after a start of {start_s:.1f} s"
    )
    print(f"ratio {ray_s / one_s:.3f}")
    with tempfile.TemporaryDirectory() as name, serve(0, 100_000) as url:
        parts(Path(name), url, options.records)
