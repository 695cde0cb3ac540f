"""The reward in the forms that other trainers call, configured as they can configure it."""

import asyncio
import json
import math
import os
import pickle
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from rlkd_cli.errors import MissingReward, UsageError
from rlkd_cli.reward import (
    areal,
    easyr1,
    ms_swift,
    openrlhf,
    peers,
    slime,
    trl,
    verifiers,
    verl,
)
from rlkd_cli.reward.rewarding import Rewarding
from rlkd_cli.reward.texts import completion_text
from tests.conftest import ROOT
from tests.reward.peers import PROBLEMS, TEACHER, hang, path, script, teacher_file
from tests.servers.scripted import Response

TEXT, WRONG = path(1, "aa bb"), path(1, "zz", "8")  # worth 3 and 0
LABEL = '{"id": "case-1"}'
USER = [{"role": "user", "content": PROBLEMS[1]}]


@pytest.fixture(autouse=True)
def configured(server, tmp_path, monkeypatch):
    """The environment of a trainer that has the reward; what it opened is closed."""
    monkeypatch.chdir(tmp_path)
    server.script = script()
    own = {"TEACHER": teacher_file(), "GSRM": server.url, "JUDGE": server.url, "MAX_RETRIES": 0}
    own |= {"STRUCTURE_WEIGHT": 1, "OUTCOME_WEIGHT": 1, "DEADLINE": 5}
    for name, value in own.items():
        monkeypatch.setenv(f"RLKD_REWARD_{name}", str(value))
    yield
    peers.close()


def fails(server) -> None:
    """The judge answers nothing that can be read, which is not waited for."""
    peers.close()
    os.environ["RLKD_REWARD_DEADLINE"] = "3"
    server.script = lambda request, number: (
        Response("perhaps") if "yes or no" in str(request) else script()(request, number)
    )


def test_trl_is_given_None_where_a_reward_is_missing(server) -> None:
    logged: dict[str, float] = {}
    words = {"trainer_state": None, "log_metric": logged.__setitem__, "completion_ids": [[1]] * 3}
    by_id = {"completions": [TEXT, WRONG, TEXT], "id": ["case-1", "case-1", "no-such"]}
    prompts = [PROBLEMS[1], PROBLEMS[1], "unknown"]
    assert asyncio.run(trl.structured(prompts=prompts, **by_id, **words)) == [3.0, 0.0, None]
    assert logged == {
        "structured_reward": 1.0,
        "outcome_reward": 0.5,
        "reward_failures": pytest.approx(1 / 3),
    }
    chat = [[{"role": "assistant", "content": "\\boxed{7}", "reasoning_content": "[aa bb]"}]]
    assert asyncio.run(trl.structured(completions=chat, prompts=[USER], **words)) == [3.0]
    assert pickle.loads(pickle.dumps(trl.structured)) is trl.structured
    fails(server)
    own = {"completions": [TEXT, path(1, "")], "prompts": [PROBLEMS[1]] * 2}
    assert asyncio.run(trl.structured(**own, **words)) == [None, 1.0]


def test_end_tokens_are_left_out_of_long_texts_too() -> None:
    long = "a" + "\n" * 300_000 + "b"  # minutes, were it not linear
    assert completion_text(f"{long}<|im_end|>\n <pad><pad> ") == long
    assert completion_text(f"{long} ") == f"{long} "


def test_thinking_that_a_message_keeps_apart_is_of_the_path() -> None:
    whole = "<think>\ntwo and two\n</think>\n\n4"
    beside = {"role": "assistant", "content": "4", "reasoning_details": [{"text": "two and two"}]}
    parts = [{"type": "thinking", "thinking": "two and two"}, {"type": "text", "text": "4"}]
    inside = {"role": "assistant", "content": parts}
    assert completion_text([beside]) == completion_text([inside]) == whole


