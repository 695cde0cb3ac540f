"""What was trained is said alike by transformers and by vLLM's engine, to the same end token."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import ROOT, write
from tests.zoo.families import FAMILIES
from tests.zoo.test_trainings import FLAGS, problems, said

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(find_spec("vllm") is None, reason="no vLLM installed"),
]
LIMIT = 60
# An engine's reply and, of vLLM, the last token of the same request put to its engine by hand
ASK = f"""
import asyncio, json, sys
from dataclasses import asdict
from rlkd_cli.models import Sampling, open_model, user

async def main(name):
    model, messages = open_model(name), user("2+2?")
    reply, end = asdict(await model.reply(messages, Sampling(max_tokens={LIMIT}))), None
    if name.startswith("vllm/"):
        params = model._params(Sampling(max_tokens={LIMIT}), {LIMIT})
        prompt = {{"prompt_token_ids": model._encoder(messages)}}
        model._engine.add_request("again", prompt, params)
        while not (done := model._engine.step()):
            pass
        end = model._tokenizer.decode(done[0].outputs[0].token_ids[-1:])
    await model.close()
    print(json.dumps([reply, end]))

asyncio.run(main(sys.argv[1]))
"""


def ask(name: str) -> tuple[dict, str | None]:
    """A model's reply, from a process of its own: an engine and a training cannot share one."""
    command = [sys.executable, "-c", ASK, name]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    reply, end = json.loads(ended.stdout.splitlines()[-1])
    return reply, end


@pytest.mark.parametrize("name", ["qwen2.5-base", "r1-distill", "llama3"])
def test_a_trained_student_says_the_same_in_both_engines(rlkd, zoo, name: str) -> None:
    data, student = write(Path("t.jsonl"), problems(8)), Path("s").absolute()
    flags = ["--method", "sft", "--student", f"hf/{zoo(name)}", "--steps", 60, "--batch-size", 8]
    flags += ["--accumulation", 1, "--learning-rate", "1e-2", "--max-grad-norm", 1, *FLAGS]
    result = rlkd("distill", data, "-o", student, *flags, "--max-tokens", 50)
    assert result.status == 0, result.err
    wanted, _ = ask(f"hf/{student}")
    served, end = ask(f"vllm/{student}")
    assert served == wanted and wanted["text"] and wanted["finish_reason"] == "stop"
    assert end == said(student)[1] == FAMILIES[name].end
