"""`rlkd select`: problems that are least like a test set, or that a model solves so often."""

from pathlib import Path

from tests.conftest import outcomes, read, write


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


def test_a_band_of_success_rates(rlkd) -> None:
    write(Path("graded.jsonl"), outcomes({"a": [0, 0], "b": [1, 0], "c": [1, 1], "x": [0, 0]}))
    pool = [
        {"id": name, "sample": sample, "problem": name, "path": "so"}
        for name in "abcd"
        for sample in range(2)
    ]
    write(Path("pool.jsonl"), pool)
    words = ["select", "pool.jsonl", "--by-success", "graded.jsonl"]
    never = rlkd(*words, "--from", "0.0", "--to", "0.0")
    assert [(r["id"], r["success_rate"], r["runs"]) for r in never.records] == [("a", 0, 2)] * 2
    assert "1 of 1 problems" in never.err and "3 have runs" in never.err
    assert {r["id"] for r in rlkd(*words, "--from", "0.5").records} == {"b", "c"}
    one = [rlkd(*words, "-n", "1", "--seed", seed).records for seed in (1, 1, 2, 3, 4, 5)]
    assert one[0] == one[1] and all(len(records) == 2 for records in one)
    assert len({records[0]["id"] for records in one}) > 1


def test_one_way_of_choosing(rlkd) -> None:
    write(Path("p.jsonl"), [{"id": 1, "problem": "p"}])
    write(Path("g.jsonl"), outcomes({"other": [1]}))
    for words, said in (
        ([], "name one of"),
        (["--by-success", "g.jsonl", "--away-from", "p.jsonl"], "name one of"),
        (["--by-success", "g.jsonl", "--from", "0.6", "--to", "0.5"], "above"),
        (["--by-success", "g.jsonl"], "holds no path of a problem"),
    ):
        refused = rlkd("select", "p.jsonl", *words)
        assert refused.status == 2 and said in refused.err
