"""TRL's own trainer with the structured reward, by its dotted path, on the tiny base model."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from rlkd_cli.reward import peers
from tests.conftest import BASE, ROOT, read, write
from tests.test_readme import section


def test_the_page_for_trl_runs(tmp_path) -> None:
    names = {"STEPS": "1", "BATCH": "8", "PROBLEMS": "4", "PYTHONPATH": str(ROOT)}
    names["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["bash", str(ROOT / "examples/peers/trl.sh"), str(tmp_path)]
    run = subprocess.run(command, env={**os.environ, **names}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    logged = run.stdout + run.stderr
    assert "'rewards/structured/mean'" in logged and "'reward_failures': '0'" in logged
    assert (tmp_path / "student/model.safetensors").exists()


def test_the_readmes_example_for_trl_runs(world, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("student").symlink_to(BASE)
    row = read(world / "teacher.jsonl")[0]
    asked = [{"role": "user", "content": row["problem"]}]
    write(Path("prompts.jsonl"), [{"id": row["id"], "prompt": asked}])
    own = {"TEACHER": world / "teacher.jsonl", "GSRM": f"hf/{BASE}", "GSRM_MAX_TOKENS": 96}
    for name, value in {**own, "JUDGE": "exact", "RECORD": "replies.jsonl"}.items():
        monkeypatch.setenv(f"RLKD_REWARD_{name}", str(value))
    code = re.findall(r"```python\n(.*?)```", section("Use the reward in your trainer"), re.DOTALL)
    try:
        on_cpu = code[0].replace("max_steps=100", "max_steps=2, use_cpu=True, bf16=False")
        assert on_cpu != code[0]
        exec(compile(on_cpu, "README.md", "exec"), {"__name__": "__main__"})
    finally:
        peers.close()
    state = json.loads(Path("out/checkpoint-2/trainer_state.json").read_text())
    assert state["global_step"] == 2 and read(Path("replies.jsonl"))  # the GSRM's
