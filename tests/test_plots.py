"""Figures for files."""

from pathlib import Path

import pytest

from rlkd_cli.errors import UsageError
from rlkd_cli.plots import plot_diversity, plot_rewards

POINTS = [{"step": i, "diversity": 1.0 + i, "ci_low": i, "ci_high": i + 2} for i in range(1, 4)]


def test_every_file_has_a_line_by_its_name(tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    file = tmp_path / "new" / "p.svg"
    plot_diversity({"runs/first.jsonl": POINTS, "second.jsonl": POINTS[:1]}, file)
    (axes,) = plt.gcf().axes
    assert [line.get_label() for line in axes.lines] == ["first", "second"]
    assert list(axes.lines[0].get_ydata()) == [2.0, 3.0, 4.0]
    assert file.read_text().startswith("<?xml")
    plt.close("all")


def test_an_ending_that_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--plot .*p\.nonsense"):
        plot_rewards([0.0, 1.0], {0: 1}, tmp_path / "p.nonsense")
