"""Conversations as records: the last question, and the last reply with the reasoning that led to
it.
"""

import re
from collections.abc import Mapping
from typing import Any

from rlkd_cli.core.thinking import as_think, join, split
from rlkd_cli.records.schema import Raw

# Where chat rows keep the reasoning apart from the reply's content
REASONING = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
THINKING = ("thinking", "reasoning", "thought")  # how the type of a part of it begins
_ASKS, _SAYS = ("user", "human"), ("assistant", "gpt")
_SOLUTION = re.compile(r"<\|(begin|end)_of_solution\|>")  # OpenThoughts' own tags
_ANSWER = re.compile(r"\s*<answer>(.*)</answer>\s*\Z", re.DOTALL)  # AM-DeepSeek's


def chat(turns: Any, role: str, content: str) -> Raw:
    """`problem` and `path` of a conversation whose turns have these two keys; null where there is
    none.
    """
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        return {"problem": None, "path": None}
    last = max((i for i, turn in enumerate(turns) if turn.get(role) in _SAYS), default=len(turns))
    before = [i for i, turn in enumerate(turns[:last]) if turn.get(role) in _ASKS]
    asked = [turns[i] for i in before]
    said = [turn for turn in turns[before[-1] if before else 0 :] if turn.get(role) in _SAYS]
    problem = parts_of(asked[-1].get(content))[1] if asked else None
    paths = [path for turn in said if (path := _path(turn, content)) is not None]
    found: Raw = {"problem": problem, "path": "\n\n".join(paths) if paths else None}
    info = asked[-1].get("info") if asked else None
    if isinstance(info, dict) and info.get("reference_answer") is not None:  # AM-DeepSeek
        found["answer"] = info["reference_answer"]
    return found


def _path(turn: Raw, content: str) -> str | None:
    """A reply as a path: its reasoning, in tags, and then its text."""
    thought, text = thinking_of(turn, content), parts_of(turn.get(content))[1]
    if text is None and not thought:
        return None
    text = _SOLUTION.sub("", as_think(text or "")).strip()
    inner, rest = split(text)
    if inner and (answer := _ANSWER.match(rest)):
        text = join(inner, answer.group(1).strip())
    return join(thought, text) if thought and not inner else text


def thinking_of(turn: Mapping[str, Any], content: str = "content") -> str:
    """The reasoning of a reply that stands beside its content, or in parts of it; "" for none."""
    apart = next(filter(None, (_reasoning(turn.get(name)) for name in REASONING)), "")
    return apart or parts_of(turn.get(content))[0]


def _reasoning(given: Any) -> str:
    """Reasoning beside a content: a text, or a list of parts."""
    thoughts, texts = parts_of(given)
    return "\n".join(filter(None, (thoughts, texts)))


def parts_of(content: Any) -> tuple[str, str | None]:
    """(thinking, text) of a content, which is a text or a list of parts, each of a type."""
    if not isinstance(content, list):
        return "", content if isinstance(content, str) else None
    thoughts, texts = [], []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            thoughts += [part[name] for name in REASONING if isinstance(part.get(name), str)]
            into = thoughts if str(part.get("type")).startswith(THINKING) else texts
            into += [part["text"]] if isinstance(part.get("text"), str) else []
    return "\n".join(thoughts), "".join(texts) if texts else None
