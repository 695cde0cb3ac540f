"""What tells a model from another of the same name."""

import json
from pathlib import Path

from rlkd_cli.models.fingerprint import gsrm_prompt, model_fingerprint


def test_a_folder_is_known_by_its_contents_and_a_server_by_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    first = model_fingerprint(f"hf/{tmp_path}")
    assert first and model_fingerprint(f"vllm/{tmp_path}") == first
    (tmp_path / "notes.txt").write_text("no part of the model")
    assert model_fingerprint(f"hf/{tmp_path}") == first
    (tmp_path / "config.json").write_text('{"a": 1}')
    assert model_fingerprint(f"hf/{tmp_path}") not in (first, None)
    for spec in ("http://h:1/v1#m", "openai/gpt-4o", "nobody/has-this"):
        assert model_fingerprint(spec) is None


def test_recorded_replies_are_known_by_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").write_text("y")
    a, b = (model_fingerprint(f"replay/{tmp_path}/{name}") for name in "ab")
    assert a and b and a != b


def test_a_gsrm_folder_has_its_prompt_with_it(tmp_path: Path) -> None:
    assert gsrm_prompt(f"hf/{tmp_path}") is None
    (tmp_path / "gsrm.json").write_text(json.dumps({"prompt": "Steps of {path}"}))
    assert gsrm_prompt(f"hf/{tmp_path}") == "Steps of {path}"
    assert gsrm_prompt("http://h:1/v1#m") is None
