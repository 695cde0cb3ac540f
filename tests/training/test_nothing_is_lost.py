"""What cannot be learnt is said with status 2, what cannot be used is a reject, what passes is
waited for.
"""

import json
from pathlib import Path

import pytest

from tests.conftest import read, segmentation, step, write
from tests.servers.scripted import Response

PATH = "<think>\nab</think>\nSo \\boxed{4}"
SHORT = ["--steps", 1, "--batch-size", 4, "--accumulation", 1, "--max-tokens", 40]
SHORT += ["--no-gradient-checkpointing", "--prompt-template", "{problem}", "-q"]
STEPS = "[Meta-reasoning 1]: a\n[Sub-problem 1]: b\n[Answer 1]: c"


def problems(count: int, **more: object) -> list[dict]:
    return [{"id": i, "problem": "2+2?", "path": PATH, "answer": "4", **more} for i in range(count)]


def test_fewer_problems_than_a_step_is_made_of_are_refused(rlkd, zoo) -> None:
    data = write(Path("t.jsonl"), problems(1))
    flags = ["--method", "grpo", "--student", zoo("qwen3"), *SHORT, "--accumulation", 2]
    result = rlkd("distill", data, "-o", "s", *flags)
    assert result.status == 2 and "fewer than the 2" in result.err and not Path("s").exists()


@pytest.mark.parametrize("method", ["grpo", "ppo"])
def test_problems_without_an_answer_teach_nothing_by_outcome(rlkd, zoo, method: str) -> None:
    data = write(Path("t.jsonl"), [{"id": i, "problem": "2+2?"} for i in range(4)])
    flags = ["--method", method, "--student", zoo("qwen3"), *SHORT]
    result = rlkd("distill", data, "-o", "s", *flags)
    assert result.status == 2 and "no_answer 4" in result.err
    assert [row["error"] for row in read(Path("s/rejects.jsonl"))] == ["no_answer"] * 4


def test_a_path_over_the_limit_is_a_reject_and_never_cut(rlkd, zoo) -> None:
    rows = [*problems(4), {"id": 9, "problem": "2+2?", "path": "a" * 99}]
    rows += [{"id": 10, "problem": "2" * 99, "path": PATH}]
    flags = ["--method", "sft", "--student", zoo("qwen3"), *SHORT, "--max-prompt-length", 60]
    result = rlkd("distill", write(Path("t.jsonl"), rows), "-o", "s", *flags)
    assert result.status == 3
    found = {row["id"]: row["error"] for row in read(Path("s/rejects.jsonl"))}
    assert found == {9: "path_too_long", 10: "prompt_too_long"}


def test_a_prompt_over_max_prompt_length_is_a_reject_of_every_rl_method(rlkd, zoo) -> None:
    rows = [*problems(4), {"id": 9, "problem": "2" * 99, "answer": "4"}]
    flags = ["--method", "grpo", "--student", zoo("qwen3"), *SHORT, "--max-prompt-length", 60]
    result = rlkd("distill", write(Path("t.jsonl"), rows), "-o", "s", *flags)
    assert result.status == 3
    assert [row["error"] for row in read(Path("s/rejects.jsonl"))] == ["prompt_too_long"]


def test_where_all_pairs_are_too_long_they_are_rejects_and_bind_no_later_run(rlkd, zoo) -> None:
    data = write(Path("g.jsonl"), [segmentation(i, step("a")) for i in range(4)])
    flags = ["--model", zoo("qwen3"), "--batch-size", 4, "--no-gradient-checkpointing", "-q"]
    result = rlkd("train-gsrm", data, "-o", "g", *flags, "--max-length", 20)
    assert result.status == 2 and "too_long 4" in result.err
    assert len(read(Path("g/rejects.jsonl"))) == 4
    assert rlkd("train-gsrm", data, "-o", "g", *flags, "--phases", "mixed").status == 0


def test_a_mistyped_model_leaves_no_folder(rlkd, zoo) -> None:
    data = write(Path("t.jsonl"), [{**row, "steps": [step("a")]} for row in problems(4)])
    for flags in (["--student", "no/such"], ["--student", zoo("qwen3"), "--gsrm", "hf/no-such"]):
        flags = [*flags, *SHORT, "--judge", "exact"]
        more = [] if "--gsrm" in flags else ["--method", "grpo"]
        assert rlkd("distill", data, "-o", "s", *flags, *more).status == 1
        assert not Path("s").exists()
    assert rlkd("train-gsrm", data, "-o", "s", "--model", "no/such").status == 1
    assert not Path("s").exists()


