"""docs/scale.md: its table follows from its formulas, and what it names is there."""

import re

import pytest

from rlkd_cli.cli import command_of
from tests.conftest import ROOT

PAGE = (ROOT / "docs/scale.md").read_text("utf-8")
R, P, U, W = 2500, 25_000, 4e14, 7.6e9  # the page's assumptions
DEVICES = (1, 8, 64)


def row(stage: str) -> list[str]:
    """The cells of a stage's row: requests, tokens, hours on 1, 8 and 64 devices, …"""
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| `{stage}`"))
    return [cell.strip() for cell in line.split("|")[2:-1]]


def hours_of_asking(read: float, written: float, devices: float) -> float:
    return (read / P + written / R) / 3600 / devices


def hours_of_training(tokens: float, devices: float) -> float:
    return 8 * W * tokens / U / 3600 / devices


def shown(hours: list[float]) -> list[str]:
    return [f"{value:.1f}" for value in hours]


def test_asking_takes_the_hours_that_the_formula_gives() -> None:
    attempts = 114_000 * 1.5
    read, written = attempts * (2082 + 2178), attempts * (632 + 32)
    cells = row("segment")
    assert cells[:2] == ["342,000", f"{read / 1e6:.0f} M / {written / 1e6:.0f} M"]
    assert cells[2:5] == shown([hours_of_asking(read, written, g) for g in DEVICES])
    paths = 64 * 30 + 8 * 198 + 4 * 500
    cells = row("eval")
    assert cells[0] == f"{paths:,}" and cells[1].endswith(f" / {paths * 8000 / 1e6:.0f} M")
    assert cells[2:5] == shown([hours_of_asking(0, paths * 8000, g) for g in DEVICES])


def test_training_takes_the_hours_and_bytes_that_the_formulas_give() -> None:
    tokens = 3 * 93_625 * 1996
    cells = row("train-gsrm")
    assert cells[1] == f"{tokens / 1e6:.0f} M trained"
    assert cells[2:5] == shown([hours_of_training(tokens, g) for g in DEVICES])
    assert f"{16 * W / 1e9:.0f} GB" in cells[-1]
    assert row("distill")[5] == f"{12 * W / 1e9:.0f} GB a checkpoint"


def test_a_distillation_takes_both_halves_one_after_the_other() -> None:
    completions = 100 * 64
    verdicts = completions * 24
    written, judged = completions * 2000, verdicts * 800
    trains = 10 * W * completions * 2200 / U / 3600  # 2 more for the likelihoods before the step
    found = []
    for devices in DEVICES[1:]:
        student = trains / (0.75 * devices) + hours_of_asking(0, written, 0.75 * devices)
        rewards = hours_of_asking(completions * 2100 + judged, completions * 632, 0.25 * devices)
        found.append(student + rewards)
        assert rewards / found[-1] == pytest.approx(0.73, abs=0.01)
    assert row("distill")[3:5] == shown(found)


def test_every_option_that_the_page_names_is_one() -> None:
    commands = ("sample", "segment", "score", "eval", "merge", "train-gsrm", "distill")
    known = {flag for name in commands for p in command_of(name).params for flag in p.opts}
    others = {"--array", "--data-parallel-size", "--worker-urls", "--policy", "--nodes"}
    others |= {"--ntasks-per-node", "--gpus-per-task"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) <= known | others
