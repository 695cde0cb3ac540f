"""Every training on the weights of a real model, SmolLM2-135M, as a folder of its instruct model
holds them: `RLKD_TEST_SMOLLM2` names the folder. Two steps each, a few tokens long: enough to see
that every part runs at that size and saves a whole model, too few to learn from.
"""

import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlkd_cli.training.methods import METHODS
from tests.conftest import SMOLLM2, read, segmentation, step, write
from tests.zoo.test_trainings import loaded, problems

pytestmark = pytest.mark.skipif(
    not (SMOLLM2 / "config.json").exists(),
    reason="RLKD_TEST_SMOLLM2 names no folder of SmolLM2-135M",
)
SMALL = ["--batch-size", 2, "--accumulation", 1, "--no-gradient-checkpointing", "-q"]
STUDENT = ["--student", SMOLLM2, "--steps", 2, "--group", 2, "--max-tokens", 8, *SMALL]
GSRM = ["--gsrm", f"hf/{SMOLLM2}", "--gsrm-max-tokens", 8, "--max-reward-failures", 1]
NEEDS = {
    "rlkd": [*GSRM, "--judge", "exact"],
    **{method: ["--teacher", SMOLLM2] for method in ("rlad", "kdrl", "opd")},
    "sft": ["--max-tokens", 32],
}


@pytest.fixture(autouse=True)
def folders(tmp_path: Path) -> Iterator[None]:
    """Takes away what a test leaves: gigabytes, most of it the optimizer's."""
    yield
    shutil.rmtree(tmp_path)


def check(folder: Path, steps: int) -> None:
    """The losses of so many steps are numbers, and the folder holds the whole model."""
    losses = [entry["loss"] for entry in read(folder / "metrics.jsonl") if "loss" in entry]
    assert len(losses) == steps and all(math.isfinite(loss) for loss in losses)
    loaded(folder)


@pytest.mark.parametrize("method", METHODS)
def test_a_student_of_real_weights_is_trained_and_saved_whole(rlkd, method: str) -> None:
    data = write(Path("t.jsonl"), problems(4, steps=[step("2+2", "4")]))
    flags = ["--method", method, *STUDENT, *NEEDS.get(method, []), "--prompt-template", "{problem}"]
    result = rlkd("distill", data, "-o", "s", *flags)
    assert result.status == 0, result.err
    check(Path("s"), 2)


def test_a_gsrm_of_real_weights_is_trained_and_saved_whole(rlkd) -> None:
    data = write(Path("g.jsonl"), [segmentation(i, step("2+2", "4"), path="2+2=4") for i in "ab"])
    flags = ["--model", SMOLLM2, "--phases", "meta,mixed", *SMALL]
    result = rlkd("train-gsrm", data, "-o", "g", *flags)
    assert result.status == 0, result.err
    check(Path("g"), 2)