def test_a_server_that_is_away_is_waited_for_and_its_failure_kept_nowhere(
    rlkd, zoo, server
) -> None:
    data = write(Path("t.jsonl"), problems(4))
    flags = ["--student", zoo("qwen3"), *SHORT, "--judge", "exact", "--max-retries", 0]
    flags += ["--gsrm", f"{server.url}#gsrm", "--max-reward-failures", 1]
    server.script = lambda request, number: Response(status=503)
    result = rlkd("distill", data, "-o", "s", *flags, "--reward-timeout", 0)
    assert result.status == 1 and "run the same command again" in result.err
    assert not read(Path("s/teacher.jsonl"))
    calls = iter([True] * 6)
    server.script = lambda request, number: (
        Response(status=503) if next(calls, False) else Response(STEPS)
    )
    result = rlkd("distill", data, "-o", "s", *flags, "--reward-timeout", 60)
    assert result.status == 0 and "wait for a server" in result.err
    assert all(row["steps"] for row in read(Path("s/teacher.jsonl")))


def test_steps_of_another_runs_teacher_are_not_taken(rlkd, zoo, server) -> None:
    """A run that took no step binds no later one, and gives it nothing."""
    flags = ["--student", zoo("qwen3"), *SHORT, "--judge", "exact", "--max-retries", 0]
    flags += ["--gsrm", f"{server.url}#gsrm", "--max-reward-failures", 1, "--reward-timeout", 0]
    server.script = lambda request, number: Response(STEPS) if number < 3 else Response(status=503)
    assert rlkd("distill", write(Path("old.jsonl"), problems(4)), "-o", "s", *flags).status == 1
    assert read(Path("s/teacher.jsonl"))
    server.script = lambda request, number: Response(STEPS.replace("]: a", "]: z"))
    rows = [{**row, "id": f"new {row['id']}"} for row in problems(4)]
    assert rlkd("distill", write(Path("new.jsonl"), rows), "-o", "s", *flags).status == 0
    found = read(Path("s/teacher.jsonl"))
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    assert {row["steps"][0]["meta_reasoning"] for row in found} == {"z"}


def test_a_gsrm_that_writes_nothing_has_found_no_steps(rlkd, server) -> None:
    write(Path("t.jsonl"), [segmentation(1, step("a"))])
    write(Path("s.jsonl"), [{"id": 1, "problem": "2+2?", "path": PATH}])
    server.script = lambda request, number: Response(" \n")
    words = ["t.jsonl", "s.jsonl", "--gsrm", server.url, "--judge", "exact", "--max-retries", 0]
    result = rlkd("score", *words)
    assert result.status == 0 and len(server.requests) == 2
    assert (result.records[0]["reward"], result.records[0]["student_steps"]) == (0.0, 0)


def test_blank_answers_and_paths_teach_nothing(rlkd, zoo) -> None:
    rows = [{**row, "answer": " "} for row in problems(4)]
    flags = ["--student", zoo("qwen3"), *SHORT]
    result = rlkd("distill", write(Path("t.jsonl"), rows), "-o", "s", "--method", "grpo", *flags)
    assert result.status == 2 and "no_answer 4" in result.err
    rows = [{**row, "path": " \n"} for row in problems(4)]
    result = rlkd("distill", write(Path("p.jsonl"), rows), "-o", "s", "--method", "sft", *flags)
    assert result.status == 2 and "empty_path 4" in result.err


def test_records_of_eval_that_cannot_be_used_are_counted(rlkd, zoo) -> None:
    held = write(Path("e.jsonl"), [*problems(2), {"id": 7, "problem": "2" * 999, "answer": "4"}])
    flags = ["--method", "grpo", "--student", zoo("qwen3"), *SHORT, "--max-prompt-length", 60]
    flags += ["--eval", held, "--eval-every", 1, "--save-steps", 1]
    result = rlkd("distill", write(Path("t.jsonl"), problems(4)), "-o", "s", *flags)
    assert result.status == 0 and "1 records cannot be used" in result.err


def test_lengths_are_checked_against_the_context_before_anything_is_loaded(rlkd, zoo) -> None:
    data = write(Path("t.jsonl"), problems(4))
    for name, said in (("gpt2", "context of 64"), ("qwen3", "--rope-theta or --yarn")):
        flags = ["--method", "grpo", "--student", zoo(name), *SHORT, "--max-tokens", 5000]
        result = rlkd("distill", data, "-o", "s", *flags)
        assert result.status == 2 and said in result.err and not Path("s").exists()
    result = rlkd("distill", data, "-o", "s", *flags, "--method", "sft", "--yarn", 4)
    config = json.loads(Path("s/config.json").read_text())
    assert result.status == 0 and config["max_position_embeddings"] == 4096
    assert config["rope_parameters"]["rope_type"] == "yarn"
    flags = ["--method", "sft", "--student", zoo("gpt2"), *SHORT, "--rope-theta", 3e5]
    assert "no rotary positions" in rlkd("distill", data, "-o", "x", *flags).err