def test_only_what_the_model_wrote_earns_a_reward(server) -> None:
    import numpy as np

    told = [
        {"role": "assistant", "content": "[aa bb]"},
        {"role": "user", "content": "It is \\boxed{7}"},
        {"role": "tool", "content": "\\boxed{7}"},
    ]
    assert asyncio.run(trl.structured(completions=[], prompts=[])) == []
    ids = {"completions": [TEXT], "id": np.array(["case-1"]), "log_metric": None}
    assert asyncio.run(trl.structured(**ids)) == [3.0]
    own = {"completions": [told, None], "prompts": [USER] * 2}
    assert asyncio.run(trl.structured(**own)) == [2.0, None]
    assert asyncio.run(verifiers.rubric(told, prompt=USER)) == 2.0
    trace = Trace("[aa bb]")
    trace.assistant_messages.append({"role": "assistant", "content": "\\boxed{7}"})
    task = SimpleNamespace(id="case-1", prompt="any")
    both = [told[0], {"role": "assistant", "content": "\\boxed{7}"}]
    assert asyncio.run(verifiers.structured(task, trace)) == 3.0
    assert asyncio.run(verifiers.rubric(both, prompt=USER)) == 3.0


def test_a_batch_without_any_teacher_ends_trl(server) -> None:
    with pytest.raises(MissingReward, match="no_teacher"):
        asyncio.run(trl.structured(completions=[TEXT], prompts=["unknown"]))


def test_verl_is_given_a_score_and_its_parts_or_an_exception(server) -> None:
    call = {"data_source": "rlkd", "solution_str": TEXT, "ground_truth": "7"}
    scored = {"score": 3.0, "structured": 2.0, "outcome": 1.0}
    for named in ({"id": "case-1"}, {"problem": PROBLEMS[1]}, {"question": PROBLEMS[1]}):
        info = {**named, "num_turns": None, "rollout_reward_scores": {}}
        assert asyncio.run(verl.compute_score(**call, extra_info=info)) == scored
    by_label = {**call, "ground_truth": LABEL, "reward_router_address": "x"}
    assert asyncio.run(verl.compute_score(**by_label)) == scored
    assert asyncio.run(verl.compute_score(**by_label, extra_info={"label": None})) == scored
    fails(server)
    with pytest.raises(MissingReward, match="judge_failed"):
        asyncio.run(verl.compute_score(**{**call, "ground_truth": LABEL}))


def test_openrlhf_is_given_its_three_lists_or_an_exception(server) -> None:
    queries = [f"<|user|>{p}<|assistant|>{TEXT}<|im_end|>" for p in PROBLEMS[1:3]]
    prompts = [f"<|user|>{p}<|assistant|>" for p in PROBLEMS[1:3]]
    labels = [LABEL, json.dumps({"id": "case-2", "answer": "7"})]
    assert openrlhf.reward_func(queries, prompts, labels) == {
        "rewards": [3.0, 3.0],
        "scores": [3.0, 3.0],
        "extra_logs": {"structured": [2.0, 2.0], "outcome": [1.0, 1.0]},
    }
    fails(server)
    with pytest.raises(MissingReward, match="judge_failed"):
        openrlhf.reward_func(queries[:1], prompts[:1], labels[:1])


def test_slime_is_given_a_number_or_a_list_or_an_exception(server) -> None:
    def sample(text: str = TEXT, label: object = LABEL, **about: object) -> SimpleNamespace:
        return SimpleNamespace(prompt="<chat>", response=text, label=label, metadata=about)

    args = SimpleNamespace(rm_url=None)
    assert asyncio.run(slime.structured(args, sample(f"{TEXT}<|im_end|>"))) == 3.0
    assert asyncio.run(slime.structured(args, sample(label="7", id="case-1"))) == 3.0
    assert asyncio.run(slime.structured(args, [sample(), sample(WRONG)])) == [3.0, 0.0]
    fails(server)
    with pytest.raises(MissingReward, match="judge_failed"):
        asyncio.run(slime.structured(args, sample()))


