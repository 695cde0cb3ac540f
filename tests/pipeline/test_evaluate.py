"""Grading and its numbers: summaries, comparisons, growth, checkpoints."""

import asyncio
import json
import random
import shutil
from pathlib import Path

import pytest

from rlkd_cli.core.metrics import majority_vote
from rlkd_cli.errors import UsageError
from rlkd_cli.pipeline.evaluate import Evaluator, Summary
from rlkd_cli.reward.grading.grader import Grader
from tests.conftest import BASE, outcomes, read, write
from tests.servers.scripted import Response

QUESTION = "eggs = 3. cups = eggs + 4. What is cups?"


def samples(rights: dict[str, list[int]], **more: object) -> list[dict]:
    """Paths with a right or wrong answer, by question."""
    return [
        {
            "id": name,
            "sample": i,
            "problem": "p",
            "answer": "7",
            "path": f"\\boxed{{{7 if right else i + 10}}}",
            **more,
        }
        for name, row in rights.items()
        for i, right in enumerate(row)
    ]


def graded(rlkd, file: str, rights: dict[str, list[int]], **more: object) -> str:
    write(Path("samples.jsonl"), samples(rights, **more))
    assert rlkd("eval", "--samples", "samples.jsonl", "-o", file, "-q").status == 0
    return file


def test_metrics_by_hand(rlkd) -> None:
    write(Path("s.jsonl"), samples({"a": [1, 0, 1, 0], "b": [0, 0, 0, 0], "c": [1, 1, 1, 1]}))
    found = json.loads(rlkd("eval", "--samples", "s.jsonl", "--k", "2", "--json").out)
    assert found["pass@1"] == 0.5 and found["pass@1 over the first 1"] == pytest.approx(2 / 3)
    assert found["pass@2"] == pytest.approx((5 / 6 + 0 + 1) / 3) and found[
        "any of the first 2"
    ] == pytest.approx(2 / 3)
    assert found["majority vote"] == pytest.approx(
        2 / 3
    )  # 7 is a's most frequent answer: the wrong ones all differ
    assert found["pass@1 standard error"] == pytest.approx(0.5 / 3**0.5)


def test_two_files_are_compared_question_by_question(rlkd) -> None:
    a = graded(rlkd, "a.jsonl", {"1": [0, 0], "2": [1, 0], "3": [1, 1], "4": [0, 0], "5": [0, 0]})
    b = graded(rlkd, "b.jsonl", {"1": [1, 1], "2": [1, 1], "3": [0, 0], "4": [1, 0], "6": [0, 0]})
    found = json.loads(rlkd("eval", "--compare", a, b, "--json").out)
    assert (found["questions"], found["only in one file"]) == (4, 2)
    assert found["B - A"] == pytest.approx((1 + 0.5 - 1 + 0.5) / 4)
    # the differences in runs are 2, 1, -2, 1: of 16 sign patterns, |sum| >= 2 in 12
    assert found["p value"] == pytest.approx(12 / 16)
    assert [q["id"] for q in found["gained"]] == ["1", "4"] and [
        q["id"] for q in found["lost"]
    ] == ["3"]
    assert "gained" in rlkd("eval", "--compare", a, b).err
    assert rlkd("eval", "--compare", a, b, "--bench", "x.jsonl").status == 2


def test_an_exact_p_value_is_that_of_all_sign_patterns() -> None:
    import itertools

    from rlkd_cli.core.metrics import sign_flip_p_value

    draws = random.Random(0)
    for _ in range(50):
        counts = [
            ((draws.randint(0, 4), 4), (draws.randint(0, 6), 6)) for _ in range(draws.randint(1, 9))
        ]
        steps = [3 * a - 2 * b for (a, _), (b, _) in counts]
        sums = [
            sum(s * d for s, d in zip(signs, steps, strict=True))
            for signs in itertools.product((1, -1), repeat=len(steps))
        ]
        expected = sum(abs(total) >= abs(sum(steps)) for total in sums) / len(sums)
        assert sign_flip_p_value(counts) == pytest.approx(expected)


def test_runs_are_added_to_a_finished_file(rlkd, server) -> None:
    server.script = lambda request, number: Response("so \\boxed{7}")
    write(Path("bench.jsonl"), [{"id": i, "problem": "p", "answer": "7"} for i in range(3)])
    command = ["eval", "--bench", "bench.jsonl", "--model", server.url, "-o", "out.jsonl", "-q"]
    assert rlkd(*command, "--runs", "2").status == 0
    assert rlkd(*command, "--runs", "6", "--k", "4").status == 0
    assert (
        len(server.requests) == 18 and len({request["seed"] for request in server.requests}) == 18
    )
    assert [(r["id"], r["sample"]) for r in read(Path("out.jsonl"))] == [
        (i, k) for i in range(3) for k in range(6)
    ]


