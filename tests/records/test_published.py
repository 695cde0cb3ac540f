"""Published data sets become records by their columns; problems are taken alone where a model is
asked.
"""

import json
from pathlib import Path

import pytest

from rlkd_cli.records.published import expand
from tests.conftest import read, write
from tests.servers.scripted import Response

PATHS = {
    "openthoughts3": (
        {
            "difficulty": 7,
            "source": "x",
            "domain": "math",
            "conversations": [
                {"from": "human", "value": "q"},
                {"from": "gpt", "value": "<think>t</think>\n\na"},
            ],
        },
        {"problem": "q", "path": "<think>t</think>\n\na", "domain": "math", "difficulty": 7},
    ),
    "openmathreasoning": (
        {"problem": "q", "generated_solution": "<think>t</think>a", "expected_answer": "4"},
        {"problem": "q", "path": "<think>t</think>a", "answer": "4"},
    ),
    "nemotron": (
        {
            "uuid": "n",
            "problem": "q",
            "expected_answer": "4",
            "messages": [
                {"role": "user", "content": "Solve: q"},
                {"role": "assistant", "content": "a", "reasoning_content": "t"},
            ],
        },
        {"id": "n", "problem": "q", "path": "<think>\nt\n</think>\n\na", "answer": "4"},
    ),
    "am-deepseek": (
        {
            "messages": [
                {"role": "user", "content": "q", "info": {"reference_answer": "4"}},
                {"role": "assistant", "content": "<think>t</think>\n<answer>a</answer>"},
            ]
        },
        {"problem": "q", "path": "<think>\nt\n</think>\n\na", "answer": "4"},
    ),
    "superior": (
        {"uuid": "s", "input": "q", "output": "<think>t</think>a", "domain": "scientific-qa"},
        {"id": "s", "problem": "q", "path": "<think>t</think>a", "domain": "science"},
    ),
    "content in parts": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "q"}]},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "t"},
                        {"type": "text", "text": "a"},
                    ],
                },
            ]
        },
        {"problem": "q", "path": "<think>\nt\n</think>\n\na"},
    ),
    "thinking beside": (
        {
            "messages": [
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "a", "thinking": "t"},
            ]
        },
        {"problem": "q", "path": "<think>\nt\n</think>\n\na"},
    ),
    "thinking in both": (
        {
            "messages": [
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "<think>t</think>a", "reasoning_content": "t"},
            ]
        },
        {"problem": "q", "path": "<think>t</think>a"},
    ),
}


@pytest.mark.parametrize("name", PATHS)
def test_a_published_row_is_a_path(rlkd, server, name: str) -> None:
    row, expected = PATHS[name]
    result = rlkd(
        "segment", write(Path("in.jsonl"), [row]), "--model", server.url, "--no-verify", "-q"
    )
    assert result.status == 0, result.err
    assert {key: result.records[0][key] for key in expected} == expected


def test_deepmath_holds_three_paths(rlkd, server) -> None:
    row = {"question": "q", "final_answer": "4", "difficulty": 5.0, "topic": "x"}
    row |= {f"r1_solution_{number}": f"path {number}" for number in (1, 2, 3)}
    command = ["--model", server.url, "--no-verify", "-q"]
    records = rlkd("segment", write(Path("in.jsonl"), [row]), *command).records
    assert [(r["id"], r["sample"], r["path"], r["answer"]) for r in records] == [
        (1, number - 1, f"path {number}", "4") for number in (1, 2, 3)
    ]