def test_ms_swift_is_given_numbers_or_an_exception(server) -> None:
    reward = ms_swift.Structured(args=SimpleNamespace())
    messages = [[*USER, {"role": "assistant", "content": "…"}]] * 2
    words = {"messages": messages, "trainer_state": None}
    assert asyncio.run(reward([TEXT, WRONG], **words)) == [3.0, 0.0]
    assert asyncio.run(reward([TEXT], id=["case-1"])) == [3.0]
    fails(server)
    with pytest.raises(MissingReward, match="judge_failed"):
        asyncio.run(reward([TEXT], **words))


class Trace:
    """What a task of verifiers 0.4 is scored by, as far as a reward reads it."""

    def __init__(self, text: str) -> None:
        self.assistant_messages = [SimpleNamespace(model_dump=lambda: {"content": text})]
        self.metrics: dict[str, float] = {}

    def record_metric(self, name: str, value: float) -> None:
        self.metrics[name] = value


def test_verifiers_is_given_a_number_or_an_exception_that_its_rubric_does_not_swallow(
    server,
) -> None:
    trace = Trace(TEXT)
    task = SimpleNamespace(id="case-1", prompt="any")
    assert asyncio.run(verifiers.structured(task, trace)) == 3.0
    assert trace.metrics == {"structured_reward": 2.0, "outcome_reward": 1.0}
    unnamed = SimpleNamespace(id=None, prompt=USER)
    assert asyncio.run(verifiers.structured(unnamed, Trace(WRONG))) == 0.0
    completion = [{"role": "assistant", "content": TEXT}]
    words = {"completion": completion, "prompt": USER, "answer": "7", "state": {}, "task": "x"}
    assert asyncio.run(verifiers.rubric(**words)) == 3.0
    assert asyncio.run(verifiers.rubric(completion, info={"id": "case-1"})) == 3.0
    fails(server)
    with pytest.raises(MissingReward, match="judge_failed"):
        asyncio.run(verifiers.structured(task, Trace(TEXT)))
    with pytest.raises(verifiers.NoReward, match="judge_failed"):
        asyncio.run(verifiers.rubric(**words))
    assert not issubclass(verifiers.NoReward, Exception)


def test_easyr1_is_given_an_overall_for_one_and_for_many_or_an_exception(server) -> None:
    def one(text: str) -> dict:
        return {"response": text, "response_length": 9, "ground_truth": LABEL}

    right = {"overall": 3.0, "structured": 2.0, "outcome": 1.0}
    wrong = {"overall": 0.0, "structured": 0.0, "outcome": 0.0}
    assert easyr1.compute_score([one(TEXT), one(WRONG)]) == [right, wrong]
    assert easyr1.compute_score(one(TEXT)) == right
    fails(server)
    with pytest.raises(MissingReward, match="judge_failed"):
        easyr1.compute_score([one(TEXT)])


def test_areal_is_given_a_number_in_its_worker_processes_or_an_exception_before_its_time(
    server,
) -> None:
    data = {"messages": USER, "answer": "7", "task_id": 3}
    with ProcessPoolExecutor(1) as pool:  # as AReaL runs it
        words = ("<chat>", f"{TEXT}<|im_end|>", [1], [2])
        assert pool.submit(areal.structured, *words, **data).result(60) == 3.0
    assert areal.structured(PROBLEMS[1], TEXT, [1], [2]) == 3.0
    assert areal.DEADLINE < 15 and slime.DEADLINE < 120 and openrlhf.DEADLINE < 180
    fails(server)
    server.script = hang
    with pytest.raises(MissingReward, match="deadline"):
        areal.structured("<chat>", TEXT, [1], [2], **data)


