"""The parts of a reward in TRL's hands: what is summed, what is normalised, what is left out."""

import math
from pathlib import Path

import pytest

from rlkd_cli.training.methods.grpo import AGGREGATION, TimedTrainer
from rlkd_cli.training.reward_parts import PartFunction, part_statistics
from tests.conftest import read
from tests.training.test_trainings import STUDENT

NAN = math.nan
STRUCTURE = [2.0, 0.0, 3.0, NAN, 1.0, 1.0, NAN, NAN]  # two groups of four
OUTCOME = [1.0, 0.0, 0.0, 1.0, 0.0, NAN, 1.0, NAN]


def given(name: str, weight: float, values: list[float], part: str = "x") -> PartFunction:
    """A reward function with these values, in the order of the completions."""

    async def shared(*args, **columns):
        return {part: [None if math.isnan(value) else value for value in values]}

    return PartFunction(name, weight, lambda row: True, part, shared)


def advantages(base: str, folder: Path, functions: list, aggregate: str):
    """What TRL makes of the functions' values, and what is logged."""
    from datasets import Dataset
    from trl import GRPOConfig

    from rlkd_cli.training.model import load_tokenizer

    arguments = GRPOConfig(
        str(folder), num_generations=4, max_completion_length=2, per_device_train_batch_size=8,
        multi_objective_aggregation=AGGREGATION[aggregate], use_cpu=True, bf16=False,
        reward_weights=[getattr(f, "weight", 1.0) for f in functions], report_to=[],
    )  # fmt: skip
    rows = [{"prompt": [{"role": "user", "content": "1"}], "row": i // 4} for i in range(8)]
    trainer = TimedTrainer(
        base, functions, arguments, Dataset.from_list(rows), processing_class=load_tokenizer(base)
    )
    trainer.model.train()
    found = trainer._generate_and_score_completions(rows)
    return found["advantages"].tolist(), trainer._metrics["train"]


def literal(parts: list[tuple[float, list[float]]], group: int = 4) -> list[float]:
    """GDPO by hand: each part in its group, weighted, summed, and the sums over the batch."""
    sums, known = [0.0] * 8, [False] * 8
    for weight, values in parts:
        for first in range(0, 8, group):
            rows = [i for i in range(first, first + group) if not math.isnan(values[i])]
            for i in rows:
                known[i] = True
            if len(rows) < 2:
                continue
            mean = sum(values[i] for i in rows) / len(rows)
            deviation = math.sqrt(sum((values[i] - mean) ** 2 for i in rows) / (len(rows) - 1))
            for i in rows:
                sums[i] += weight * (values[i] - mean) / (deviation + 1e-4)
    own = [sums[i] for i in range(8) if known[i]]
    mean = sum(own) / len(own)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in own) / (len(own) - 1))
    return [(sums[i] - mean) / (deviation + 1e-4) if known[i] else 0.0 for i in range(8)]


def test_normalize_is_its_definition_and_leaves_out_the_missing_part_alone(base, tmp_path) -> None:
    functions = [given("structured_reward", 0.5, STRUCTURE), given("outcome_reward", 2, OUTCOME)]
    found, logged = advantages(base, tmp_path, functions, "normalize")
    assert found == pytest.approx(literal([(0.5, STRUCTURE), (2, OUTCOME)]), abs=1e-4)
    assert found[3] != 0 and found[7] == 0  # one part is missing; both are
    assert logged["structured_reward/missing"] == [3 / 8]
    assert logged["outcome_reward/missing"] == [2 / 8]


def test_sum_gives_the_numbers_of_one_function_that_returns_the_total(base, tmp_path) -> None:
    total = [15 * s + 0.3 * o for s, o in zip(STRUCTURE, OUTCOME, strict=True)]
    parts = [given("structured_reward", 0, STRUCTURE), given("outcome_reward", 0, OUTCOME)]
    whole = given("total_reward", 1, total, "total")
    found, logged = advantages(base, tmp_path, [whole, *parts], "sum")
    alone, before = advantages(base, tmp_path, [whole], "sum")
    assert found == alone and found[3] == found[6] == 0 and found[0] != 0
    for name in ("reward", "reward_std", "frac_reward_zero_std"):
        assert logged[name] == before[name]


def test_how_each_part_is_spread() -> None:
    import torch

    values = torch.tensor([STRUCTURE, OUTCOME, [NAN] * 8]).T
    expected = torch.ones(8, 3, dtype=torch.bool)
    expected[4:, 1] = expected[:, 2] = False  # the second problem has no answer
    found = part_statistics(values, expected, 4, ["s", "o", "none"])
    assert found["s/missing"] == 3 / 8 and found["o/missing"] == 0
    assert found["s/group_deviation"] == pytest.approx(math.sqrt(7 / 3) / 2)
    assert found["s/constant_groups"] == 0.5 and found["o/constant_groups"] == 0
    assert not any(name.startswith("none") for name in found)


def test_both_ways_train_and_are_plotted(rlkd, base, world) -> None:
    flags = ["--method", "grpo", "--student", base, *STUDENT, "--format-weight", "1"]
    for name in ("sum", "normalize"):
        more = ["--aggregate", name, "--plot", f"{name}.svg", "--steps", "1"]
        assert rlkd("distill", world / "teacher.jsonl", "-o", name, *flags, *more).status == 0
        entry = read(Path(name, "metrics.jsonl"))[0]
        for part in ("outcome_reward", "format_reward"):
            assert entry[f"{part}/missing"] == 0 and f"rewards/{part}/mean" in entry
        assert "constant groups" in Path(f"{name}.svg").read_text()
    flags[1] = "ppo"
    refused = rlkd("distill", world / "teacher.jsonl", "-o", "p", *flags, "--aggregate=normalize")
    assert refused.status == 2 and "no groups" in refused.err
