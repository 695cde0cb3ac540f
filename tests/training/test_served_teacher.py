"""A teacher behind a server says of each token what its weights say in this process."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import BASE, read
from tests.servers.teacher import TeacherServer
from tests.training.test_teachers import FLAGS
from tests.training.test_trainings import weights


def check_log_probs(url: str, world: Path) -> None:
    """Compares a server with the base model in this process, on prompts and paths."""
    import torch
    from transformers import AutoModelForCausalLM

    from rlkd_cli.training.model import load_tokenizer
    from rlkd_cli.training.served_teacher import ServedTeacher

    tokenizer, served = load_tokenizer(str(BASE)), ServedTeacher(url)
    served.check(tokenizer, 128)
    records = read(world / "teacher.jsonl")[:3]
    prompts = [tokenizer(raw["problem"])["input_ids"] for raw in records]
    sequences = [a + tokenizer(r["path"])["input_ids"] for a, r in zip(prompts, records)]  # noqa: B905
    starts = [len(prompt) for prompt in prompts]
    model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32).eval()
    for ids, start, found in zip(
        sequences, starts, served.log_probs(sequences, starts), strict=True
    ):
        with torch.no_grad():
            said = torch.log_softmax(model(torch.tensor([ids])).logits[0, :-1], -1)
        expected = said.gather(1, torch.tensor(ids[1:])[:, None])[start - 1 :, 0].tolist()
        assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="no vLLM installed")
def test_vllms_server_says_what_the_weights_say(vllm_url, world) -> None:
    check_log_probs(vllm_url, world)


def test_so_does_the_server_of_the_other_tests(world) -> None:
    with TeacherServer(BASE) as server:
        check_log_probs(server.url, world)


def test_a_run_with_a_served_teacher_is_that_with_its_weights(rlkd, base, teacher, world) -> None:
    import torch

    data = world / "teacher.jsonl"
    for method, weight in (("kdrl", ["--teacher-weight", "1"]), ("rlad", [])):
        flags = ["--method", method, "--student", base, *FLAGS, *weight]
        here = [*flags, "--teacher", teacher]
        assert rlkd("distill", data, "-o", f"{method}1", *here).status == 0
        with TeacherServer(Path(teacher)) as server:
            there = rlkd("distill", data, "-o", f"{method}2", *flags, "--teacher", server.url)
        assert there.status == 0
        a, b = (weights(Path(f"{method}{n}")) for n in (1, 2))
        assert all(torch.allclose(a[key], b[key], atol=1e-4) for key in a)
    first, second = (read(Path(f"kdrl{n}/metrics.jsonl"))[0]["teacher_kl"] for n in (1, 2))
    assert first > 1e-3 and first == pytest.approx(second, abs=1e-4)


def test_a_busy_server_is_waited_for_and_one_that_stays_away_ends_the_run(world) -> None:
    from rlkd_cli.errors import ModelError
    from rlkd_cli.training.served_teacher import ServedTeacher

    told: list[str] = []
    with TeacherServer(BASE, busy=1) as server:
        patient, hasty = ServedTeacher(server.url, 60, told.append), ServedTeacher(server.url)
        assert len(patient.log_probs([[5, 6, 7]], [1])[0]) == 2
        assert len(told) == 1 and "HTTP 503" in told[0]
    with pytest.raises(ModelError, match="does not answer"):
        hasty.log_probs([[5, 6]], [1])


def test_what_a_server_cannot_do_is_said_before_training(rlkd, base, world, tmp_path) -> None:
    from transformers import AutoTokenizer

    data, flags = world / "teacher.jsonl", ["--student", base, *FLAGS]
    with TeacherServer(BASE, context=60) as server:
        served = [*flags, "--teacher", server.url]
        for more, said in (
            (["--method", "opd"], "whole distributions"),
            (["--method", "kdrl", "--temperature", "0.7"], "temperature 1"),
            (["--method", "kdrl"], "context of 60 tokens"),
        ):
            refused = rlkd("distill", data, "-o", "s", *served, *more)
            assert refused.status == 2 and said in refused.err and not Path("s").exists()
        server.tokenizer = AutoTokenizer.from_pretrained(swapped(tmp_path / "other"))
        refused = rlkd("distill", data, "-o", "s", *served, "--method", "kdrl")
        assert refused.status == 2 and "vocabulary" in refused.err


def swapped(folder: Path) -> Path:
    """The base model's tokenizer with two tokens in each other's place."""
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(BASE).save_pretrained(folder)
    file = folder / "tokenizer.json"
    whole = json.loads(file.read_text("utf-8"))
    vocabulary = whole["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    file.write_text(json.dumps(whole), "utf-8")
    return folder
