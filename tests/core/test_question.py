"""How a problem becomes a question."""

import asyncio

from rlkd_cli.core.question import PROTOCOLS, question
from rlkd_cli.pipeline.evaluate import Evaluator
from rlkd_cli.reward.grading.grader import Grader


def test_protocols_differ_in_prompt_and_extraction(grader: Grader) -> None:
    record = {"problem": "What is 3 + 4?", "answer": "7"}
    letter = {"problem": "Which?", "answer": "B", "choices": ["x", "y", "z", "u", "v"]}
    texts = {name: question(record, protocol=name) for name in PROTOCOLS}
    assert len(set(texts.values())) == 4 and all("What is 3 + 4?" in t for t in texts.values())
    assert "one of ABCDE." in question(letter, protocol="lighteval")
    assert "boxed{A/B/C/D/E}" in question(letter, protocol="nemo-skills")
    assert "0 and 999" in question(record, protocol="matharena", kind="integer")
    row = {"id": 1, "answer": "7", "path": "<think>\\boxed{7}</think> So it is 7."}
    by = {
        name: asyncio.run(Evaluator(grader, protocol=name)(row))["correct"]
        for name in ("deepseek", "nemo-skills")
    }
    assert by == {"deepseek": False, "nemo-skills": True}


def test_a_template_goes_before_the_protocol() -> None:
    record = {"problem": "a {problem} b", "answer": "B", "choices": ["x", "y"]}
    assert question(record, "Q: {problem}") == "Q: a {problem} b"


def test_the_kind_of_answer_chooses_the_prompt() -> None:
    letter = {"problem": "p", "answer": "B"}
    assert 'a line "Answer: LETTER"' in question(letter)
    assert "boxed" in question(letter, kind="math")
    assert "one of ABCD." in question({"problem": "p"}, protocol="lighteval", kind="letter")
    assert "0 and 999" not in question({"problem": "p", "answer": "7"}, protocol="matharena")
