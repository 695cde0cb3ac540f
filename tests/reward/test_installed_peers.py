"""The code of other trainers, where it is installed, with the reward as their users name it.

TRL is always here: see tests/training/test_peers.py. verl and verifiers ask for other versions of
what this project uses, so these tests run in an environment that has them.
"""

import asyncio
from types import SimpleNamespace

import pytest

from rlkd_cli.reward import peers
from tests.reward.peers import PROBLEMS, path, script, teacher_file
from tests.servers.scripted import Response


@pytest.fixture(autouse=True)
def configured(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    server.script = script()
    own = {"TEACHER": teacher_file(), "GSRM": server.url, "JUDGE": server.url, "DEADLINE": 1}
    for name, value in {**own, "STRUCTURE_WEIGHT": 1, "OUTCOME_WEIGHT": 1}.items():
        monkeypatch.setenv(f"RLKD_REWARD_{name}", str(value))
    yield
    peers.close()


def perhaps(request: dict, number: int) -> Response:
    """A judge that does not answer yes or no."""
    is_judge = "yes or no" in request["messages"][0]["content"]
    return Response("perhaps") if is_judge else script()(request, number)


def test_a_task_of_verifiers_is_scored_by_it(server) -> None:
    vf = pytest.importorskip("verifiers.v1", reason="verifiers is not installed")
    graph, traces = (pytest.importorskip(f"verifiers.v1.{name}") for name in ("graph", "trace"))
    types = pytest.importorskip("verifiers.v1.types")
    configs = pytest.importorskip("verifiers.v1.configs.task")

    plugged = configs.RewardFunctionConfig(fn="rlkd_cli.reward.verifiers:structured")
    data = vf.TaskData(id="case-1", prompt=PROBLEMS[1])
    task = vf.Task(data, configs.TaskConfig(rewards={"structured": plugged}))

    def trace(thinking: str):
        said = types.AssistantMessage(content="\\boxed{7}", reasoning_content=thinking)
        asked = graph.MessageNode(message=types.UserMessage(content=PROBLEMS[1]))
        nodes = [asked, graph.MessageNode(parent=0, sampled=True, message=said)]
        about = {"task": traces.TraceTask(type="Task", data=data), "nodes": nodes}
        empty = {"rewards": {}, "metrics": {}, "root_reply": None, "errors": []}
        return traces.Trace.model_construct(**about, **empty)

    scored = trace("[aa bb]")
    asyncio.run(task.score(scored))
    assert scored.reward == 3.0 and scored.metrics["structured_reward"] == 2.0
    server.script = perhaps
    missing = trace("[dd]")
    with pytest.raises(Exception, match="judge_failed"):
        asyncio.run(task.score(missing))
    assert missing.rewards == {"structured": None}


def test_verls_manager_scores_by_it(server) -> None:
    manager = pytest.importorskip(
        "verl.experimental.reward_loop.reward_manager.naive", reason="verl is not installed"
    )
    import numpy as np
    import torch
    from omegaconf import OmegaConf
    from verl import DataProto
    from verl.trainer.ppo.reward import get_custom_reward_fn

    named = {"path": "pkg://rlkd_cli.reward.verl", "name": "compute_score"}
    config = OmegaConf.create({"reward": {"custom_reward_function": named}})
    ids = torch.tensor([list(path(1, "aa bb").encode())])
    ones = torch.ones(1, 3 + ids.shape[1], dtype=torch.long)
    row = {"data_source": "rlkd", "extra_info": {"id": "case-1"}}
    row |= {"reward_model": {"ground_truth": "7"}}
    data = DataProto.from_dict(
        tensors={"prompts": ones[:, :3], "responses": ids, "attention_mask": ones},
        non_tensors={name: np.array([value], dtype=object) for name, value in row.items()},
    )
    tokenizer = SimpleNamespace(decode=lambda ids, **more: bytes(map(int, ids)).decode())

    async def score() -> dict:
        scorer = manager.NaiveRewardManager(config, tokenizer, get_custom_reward_fn(config))
        return await scorer.run_single(data)

    scored = {"score": 3.0, "structured": 2.0, "outcome": 1.0}
    assert asyncio.run(score()) == {"reward_score": 3.0, "reward_extra_info": scored}