def test_the_first_path_found_correct_is_the_teachers(rlkd) -> None:
    from rlkd_cli.errors import UsageError
    from rlkd_cli.reward.chosen import chosen_paths

    rows = [{"id": "a", "sample": i, "correctness_math_verify": i > 0} for i in range(3)]
    rows += [{"id": "b", "sample": 0, "correctness_math_verify": False}, {"id": "c", "sample": 0}]

    def chosen(rule: str) -> list[tuple[str, int]]:
        return [(row["id"], row["sample"]) for row in chosen_paths(rows, rule)]

    assert chosen("first-correct") == [("a", 1), ("c", 0)]
    assert chosen("all-correct") == [("a", 1), ("a", 2), ("c", 0)]
    assert len(chosen("all")) == 5
    with pytest.raises(UsageError, match="first-correct"):
        chosen_paths(rows[3:4], "first-correct")
    null = {"id": "d", "correctness_math_verify": None}
    rows = [{**null, "sample": i, "correctness_llama": i == 1} for i in range(3)]
    rows += [{"id": "e", "sample": 0, "correctness_math_verify": "bad"}, {**null, "sample": 9}]
    assert chosen("first-correct") == [("d", 1)]


def test_only_end_begin_and_padding_tokens_are_dropped_from_a_path(zoo) -> None:
    from rlkd_cli.training.model import load_tokenizer
    from rlkd_cli.training.replies import decoder

    tokenizer = load_tokenizer(str(zoo("r1-distill")))
    ids = tokenizer("ab</think>4", add_special_tokens=False)["input_ids"]
    ids += [tokenizer.eos_token_id, tokenizer.pad_token_id]
    assert decoder(tokenizer)(ids) == "<think>\nab</think>4"


def test_settings_of_the_model_are_set_aside_and_named(rlkd, zoo) -> None:
    data = write(Path("t.jsonl"), problems(4))
    flags = ["--method", "sft", "--student", zoo("hostile"), *SHORT]
    flags.remove("-q")
    result = rlkd("distill", data, "-o", "s", *flags)
    assert "set aside: " in result.err and "repetition_penalty 3.0" in result.err
    saved = json.loads(Path("s/generation_config.json").read_text())
    assert not {"repetition_penalty", "no_repeat_ngram_size", "suppress_tokens"} & saved.keys()


def test_a_system_prompt_goes_before_the_question_where_a_template_knows_no_system(zoo) -> None:
    from rlkd_cli.training.data import messages_of
    from rlkd_cli.training.methods.options import Distillation
    from rlkd_cli.training.model import load_tokenizer

    options = Distillation(output=Path("x"), system="Be brief.", prompt_template="{problem}")
    for name, first in (("gemma", "Be brief.\n\n2+2?"), ("qwen3", "Be brief.")):
        messages = messages_of({"problem": "2+2?"}, options, load_tokenizer(str(zoo(name))))
        assert messages[0]["content"] == first


def test_a_folder_of_something_else_is_not_overwritten(rlkd, base, world) -> None:
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    flags = ["--method", "sft", "--student", base, "--steps", "1", "--overwrite"]
    refused = rlkd("distill", world / "teacher.jsonl", "-o", "mine", *flags)
    assert refused.status == 2 and "was not made by this command" in refused.err
    assert [file.name for file in Path("mine").iterdir()] == ["notes.txt"]


def test_a_fresh_start_keeps_what_it_made_itself(rlkd, zoo, server) -> None:
    data = write(Path("t.jsonl"), problems(4))
    flags = ["--student", zoo("qwen3"), *SHORT, "--judge", "exact", "--overwrite"]
    flags += ["--gsrm", f"{server.url}#gsrm"]
    server.script = lambda request, number: Response(STEPS)
    for _ in range(2):
        assert rlkd("distill", data, "-o", "s", *flags).status == 0
        assert len(read(Path("s/teacher.jsonl"))) == 4
    steps = [entry["step"] for entry in read(Path("s/metrics.jsonl")) if "loss" in entry]
    assert len(steps) == len(set(steps))
