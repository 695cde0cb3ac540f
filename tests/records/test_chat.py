"""Conversations as records."""

from rlkd_cli.records.chat import chat

ASKED = {"role": "user", "content": "2+2?"}


def said(**reply: object) -> dict:
    return chat([ASKED, {"role": "assistant", **reply}], "role", "content")


def test_the_last_question_and_the_last_reply() -> None:
    turns = [
        {"from": "human", "value": "1+1?"},
        {"from": "gpt", "value": "2"},
        {"from": "human", "value": "2+2?"},
        {"from": "gpt", "value": "4"},
    ]
    assert chat(turns, "from", "value") == {"problem": "2+2?", "path": "4"}


def test_a_question_without_a_reply_is_left_out() -> None:
    turns = [ASKED, {"role": "assistant", "content": "4"}, {"role": "user", "content": "3+3?"}]
    assert chat(turns, "role", "content") == {"problem": "2+2?", "path": "4"}


def test_a_reply_in_several_turns_is_one() -> None:
    reply = [{"role": "assistant", "content": text} for text in ("Two and two", "4")]
    assert chat([ASKED, *reply], "role", "content")["path"] == "Two and two\n\n4"


def test_reasoning_beside_the_content_comes_first() -> None:
    whole = "<think>\ntwo and two\n</think>\n\n4"
    for name in ("reasoning_content", "reasoning", "thinking"):
        assert said(content="4", **{name: "two and two"})["path"] == whole
    for name in ("reasoning_content", "reasoning_details"):
        assert said(content="4", **{name: [{"text": "two and two"}]})["path"] == whole
    parts = [{"type": "thinking", "thinking": "two and two"}, {"type": "text", "text": "4"}]
    assert said(content=parts)["path"] == whole
    parts[0] = {"type": "reasoning", "text": "two and two"}
    assert said(content=parts)["path"] == whole


def test_thinking_that_stands_in_the_content_is_not_doubled() -> None:
    content = "<think>\na\n</think>\n\n4"
    assert said(content=content, reasoning_content="a")["path"] == content


def test_tags_of_data_sets_are_read() -> None:
    thought, solution = "<|begin_of_thought|>a<|end_of_thought|>", "<|begin_of_solution|>4"
    path = said(content=f"{thought}\n\n{solution}<|end_of_solution|>")["path"]
    assert path.startswith("<think>") and path.endswith("4") and "solution" not in path
    tagged = said(content="<think>a</think>\n<answer>4</answer>")["path"]
    assert tagged == "<think>\na\n</think>\n\n4"


def test_what_is_no_conversation_has_neither() -> None:
    nothing = {"problem": None, "path": None}
    assert chat("text", "role", "content") == chat(["text"], "role", "content") == nothing
    assert said(content=None)["path"] is None
    assert chat([], "role", "content") == nothing


def test_a_reference_answer_beside_the_question() -> None:
    asked = {**ASKED, "info": {"reference_answer": "4"}}
    assert chat([asked], "role", "content") == {"problem": "2+2?", "path": None, "answer": "4"}
