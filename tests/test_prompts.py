"""The prompts as they are shipped."""

from tests.conftest import ROOT


def test_examples_in_prompts_are_parsed() -> None:
    from rlkd_cli.core.steps import parse

    for domain in ("math", "code", "science", "puzzle"):
        text = (ROOT / f"rlkd_cli/prompts/segment_{domain}.txt").read_text("utf-8")
        examples = [part.split("\n\nExample")[0] for part in text.split("Steps:\n")[1:]]
        assert len(examples) >= 2 and all(len(parse(example)) >= 2 for example in examples)