def test_a_record_without_an_answer_has_no_outcome_and_nan_for_it(server, monkeypatch) -> None:
    rows = [{k: v for k, v in row.items() if k != "answer"} for row in TEACHER]
    Path("teacher.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    scored = asyncio.run(verl.compute_score("x", TEXT, LABEL))
    assert scored["score"] == 2.0 and math.isnan(scored["outcome"])


def test_options_come_from_the_environment_and_the_file(monkeypatch) -> None:
    table = '[reward]\nteacher = "t.jsonl"\njudge = "exact"\nverdict-cache = "v.db"\n'
    Path("rlkd.toml").write_text(f"{table}deadline = 7\nmap = ['problem=question']\n")
    own = {"RLKD_REWARD_DEADLINE": "9.5", "RLKD_REWARD_GSRM_INSTRUCT": "true"}
    found = Rewarding.of(**peers.options_of(own))
    assert (found.teacher, found.judge, found.deadline) == ("t.jsonl", "exact", 9.5)
    assert (found.map, found.gsrm_instruct) == (["problem=question"], True)
    assert found.verdict_cache == Path("v.db") and found.gsrm_max_tokens == 4096
    columns = {"RLKD_REWARD_MAP": "problem=question answer=gold"}
    several = Rewarding.of(**peers.options_of(columns)).map
    assert several == ["problem=question", "answer=gold"]
    Path("other.toml").write_text('[reward]\nteacher = "o.jsonl"\n')
    assert peers.options_of({"RLKD_REWARD_CONFIG": "other.toml"}) == {"teacher": "o.jsonl"}
    with pytest.raises(UsageError, match="deadline: 'soon': Input should be a valid number"):
        Rewarding.of(**peers.options_of({"RLKD_REWARD_DEADLINE": "soon"}))
    with pytest.raises(UsageError, match=r"RLKD_REWARD_DEADLIN: .*nearest: RLKD_REWARD_DEADLINE"):
        peers.options_of({"RLKD_REWARD_DEADLIN": "5"})
    assert peers.options_of({"RLKD_REWARD_DEADLINE": ""})["deadline"] == 7
    Path("other.toml").write_text("[reward]\noutcome-weight = 1\noutcome_weight = 2\n")
    with pytest.raises(UsageError, match="outcome-weight in two spellings"):
        peers.options_of({"RLKD_REWARD_CONFIG": "other.toml"})
    Path("other.toml").write_text("reward = 3\n")
    with pytest.raises(UsageError, match="a table is needed"):
        peers.options_of({"RLKD_REWARD_CONFIG": "other.toml"})
    Path("rlkd.toml").unlink()
    with pytest.raises(UsageError, match="set RLKD_REWARD_TEACHER"):
        peers.options_of({})
    with pytest.raises(UsageError, match="none"):
        peers.options_of({"RLKD_REWARD_CONFIG": "none.toml"})


def test_the_table_of_the_reward_does_not_disturb_the_commands(rlkd) -> None:
    Path("rlkd.toml").write_text('[reward]\nteacher = "t.jsonl"\n')
    assert rlkd("score", "teacher.jsonl", "teacher.jsonl", "--judge", "exact", "-q").status == 0


@pytest.mark.parametrize(
    "script", sorted((ROOT / "examples/peers").glob("*.sh")), ids=lambda p: p.stem
)
def test_what_the_pages_name_is_there(script: Path) -> None:
    text = script.read_text("utf-8")
    subprocess.run(["bash", "-n", script], check=True)
    for module, name in re.findall(r"rlkd_cli\.reward\.(\w+)\.(structured|compute_score)", text):
        assert callable(getattr(__import__(f"rlkd_cli.reward.{module}", fromlist=[name]), name))
    for module in re.findall(r"(?:pkg://|import )rlkd_cli\.reward\.(\w+)", text):
        assert (ROOT / f"rlkd_cli/reward/{module}.py").exists()
    known = {f"RLKD_REWARD_{name.upper()}" for name in (*peers.names(), "config")}
    assert set(re.findall(r"RLKD_REWARD_[A-Z_]+", text)) <= known


def test_an_adapter_loads_no_trainer_and_nothing_heavy() -> None:
    names = ("areal", "easyr1", "ms_swift", "openrlhf", "slime", "trl", "verifiers", "verl")
    heavy = ("torch", "transformers", "trl", "verl", "vllm", "aiohttp", "sympy")
    code = "import sys; " + "; ".join(f"import rlkd_cli.reward.{name}" for name in names)
    code += f"; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
