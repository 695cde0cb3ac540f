"""The positions that a model has, and how they are extended."""

import json
from pathlib import Path

import pytest

from rlkd_cli.errors import UsageError
from tests.conftest import write
from tests.training.test_knobs import SHORT, problems
from tests.zoo.test_trainings import loaded


def configured(model: Path, folder: Path, **more: object) -> str:
    """A model's configuration with other positions, and nothing else."""
    folder.mkdir()
    own = json.loads((model / "config.json").read_text())
    own |= {"rope_parameters": own["rope_parameters"] | more.pop("rope", {}), **more}
    (folder / "config.json").write_text(json.dumps(own))
    return str(folder)


def extended(name: str, factor: float | None = None, needed: int = 10) -> dict:
    from rlkd_cli.training.context import check_context, rope_changes
    from rlkd_cli.training.gsrm.options import GsrmTraining

    options = GsrmTraining(output=Path("g"), yarn=factor)
    check_context(name, options, needed)
    return rope_changes(name, options, needed)


def test_yarn_scales_what_the_configuration_calls_the_original(zoo, tmp_path) -> None:
    scaled = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 256}
    rope = scaled | {"attention_factor": 1.1386}
    name = configured(zoo("qwen2.5-base"), tmp_path / "yarn", rope=rope)
    new = extended(name, 8)
    assert new["max_position_embeddings"] == 2048
    found = {k: v for k, v in new["rope_parameters"].items() if k != "rope_theta"}
    assert found == {**scaled, "factor": 8}
    with pytest.raises(UsageError, match="extended already, 4 times 256 tokens"):
        extended(name, 4)


def test_yarn_is_not_put_over_scaling_of_another_kind(zoo, tmp_path) -> None:
    rope = {"rope_type": "llama3", "factor": 4.0, "original_max_position_embeddings": 256}
    rope |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
    name = configured(zoo("llama3"), tmp_path / "llama", rope=rope)
    with pytest.raises(UsageError, match=r"scaled already \(llama3\)"):
        extended(name, 4)
    with pytest.raises(UsageError, match=r"extend it by --rope-theta$"):
        extended(name, None, 5000)


def test_scaling_that_is_declared_counts_where_positions_were_left(rlkd, zoo, tmp_path) -> None:
    rope = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024}
    name = configured(zoo("qwen2.5-base"), tmp_path / "qwen", rope=rope)
    extended(name, None, 4096)
    with pytest.raises(UsageError, match=r"context of 4,096 tokens .* --rope-theta or --yarn"):
        extended(name, None, 4097)
    from transformers import AutoConfig

    from rlkd_cli.models.local.positions import context_of

    assert context_of(AutoConfig.from_pretrained(name)) == 4096


@pytest.mark.parametrize("way", [["--yarn", 4], ["--rope-theta", 300_000]])
def test_a_gemma_3_is_extended_where_it_sees_everything(rlkd, zoo, way: list) -> None:
    data, student = write(Path("t.jsonl"), problems(4)), zoo("gemma3")
    flags = ["--method", "sft", "--student", student, *SHORT, "--steps", 1]
    result = rlkd("distill", data, "-o", "s", *flags, "--max-prompt-length", 3000, *way)
    assert result.status == 0, result.err
    config = loaded(Path("s"))[0].config
    if "--yarn" in way:
        assert config.rope_parameters["full_attention"]["rope_type"] == "yarn"
        assert config.max_position_embeddings == 4096
    else:
        assert config.rope_parameters["full_attention"]["rope_theta"] == 300_000
    assert config.rope_parameters["sliding_attention"]["rope_type"] == "default"


def test_a_dry_run_says_how_positions_are_extended(rlkd, zoo) -> None:
    data = write(Path("t.jsonl"), problems(4))
    flags = ["--method", "grpo", "--student", zoo("qwen3"), *SHORT, "--dry-run", "--yarn", 2]
    assert "YaRN x 2 of 1,024" in rlkd("distill", data, "-o", "s", *flags).err
    flags = ["--method", "grpo", "--student", zoo("gpt2"), *SHORT, "--dry-run", "--max-tokens", 90]
    result = rlkd("distill", data, "-o", "s", *flags)
    assert result.status == 2 and "--yarn" not in result.err
