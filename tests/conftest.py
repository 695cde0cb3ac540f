"""What tests share. They call `main(argv)`, as the console script does, and use real parts:

servers on loopback and a tiny model.
"""

import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

os.environ.update(
    HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false", COLUMNS="200"
)
os.environ.update(
    VLLM_NO_USAGE_STATS="1", VLLM_CPU_KVCACHE_SPACE="1", VLLM_ENABLE_V1_MULTIPROCESSING="0"
)
os.environ.update(TORCH_COMPILE_DISABLE="1", VLLM_LOGGING_LEVEL="ERROR")
# Cases collected elsewhere, which the project does not ship: without them their tests are skipped
COLLECTED = Path(os.environ.get("RLKD_TEST_CASES", "no-cases"))
# A folder of SmolLM2-135M-Instruct in transformers' format
SMOLLM2 = Path(os.environ.get("RLKD_TEST_SMOLLM2", "no-model")).absolute()
for name in [name for name in os.environ if name.startswith("RLKD_") or name.endswith("_API_KEY")]:
    del os.environ[name]

# A shell's background process ignores SIGINT, and so would every process that a test starts and
# interrupts
signal.signal(signal.SIGINT, signal.default_int_handler)

from rlkd_cli.cli import main  # noqa: E402  # after the environment is set
from rlkd_cli.models import Reply, Sampling, user  # noqa: E402
from rlkd_cli.reward.grading.grader import Grader  # noqa: E402
from tests.servers.scripted import ScriptedServer  # noqa: E402

ROOT = Path(__file__).parents[1]
BASE = ROOT / "examples/tiny/base"
PROBLEM = "eggs = 3. cups = eggs + 4. gems = cups + 1. hats = 2. What is gems?"


@dataclass
class Result:
    """What a command did: exit status, standard output, standard error."""

    status: int
    out: str
    err: str

    @property
    def records(self) -> list[dict]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def rlkd(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Result]:
    """Runs `rlkd ARGS` in a temporary folder, with `stdin` as standard input."""
    monkeypatch.chdir(tmp_path)

    def call(*args: object, stdin: str = "") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        status = main([str(arg) for arg in args])
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err)

    return call


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture(scope="session")
def base() -> str:
    return str(BASE)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few problems, teacher's paths and segmentations of the toy problem in examples/tiny."""
    folder = tmp_path_factory.mktemp("world")
    counts = ["--train", "16", "--test", "4", "--gsrm", "32"]
    subprocess.run(
        [sys.executable, ROOT / "examples/tiny/world.py", "--out", folder, *counts], check=True
    )
    return folder


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    grader = Grader(workers=1)
    yield grader
    asyncio.run(grader.close())


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Waits for something that another process does; fails where it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(0.005)


def answers(port: int, server: subprocess.Popen) -> bool:
    """Whether a server that is starting is ready."""
    assert server.poll() is None, "the server ended before it was ready"
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=2).close()
    except (urllib.error.URLError, OSError):
        return False
    return True


@pytest.fixture(scope="session")
def vllm_url(base: str) -> Iterator[str]:
    """vLLM's own server on CPU, with the tiny base model under the name `tiny`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", base]
    command += ["--served-model-name", "tiny", "--dtype", "float32", "--enforce-eager"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_until(lambda: answers(port, server), 180)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def write(path: Path, records: list[dict]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def replies(model: Any, *requests: tuple[str, Sampling]) -> list[Reply]:
    """What a model says to (text, sampling) pairs that it is asked together."""

    async def go() -> list[Reply]:
        asked = (model.reply(user(text), sampling) for text, sampling in requests)
        return await asyncio.gather(*asked)

    return asyncio.run(go())


def step(text: str, answer: str = "1") -> dict:
    return {
        "meta_reasoning": f"Choose {text}.",
        "sub_problem": f"What is {text}?",
        "answer": answer,
    }


def segmentation(identity: object, *steps: dict, **more: object) -> dict:
    return {"id": identity, "problem": "p", "path": "x", "steps": list(steps), **more}


def outcomes(rights: dict[str, list[int]]) -> list[dict]:
    """Graded paths by question: each right or wrong, the wrong answers all different."""
    return [
        {"id": name, "sample": i, "correct": bool(right), "prediction": "7" if right else str(i)}
        for name, row in rights.items()
        for i, right in enumerate(row)
    ]
