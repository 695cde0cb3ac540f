"""`rlkd select`: problems that are least like a test set."""

from pathlib import Path

from tests.conftest import read, write


def test_select_takes_what_is_least_like_the_test_set(rlkd) -> None:
    write(
        Path("bench.jsonl"),
        [{"id": "t", "problem": "How many red marbles are in the bag?", "answer": "4"}],
    )
    texts = ["How many red marbles are in the bag today?", "Solve x^2 = 9."]
    texts += ["Find the area of the circle.", "How many blue marbles?"]
    write(
        Path("pool.jsonl"), [{"id": i, "problem": text, "note": i} for i, text in enumerate(texts)]
    )
    words = ["select", "pool.jsonl", "--away-from", "bench.jsonl", "-n", "2"]
    words += ["--embedder", "lexical", "-o", "out.jsonl"]
    result = rlkd(*words)
    chosen = read(Path("out.jsonl"))
    assert result.status == 0 and [(r["id"], r["note"]) for r in chosen] == [(1, 1), (2, 2)]
    assert chosen[0]["similarity"] < 0.1 and "2 problems chosen" in result.err
    assert rlkd("select", "pool.jsonl", "--away-from", "nonsense").status == 2


def test_a_problem_is_chosen_with_all_its_paths(rlkd) -> None:
    write(Path("bench.jsonl"), [{"id": "t", "problem": "How many marbles?"}])
    pool = [
        {"id": i, "sample": sample, "problem": text, "path": "so"}
        for i, text in enumerate(["How many marbles?", "Solve x^2 = 9.", "Draw the circle."])
        for sample in range(3)
    ]
    words = ["--away-from", "bench.jsonl", "-n", "2", "--embedder", "lexical", "-o", "out.jsonl"]
    result = rlkd("select", write(Path("pool.jsonl"), pool), *words)
    assert [(r["id"], r["sample"]) for r in read(Path("out.jsonl"))] == [
        (i, sample) for i in (1, 2) for sample in range(3)
    ]
    assert "2 problems chosen" in result.err
