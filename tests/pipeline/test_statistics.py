"""Summaries, tables, exports and doubtful grades, without a command line."""

import asyncio
import json
import random

import pytest
import yaml

from rlkd_cli.benchmarks import BENCHMARKS, benchmark
from rlkd_cli.core.metrics import majority_vote, sign_flip_test
from rlkd_cli.core.question import PROTOCOLS, question
from rlkd_cli.errors import UsageError
from rlkd_cli.pipeline.capability import Model, capability, reflection_keywords
from rlkd_cli.pipeline.compare import compare
from rlkd_cli.pipeline.doubtful import doubtful
from rlkd_cli.pipeline.evaluate import Evaluator, Summary
from rlkd_cli.pipeline.export import export
from rlkd_cli.pipeline.table import as_csv, latex, markdown, render, table
from rlkd_cli.records.published import expand
from rlkd_cli.reward.grading.grader import Grader


@pytest.fixture(scope="module")
def grader():
    grader = Grader(workers=1)
    yield grader
    asyncio.run(grader.close())


def paths(rights: dict[str, list[int]]) -> list[dict]:
    return [
        {"id": name, "sample": i, "correct": bool(right), "prediction": "7" if right else str(i)}
        for name, row in rights.items()
        for i, right in enumerate(row)
    ]


def test_one_missing_sample_leaves_the_rest_to_report() -> None:
    summary = Summary.of(paths({"a": [1, 0, 1, 0], "b": [1, 1, 0]}))
    found = summary.metrics(4)
    assert found["missing samples"] == summary.missing(4) == 1
    assert found["pass@1"] == pytest.approx((0.5 + 2 / 3) / 2) and "pass@3" in found
    assert "missing samples" not in summary.metrics(3)
    with pytest.raises(UsageError, match="pass@5 needs 5"):
        summary.metrics(5)


def test_avg_at_k_stands_beside_pass_at_1() -> None:
    assert Summary.of(paths({"a": [1, 0], "b": [1, 1]})).metrics(2)["avg@2"] == 0.75


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


def test_uneven_run_counts_have_a_p_value_that_fits_in_memory() -> None:
    draw = random.Random(0)
    counts = [((draw.randint(0, n), n), (draw.randint(0, n + 3), n + 3)) for n in range(40, 70)]
    test = sign_flip_test(counts)
    assert 0 < test.value < 1 and 0 < test.error < 0.002
    few = sign_flip_test(counts[:9])
    assert few.error == 0 and few.value * 2**9 == pytest.approx(round(few.value * 2**9))
    a = Summary.of(
        paths({str(i): [j % 3 == 0 for j in range(n)] for i, n in enumerate(range(40, 70))})
    )
    b = Summary.of(paths({str(i): [j % 2 == 0 for j in range(50)] for i in range(30)}))
    assert compare(a, b)["p value"] < 0.01


def test_capability_takes_samples_by_number_and_words_once() -> None:
    before = [
        {"id": 1, "sample": 1, "correct": True, "path": "Let me double-check. The waiter waits."},
        {"id": 1, "sample": 0, "correct": False, "path": "Wait, mistake: mistaken"},
    ]
    model = Model.read(before)
    assert model.right[1] == [False, True] and model.reflections == [1, 2]
    _, whole = capability(model, Model.read(before[:1] + before[1:]), 1)
    assert whole["gained"] == [] and whole["accuracy_p_value"] == 1.0
    assert whole["capability_p_value_error"] == 0 and "wait" in reflection_keywords()


def test_a_benchmarks_own_path_is_never_graded(grader: Grader) -> None:
    async def sampler(raw: dict) -> dict:
        assert "path" not in raw and "finish_reason" not in raw
        return {**raw, "path": r"\boxed{8}", "finish_reason": "stop"}

    row = {"id": 1, "problem": "p", "answer": "7", "path": r"\boxed{7}", "finish_reason": "length"}
    graded = asyncio.run(Evaluator(grader, sampler)(row))  # type: ignore[arg-type]
    assert not graded["correct"] and graded["reason"] == "integer"
    kept = asyncio.run(Evaluator(grader)(row))
    assert kept["correct"]


def test_protocols_differ_in_prompt_and_extraction(grader: Grader) -> None:
    record = {"problem": "What is 3 + 4?", "answer": "7"}
    letter = {"problem": "Which?", "answer": "B", "choices": ["x", "y", "z", "u", "v"]}
    texts = {name: question(record, protocol=name) for name in PROTOCOLS}
    assert len(set(texts.values())) == 4 and all("What is 3 + 4?" in t for t in texts.values())
    assert "one of ABCDE." in question(letter, protocol="lighteval")
    assert "boxed{A/B/C/D/E}" in question(letter, protocol="nemo-skills")
    assert "0 and 999" in question(record, protocol="matharena", kind="integer")
    row = {"id": 1, "answer": "7", "path": "<think>\\boxed{7}</think> So it is 7."}
    by = {
        name: asyncio.run(Evaluator(grader, protocol=name)(row))["correct"]
        for name in ("deepseek", "nemo-skills")
    }
    assert by == {"deepseek": False, "nemo-skills": True}


