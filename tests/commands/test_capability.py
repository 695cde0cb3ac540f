"""`rlkd capability`: what a training changed, by difficulty."""

from pathlib import Path

import pytest

from tests.conftest import write
from tests.pipeline.test_evaluate import QUESTION, graded


def test_capability_by_bins_of_the_success_rate_before(rlkd) -> None:
    before = graded(
        rlkd,
        "a.jsonl",
        {"1": [0] * 4, "2": [1, 0, 0, 0], "3": [1, 1, 1, 0], "4": [0] * 4},
        tokens=10,
    )
    after = graded(
        rlkd, "b.jsonl", {"1": [0] * 4, "2": [0] * 4, "3": [1] * 4, "4": [1, 0, 0, 0]}, tokens=30
    )
    result = rlkd("capability", before, after, "--plot", "p.png")
    bins = {record["bin"]: record for record in result.records}
    assert list(bins) == ["never solved", "(0.2, 0.4]", "(0.6, 0.8]", "all"]
    never, whole = bins["never solved"], bins["all"]
    assert (never["questions"], never["accuracy_after"], never["capability_after"]) == (
        2,
        0.125,
        0.5,
    )
    assert (whole["gained"], whole["lost"], whole["length_before"], whole["length_after"]) == (
        ["4"],
        ["2"],
        10,
        30,
    )
    assert (
        whole["never_solved_bound"] == pytest.approx(1 - 0.05**0.25)
        and Path("p.png").stat().st_size > 5000
    )
    assert rlkd("capability", before, after, "--k", "5").status == 2


def test_capability_counts_reflection_and_the_base_models_likelihood(rlkd, base) -> None:
    records = [
        {"id": 1, "problem": QUESTION, "answer": "7", "correct": True, "path": path}
        for path in ("First cups: 7.", "Wait, wait. Hmm")
    ]
    write(Path("a.jsonl"), records[:1])
    write(Path("b.jsonl"), records[1:])
    flags = ["--base-model", f"hf/{base}", "--prompt-template", "{problem}"]
    whole = rlkd("capability", "a.jsonl", "b.jsonl", *flags).records[-1]
    assert (whole["reflections_before"], whole["reflections_after"]) == (0, 3)
    assert whole["likelihood_after"] < whole["likelihood_before"] < 0
    Path("words.txt").write_text("# mine\nfirst\n")
    assert (
        rlkd("capability", "a.jsonl", "b.jsonl", "--keywords", "words.txt").records[-1][
            "reflections_before"
        ]
        == 1
    )