def scale_weights(model: Path) -> None:
    """Other weights in the same folder."""
    from safetensors.torch import load_file, save_file

    file = model / "model.safetensors"
    tensors = load_file(file)
    save_file({name: tensor * 1.01 for name, tensor in tensors.items()}, file, {"format": "pt"})


def test_a_result_that_is_the_last_checkpoint_is_evaluated_once(rlkd) -> None:
    for name in ("run/checkpoint-10", "run/checkpoint-5"):
        shutil.copytree(BASE, name)
    for file in BASE.iterdir():
        shutil.copy(file, "run")
    Path("run/training_args.bin").write_bytes(b"x")
    scale_weights(Path("run/checkpoint-5"))
    write(Path("bench.jsonl"), [{"id": 1, "problem": QUESTION, "answer": "7"}])
    flags = ["--max-tokens", "8", "--prompt-template", "{problem}", "-o", "out.jsonl", "--json"]
    result = rlkd("eval", "--bench", "bench.jsonl", "--checkpoints", "run", *flags)
    assert [record["checkpoint"] for record in result.records] == ["5", "10"]
    assert "evaluated once" in result.err and not Path("out.final.jsonl").exists()


def test_checkpoints_are_evaluated_each(rlkd) -> None:
    for name in ("run/checkpoint-10", "run/checkpoint-5"):
        shutil.copytree(BASE, name)
    for file in BASE.iterdir():
        shutil.copy(file, "run")
    scale_weights(Path("run/checkpoint-10"))
    write(Path("bench.jsonl"), [{"id": 1, "problem": QUESTION, "answer": "7"}])
    flags = ["--k", "2", "--max-tokens", "32", "--prompt-template", "{problem}"]
    flags += ["-o", "out.jsonl", "--json", "--plot", "p.svg"]
    result = rlkd("eval", "--bench", "bench.jsonl", "--checkpoints", "run", *flags)
    assert result.status == 0 and [record["checkpoint"] for record in result.records] == [
        "5",
        "10",
        "final",
    ]
    assert read(Path("out.5.jsonl"))[0]["path"] == read(Path("out.final.jsonl"))[0]["path"]
    assert Path("p.svg").stat().st_size > 2000


def test_one_missing_sample_leaves_the_rest_to_report() -> None:
    summary = Summary.of(outcomes({"a": [1, 0, 1, 0], "b": [1, 1, 0]}))
    found = summary.metrics(4)
    assert found["missing samples"] == summary.missing(4) == 1
    assert found["pass@1"] == pytest.approx((0.5 + 2 / 3) / 2) and "pass@3" in found
    assert "missing samples" not in summary.metrics(3)
    with pytest.raises(UsageError, match="pass@5 needs 5"):
        summary.metrics(5)


def test_avg_at_k_stands_beside_pass_at_1() -> None:
    assert Summary.of(outcomes({"a": [1, 0], "b": [1, 1]})).metrics(2)["avg@2"] == 0.75


def test_votes_are_counted_by_value_and_ties_by_their_share(grader: Grader) -> None:
    def voted(predictions: list[tuple[str, bool]]) -> float:
        summary = Summary.of(
            {"id": 1, "sample": i, "prediction": text, "correct": right}
            for i, (text, right) in enumerate(predictions)
        )
        asyncio.run(summary.group(grader))
        return summary.metrics(1)["majority vote"]

    assert voted([("25", True), ("025", True), ("25.0", True), ("7", False), ("7", False)]) == 1
    tie = [("25", True), ("7", False)]
    assert voted(tie) == voted(tie[::-1]) == 0.5
    halves = [(r"\frac{\sqrt{2}}{2}", False), (r"\frac{1}{\sqrt{2}}", False), ("25", True)]
    assert voted(halves) == 0 and majority_vote([(None, False)]) == 0


def test_a_benchmarks_own_path_is_never_graded(grader: Grader) -> None:
    async def sampler(raw: dict) -> dict:
        assert "path" not in raw and "finish_reason" not in raw
        return {**raw, "path": r"\boxed{8}", "finish_reason": "stop"}

    row = {"id": 1, "problem": "p", "answer": "7", "path": r"\boxed{7}", "finish_reason": "length"}
    graded = asyncio.run(Evaluator(grader, sampler)(row))  # type: ignore[arg-type]
    assert not graded["correct"] and graded["reason"] == "integer"
    kept = asyncio.run(Evaluator(grader)(row))
    assert kept["correct"]
