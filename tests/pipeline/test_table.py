"""Table 1 as text and as a plot."""

import pytest

from rlkd_cli.errors import UsageError
from rlkd_cli.pipeline.evaluate import Summary
from rlkd_cli.pipeline.table import as_csv, latex, markdown, render, table
from tests.conftest import outcomes


def test_table_1_in_three_forms() -> None:
    files = {
        "a_1.jsonl": Summary.of(outcomes({"x": [1, 0, 1, 1], "y": [0, 0, 0, 0]})),
        "b.jsonl": Summary.of(outcomes({"x": [1] * 5, "y": [1] * 5})),
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

    rows = table({"a": Summary.of(outcomes({"x": [1, 0], "y": [0, 0]}))})
    plot_table(rows, tmp_path / "t.svg")
    assert (tmp_path / "t.svg").stat().st_size > 2000
