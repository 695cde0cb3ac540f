"""For gpu.sh: `peak.py FILE ARGS…` runs `python ARGS` and notes the most memory that one device
held.

`peak.py --row NAME STATUS FOLDER FILE` prints a row of the table, `peak.py --table PAGE ROWS` puts
them into a page. Memory of a device is asked of `nvidia-smi` twice a second, the process's own
elsewhere.
"""

import json
import subprocess
import sys
import threading
from pathlib import Path

import psutil


def held() -> float:
    """GiB that the fullest device holds; without one, this process and its children."""
    try:
        ask = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        found = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.split()
        return max(map(float, found)) / 1024
    except (OSError, subprocess.CalledProcessError):
        me = psutil.Process()
        sizes = []
        for process in me.children(recursive=True):
            try:
                sizes.append(process.memory_info().rss)
            except psutil.Error:
                continue
        return sum(sizes) / 2**30


def run(file: Path, words: list[str]) -> int:
    """The command's exit status; its peak goes into the file."""
    peak, done = 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.5):
            peak = max(peak, held())

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = subprocess.run([sys.executable, *words]).returncode
    done.set()
    watcher.join()
    file.write_text(f"{peak:.2f}")
    return status


def row(name: str, status: str, folder: Path, file: Path) -> str:
    """One training as a row; the first step, which warms up, is left out of the means."""
    log = folder / "metrics.jsonl"
    lines = log.read_text("utf-8").splitlines() if log.exists() else []
    steps = [entry for entry in map(json.loads, lines) if "loss" in entry][1:]
    times = [
        sum(entry.get(part, 0.0) for entry in steps) / len(steps) if steps else float("nan")
        for part in ("seconds_step", "seconds_generation")
    ]
    whole = [entry for entry in map(json.loads, lines) if "train_runtime" in entry]
    if not times[0] and whole:  # no parts are timed where nothing is generated
        times[0] = whole[-1]["train_runtime"] / whole[-1]["of"]
    cells = [f"{value:.2f}" if value else "-" for value in times]
    peak = file.read_text() if file.exists() else "-"
    return f"| {name} | {status} | {cells[0]} | {cells[1]} | {peak} |"


def put(page: Path, rows: str) -> None:
    """Replaces what stands between the two marks of the page."""
    text = page.read_text("utf-8")
    before, start, rest = text.partition("<!-- gpu -->")
    _, end, after = rest.partition("<!-- /gpu -->")
    assert start and end, f"{page}: no marks"
    page.write_text(f"{before}{start}\n{rows.strip()}\n{end}{after}", "utf-8")


if __name__ == "__main__":
    first, *rest = sys.argv[1:]
    if first == "--row":
        print(row(rest[0], rest[1], Path(rest[2]), Path(rest[3])))
    elif first == "--table":
        put(Path(rest[0]), Path(rest[1]).read_text("utf-8"))
    else:
        sys.exit(run(Path(first), rest))