PROBLEMS = {
    "livecodebench": (
        {"question_id": "abc", "question_content": "q", "platform": "x", "starter_code": ""},
        {"id": "abc", "problem": "q", "domain": "code"},
    ),
    "gsm8k": ({"question": "q", "answer": "so\n#### 1,234"}, {"problem": "q", "answer": "1234"}),
    "a pair": ({"question": "q", "answer": "(1, 2)"}, {"problem": "q", "answer": "(1, 2)"}),
    "deepmath": (
        {"question": "q", "final_answer": "4", "r1_solution_1": "x"},
        {"problem": "q", "answer": "4"},
    ),
    "math": (
        {"problem": "q", "solution": r"\boxed{4}", "answer": "4"},
        {"problem": "q", "solution": r"\boxed{4}"},
    ),
    "limo": ({"question": "q", "solution": r"\boxed{4}", "answer": "4"}, {"problem": "q"}),
    "a path": (
        {"id": 7, "problem": "q", "answer": "4", "path": r"\boxed{4}", "steps": []},
        {"id": 7, "problem": "q"},
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_published_row_is_a_problem(rlkd, server, name: str) -> None:
    row, expected = PROBLEMS[name]
    server.script = lambda request, number: Response("from the model")
    file = write(Path("in.jsonl"), [row])
    result = rlkd("sample", file, "--model", server.url, "--n", "2", "-q")
    assert result.status == 0, result.err
    assert [r["sample"] for r in result.records] == [0, 1]
    for record in result.records:
        assert record["path"] == "from the model" and "steps" not in record
        assert {key: record[key] for key in expected} == expected


@pytest.mark.parametrize("name", ["math", "limo", "a path"])
def test_a_benchmark_asks_the_model_and_never_grades_the_rows_own_path(
    rlkd, server, name: str
) -> None:
    server.script = lambda request, number: Response(r"\boxed{5}")
    file = write(Path("in.jsonl"), [PROBLEMS[name][0]])
    result = rlkd("eval", "--bench", file, "--model", server.url, "--json")
    assert len(server.requests) == 1 and json.loads(result.out)["pass@1"] == 0.0


def test_gpqa_rows_are_lettered(rlkd, server) -> None:
    row = {"Record ID": "rec", "Question": "q", "Correct Answer": "yes"}
    row |= {f"Incorrect Answer {number}": f"no {number}" for number in (1, 2, 3)}
    server.script = lambda request, number: Response("Answer: A")
    command = ["--model", server.url, "--n", "1", "-q"]
    record = rlkd("sample", write(Path("in.jsonl"), [row]), *command).records[0]
    assert record["id"] == "rec" and record["domain"] == "science"
    assert f"({record['answer']}) yes" in record["problem"]


@pytest.mark.parametrize(
    "row", [{"id": 1, "problem": "q", "paths": []}, {"problem": "q", "generations": []}]
)
def test_no_path_at_all_is_a_reject(rlkd, server, row: dict) -> None:
    file = write(Path("in.jsonl"), [{"id": 0, "problem": "p", "path": "x"}, {"id": 1, **row}])
    command = ["segment", file, "--model", server.url, "--no-verify", "-q"]
    stopped = rlkd(*command)
    assert stopped.status == 2 and "in.jsonl:2: paths: holds no path" in stopped.err
    skipped = rlkd(*command, "--skip-invalid", "--rejects", "r")
    assert skipped.status == 3 and len(skipped.records) == 1
    assert read(Path("r"))[0]["problem"] == "q"


def test_lists_beside_paths_go_with_their_path(rlkd, server) -> None:
    row = {"id": 1, "problem": "q", "generations": ["a", "b"], "tags": ["x", "y"]}
    row |= {"finish_reasons": ["stop", "tool_calls"], "correctness_count": 1}
    row |= {"correctness_llama": None, "correctness_math_verify": [False, True]}
    command = ["--model", server.url, "--no-verify", "-q"]
    records = rlkd("segment", write(Path("in.jsonl"), [row]), *command).records
    assert [r.get("finish_reason", "none") for r in records] == ["stop", "none"]
    assert [r["correctness_math_verify"] for r in records] == [False, True]
    assert all(r["tags"] == ["x", "y"] and r["correctness_count"] == 1 for r in records)


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
