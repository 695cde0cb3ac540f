"""The bodies of each trainer: what is asked in them, and how an answer is written.

A protocol is a function from a body to what it asks, one from the records to the answer, and the
seconds its trainer waits. A body that cannot be read is a RecordError, which becomes status 400.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlkd_cli.core.thinking import join
from rlkd_cli.errors import RecordError
from rlkd_cli.records.schema import Raw
from rlkd_cli.reward import openrlhf, slime
from rlkd_cli.reward.engine import Asked
from rlkd_cli.reward.texts import completion_text, content_of, is_assistants, named, response_of

UNFINISHED = ("failed", "incomplete", "cancelled")  # of a response's status


@dataclass(frozen=True)
class Protocol:
    """A path of the server. `is_whole`: one missing reward makes the whole answer a 503."""

    read: Callable[[Raw], list[Asked]]
    answer: Callable[[Raw, list[Raw]], Any]
    deadline: float | None = None
    is_whole: bool = True


def bad(detail: str) -> RecordError:
    """A body that is not what its path takes."""
    return RecordError("bad_request", detail)


def _text(body: Mapping[str, Any], name: str, where: str = "") -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise bad(f"{where}{name}: a text is needed")
    return value


def _list(body: Raw, name: str, count: int | None = None) -> list[Any]:
    value = body.get(name)
    if not isinstance(value, list) or (count is not None and len(value) != count):
        more = "" if count is None else f" of {count}"
        raise bad(f"{name}: a list{more} is needed")
    return value


def _items(body: Raw) -> list[Asked]:
    """`{"items": [{"id", "label" or "problem", "path", "sample"}]}`."""
    return [_item(item, f"items[{number}]") for number, item in enumerate(_list(body, "items"))]


def _item(item: Any, where: str) -> Asked:
    if not isinstance(item, dict):
        raise bad(f"{where}: an object is needed")
    path, sample, problem = (
        _text(item, "path", f"{where}."),
        item.get("sample"),
        item.get("problem"),
    )
    if all(item.get(name) is None for name in ("id", "label", "problem")):
        raise bad(f"{where}: id, label or problem is needed")
    if problem is not None and not isinstance(problem, str):
        raise bad(f"{where}.problem: a text is needed")
    if not isinstance(item.get("id"), str | int | None) or isinstance(item.get("id"), bool):
        raise bad(f"{where}.id: a text or an integer is needed")
    if sample is not None and (not isinstance(sample, int) or isinstance(sample, bool)):
        raise bad(f"{where}.sample: an integer is needed")
    return Asked(path, item.get("id"), problem, item.get("label"), sample or 0)


def _openrlhf(body: Raw) -> list[Asked]:
    """`{"query": [prompt and response], "prompts": […], "labels": […]}`."""
    queries = _list(body, "query")
    prompts, labels = (_list(body, name, len(queries)) for name in ("prompts", "labels"))
    if not all(isinstance(text, str) for text in (*queries, *prompts)):
        raise bad("query and prompts: texts are needed")
    rows = zip(queries, prompts, labels, strict=True)
    return [Asked(response_of(q, p), label=label, problem=p) for q, p, label in rows]


def _slime(body: Raw) -> list[Asked]:
    """`{"prompt", "response", "label"}`."""
    row = {"label": body.get("label")}
    path = completion_text(_text(body, "response"))
    return [Asked(path, **_named(row, body.get("prompt"), "prompt"))]


def _nemo_gym(body: Raw) -> list[Asked]:
    """`{"responses_create_params", "response", …}`: a row of the data and a model's response."""
    params, response = body.get("responses_create_params"), body.get("response")
    if not isinstance(params, dict) or not isinstance(response, dict):
        raise bad("responses_create_params and response: objects are needed")
    about = body.get("verifier_metadata")
    row = {**(about if isinstance(about, dict) else {}), **body}
    name = _named(row, params.get("input"), "input")
    if response.get("status") in UNFINISHED and not response.get("output"):
        return [Asked(None, **name)]
    return [Asked(completion_text(_response_text(_list(response, "output"))), **name)]


def _response_text(output: Sequence[Any]) -> str:
    """The path in a response's items: its reasoning, and the assistant's messages."""
    kinds = [_kind(item, f"output[{number}]") for number, item in enumerate(output)]
    items = list(zip(kinds, output, strict=True))
    thoughts = [item for kind, item in items if kind == "reasoning"]
    said = [item for kind, item in items if kind == "message" and is_assistants(item)]
    thinking = [
        content_of({"content": item.get("content") or item.get("summary")}) for item in thoughts
    ]
    return join("\n".join(filter(None, thinking)), "\n".join(map(content_of, said)))


def _kind(item: Any, where: str) -> str:
    """A response item's type, `message` where it has a role alone; calls of tools have others."""
    if not isinstance(item, dict):
        raise bad(f"{where}: an object is needed")
    kind = item.get("type", "message" if "role" in item else None)
    if not isinstance(kind, str):
        raise bad(f"{where}.type: a text is needed")
    texts = [item.get(name) for name in ("content", "summary")]
    if kind in ("message", "reasoning") and not all(map(_is_content, texts)):
        raise bad(f"{where}.content: a text or a list of parts is needed")
    return kind


def _is_content(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(part, dict) for part in value)
    return value is None or isinstance(value, str)


def _named(row: Raw, prompt: Any, where: str) -> dict[str, Any]:
    """How a body names its problem."""
    found = named(row, _messages(prompt, where))
    if found["problem"] is not None and not isinstance(found["problem"], str):
        raise bad("problem: a text is needed")
    return found


def _messages(prompt: Any, name: str) -> Any:
    if prompt is not None and not isinstance(prompt, str | list):
        raise bad(f"{name}: a text or a list of messages is needed")
    return prompt


PROTOCOLS = {
    "/v1/reward": Protocol(_items, lambda body, records: {"scores": records}, is_whole=False),
    "/openrlhf": Protocol(
        _openrlhf, lambda body, records: openrlhf.answer(records), openrlhf.DEADLINE
    ),
    "/slime": Protocol(_slime, lambda body, records: records[0]["total"], slime.DEADLINE),
    "/verify": Protocol(_nemo_gym, lambda body, records: {**body, "reward": records[0]["total"]}),
}