def test_doubtful_pairs_are_those_that_one_way_accepts(grader: Grader) -> None:
    records = [
        {"id": 1, "answer": r"2\sqrt{3}", "prediction": r"\sqrt{12}", "verdict": "correct"},
        {"id": 2, "answer": "0.5", "prediction": r"\frac12", "verdict": "correct"},
        {"id": 3, "answer": "7", "prediction": "8", "verdict": "wrong"},
        {"id": 4, "answer": r"\text{Yes}", "prediction": "yes", "verdict": "correct"},
        {"id": 5, "answer": "7", "prediction": None, "verdict": "no_answer"},
    ]
    found = asyncio.run(doubtful(records, grader))
    assert [(one["id"], one["accepted_by"]) for one in found] == [(1, "algebra"), (4, "text")]


def test_table_1_in_three_forms() -> None:
    files = {
        "a_1.jsonl": Summary.of(paths({"x": [1, 0, 1, 1], "y": [0, 0, 0, 0]})),
        "b.jsonl": Summary.of(paths({"x": [1] * 5, "y": [1] * 5})),
    }
    rows = table(files, 3)
    assert list(rows[0]["cells"]) == [
        "pass@1 (1)",
        "pass@1 (4)",
        "pass@1 (all)",
        "pass@3",
        "pass@4",
    ]
    assert rows[0]["cells"]["pass@1 (4)"][0] == 0.375
    assert "| a_1.jsonl | 2 | 50.0 [0.0–100.0]" in markdown(rows)
    assert r"a\_1.jsonl & 2" in latex(rows) and r"\bottomrule" in latex(rows)
    assert as_csv(rows).splitlines()[0].startswith("name,questions,runs,pass@1 (1),pass@1 (1) low")
    with pytest.raises(UsageError, match="holds no graded path"):
        table({"empty.jsonl": Summary()})
    with pytest.raises(UsageError, match="has 4 samples"):
        table(files, 5)
    with pytest.raises(UsageError, match="one of markdown"):
        render(rows, "html")


def test_table_1_as_a_plot(tmp_path) -> None:
    from rlkd_cli.plots import plot_table

    rows = table({"a": Summary.of(paths({"x": [1, 0], "y": [0, 0]}))})
    plot_table(rows, tmp_path / "t.svg")
    assert (tmp_path / "t.svg").stat().st_size > 2000


def test_results_are_exported_in_others_forms() -> None:
    metrics = Summary.of(paths({"x": [1, 0], "y": [1, 1]})).metrics(2)
    said = {"model": "m", "protocol": "deepseek", "version": "1", "date": "2026-01-01"}
    row = BENCHMARKS["gpqa-diamond"]
    (entry,) = yaml.safe_load(export("r.yaml", "gpqa-diamond", row, metrics, **said))
    assert entry["dataset"]["id"] == "Idavidrein/gpqa" and entry["value"] == 75.0
    assert entry["dataset"]["revision"] == row.revision and "2 runs" in entry["notes"]
    result = json.loads(export("r.json", "gpqa-diamond", row, metrics, **said))
    assert (
        result["results"]["all"]["pass@1"] == 0.75 and result["config_general"]["model_name"] == "m"
    )
    for file, bench in (("r.txt", row), ("r.yaml", benchmark("mine.jsonl"))):
        with pytest.raises(UsageError, match="--export"):
            export(file, "x", bench, metrics, **said)


def test_benchmarks_have_rows_and_published_columns() -> None:
    assert {"aime26", "hmmt-feb-2026", "beyond-aime", "mmlu-pro", "minerva"} <= set(BENCHMARKS)
    assert BENCHMARKS["aime24"].dataset == "HuggingFaceH4/aime_2024"
    assert BENCHMARKS["aime26"].revision is None and BENCHMARKS["aime26"].kind == "integer"
    chosen = benchmark("mine.jsonl", "Say {problem}", "letter")
    assert (chosen.prompt, chosen.kind, chosen.runs) == ("Say {problem}", "letter", 1)
    with pytest.raises(UsageError, match="--prompt"):
        benchmark("aime24", "no place")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"problem_idx": 3, "problem": "p", "answer": 7},
            {"id": 3, "problem": "p", "answer": "7"},
        ),
        (
            {"question_id": 9, "question": "q", "options": ["x", "y"], "answer": "B",
             "answer_index": 1, "category": "law"},
            {"id": 9, "problem": "q\n\n(A) x\n(B) y", "answer": "B", "choices": ["x", "y"]},
        ),
        ({"question": "q", "answer": "3 + 4\n#### 1,007"}, {"problem": "q", "answer": "1007"}),
        ({"question": "q", "answer": r"1.6\times 10^{-19}"}, {"answer": r"1.6\times 10^{-19}"}),
    ],
)  # fmt: skip
def test_published_rows_become_records(row: dict, expected: dict) -> None:
    (record,) = expand(row, {}, "f:1")
    assert expected.items() <= record.items()
