"""What the hub has part in: benchmarks at their pinned revisions, gated data sets, uploads. The
hub here is on loopback.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlkd_cli.benchmarks import BENCHMARKS
from tests.servers.hub import Hub

MATH = {"problem": "What is 3 + 4?", "solution": "7", "answer": "7"}
# name -> its files, with the columns that it has on the hub
PUBLISHED = {
    "aime24": {"train.jsonl": json.dumps({"id": 60, **MATH, "url": "u", "year": "2024"})},
    "aime25": {"test.jsonl": json.dumps({"problem": MATH["problem"], "answer": "7", "id": "0"})},
    "math500": {
        "test.jsonl": json.dumps(
            {**MATH, "subject": "Algebra", "level": 1, "unique_id": "test/algebra/1.json"}
        )
    },
    "gpqa-diamond": {
        "README.md": (
            "---\nconfigs:\n- config_name: gpqa_diamond\n  data_files: gpqa_diamond.csv\n---\n"
        ),
        "gpqa_diamond.csv": (
            "Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect "
            "Answer 3\nWhat is 3 + 4?,7,1,2,3\n"
        ),
    },
    "gsm8k": {
        "README.md": (
            "---\nconfigs:\n- config_name: main\n  data_files:\n  - split: test\n    "
            "path: main.jsonl\n---\n"
        ),
        "main.jsonl": json.dumps({"question": MATH["problem"], "answer": "3 + 4 = 7\n#### 7"}),
    },
}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as running:
        for name, files in PUBLISHED.items():
            repository, revision = re.fullmatch(
                r"hf://([^/]+/[^/@]+)[^@]*@([0-9a-f]{40}):.+", BENCHMARKS[name].source
            ).groups()
            running.files[repository, revision] = files
        yield running


def online(hub: Hub, home: Path, code: str) -> subprocess.CompletedProcess:
    """Runs Python with `rlkd(*words)` in a process of its own: the libraries read the hub's
    address when they are imported.
    """
    start = (
        "import sys; from rlkd_cli.cli import main\ndef rlkd(*words): "
        "sys.stderr.write(f'status {main(words)}\\n')\n"
    )
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "HF_TOKEN": "x",
    }
    command = [sys.executable, "-c", start + code]
    return subprocess.run(
        command, env=environment, cwd=home, capture_output=True, text=True, timeout=240
    )


def test_benchmarks_come_from_the_hub_at_their_pinned_revisions(hub, tmp_path) -> None:
    done = online(
        hub,
        tmp_path,
        f"for name in {list(PUBLISHED)}: rlkd('eval', '--bench', name, '--show-prompt')",
    )
    assert done.stderr.count("status 0") == 5 and done.stderr.count("What is 3 + 4?") == 5, (
        done.stderr
    )
    assert done.stdout == "" and "(D) " in done.stderr


def test_a_gated_benchmark_says_how_to_get_access(hub, tmp_path) -> None:
    hub.gated.add("Idavidrein/gpqa")
    done = online(hub, tmp_path, "rlkd('eval', '--bench', 'gpqa-diamond', '--show-prompt')")
    assert (
        "status 2" in done.stderr
        and "https://huggingface.co/datasets/Idavidrein/gpqa" in done.stderr
    ), done.stderr


def test_a_revision_that_is_not_there_is_an_error(hub, tmp_path) -> None:
    done = online(
        hub, tmp_path, "rlkd('eval', '--bench', 'hf://openai/gsm8k/main@v9:test', '--show-prompt')"
    )
    assert (
        "status 2" in done.stderr
        and "openai/gsm8k" in done.stderr
        and "Traceback" not in done.stderr
    ), done.stderr


def test_a_model_folder_is_uploaded_without_its_checkpoints(hub, tmp_path) -> None:
    (tmp_path / "model/checkpoint-1").mkdir(parents=True)
    for name in ("config.json", "checkpoint-1/config.json"):
        (tmp_path / "model" / name).write_text("{}")
    code = (
        "from pathlib import Path; from rlkd_cli.training.run_folder import push; "
        "print(push(Path('model'), 'me/gsrm'))"
    )
    done = online(hub, tmp_path, code)
    assert hub.uploaded == {"me/gsrm": ["config.json"]} and hub.url in done.stdout, done.stderr
