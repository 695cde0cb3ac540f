"""The reply in a chat completion's JSON: its text, its thinking, why it ended, what was chosen."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rlkd_cli.core.thinking import ends_closed, split
from rlkd_cli.errors import RecordError
from rlkd_cli.models.base import Reply, Sampling, choice_probabilities, cut_at
from rlkd_cli.models.server.faults import REJECT, RETRY, SERVERS_FAULT, Fault, fault_of
from rlkd_cli.models.usage import spend
from rlkd_cli.records.chat import REASONING, THINKING

# What servers call the end that a text came to by itself, and the end that a limit brought
STOPPED = frozenset(
    (
        *("stop", "stop_sequence", "stop_token", "stop_str", "eos", "eos_token", "done"),
        *("end", "end_turn", "end_of_turn", "end_of_text", "complete", "completed"),
        *("finish", "finished"),
    )
)
CUT = frozenset(
    (
        *("length", "max_tokens", "max_length", "max_output_tokens", "max_new_tokens"),
        *("max_completion_tokens", "model_length", "token_limit"),
        "model_context_window_exceeded",
    )
)
_INSTEAD = ("message", "msg", "detail", "errors", "base_resp")  # where errors stand without `error`
THINKS = "cut_thinking"  # a model that was to choose at once, and was cut off while it thought


def read(response: Any, sampling: Sampling, model: str) -> Reply:
    """The reply in a response's JSON; what it cost goes on the bill of `model`.

    Fault where there is none: an error in its place, a text that neither ended nor reached its
    limit, a refusal, an empty message. RecordError for one that is not among the choices.
    """
    if isinstance(response, list) and response and isinstance(response[0], dict):
        response = response[0]  # as Gemini wraps its errors
    if not isinstance(response, dict):
        raise Fault(RETRY, "bad_response", "the response holds no message")
    usage = response.get("usage")
    tokens_in, tokens_out = (_count(usage, f"{kind}_tokens") for kind in ("prompt", "completion"))
    spend(model, tokens_in=tokens_in, tokens_out=tokens_out)
    choice = _choice(response)
    message = choice["message"]
    text, thinking, refusal = _parts(message)
    finish = _finish(choice, text, tokens_out, sampling)
    if not text.strip():
        if refusal:
            raise Fault(REJECT, "refused", refusal)
        reasoned = _count(_details(usage), "reasoning_tokens")
        if not (finish == "length" and (thinking or reasoned)):  # cut off in its thinking
            raise Fault(RETRY, "empty_reply", "the message is empty")
        text = ""
    text, stopped = cut_at(text, sampling.stop)
    seen = _first_token(choice) if sampling.probabilities else {}
    probabilities = (
        choice_probabilities(sampling.choices, seen, model) if sampling.probabilities else ()
    )
    if sampling.choices:
        chosen = chosen_of(text, sampling.choices)
        if not chosen and finish == "length" and (thinking or not split(text)[1].strip()):
            raise Fault(REJECT, THINKS, f"cut off while thinking, after {tokens_out} tokens")
        if not chosen and not probabilities:
            raise RecordError("unreadable_verdict", _unread(text, sampling))
        text = chosen
    reason = "stop" if stopped else finish
    return Reply(text, reason, tokens_in, tokens_out, thinking, probabilities)


def _choice(response: Mapping[str, Any]) -> dict[str, Any]:
    """The first choice, which holds a message. Fault for an error in its place, or nothing."""
    choices = response.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    for holder in (response, choice, choice.get("message") if isinstance(choice, dict) else None):
        if isinstance(holder, dict) and holder.get("error"):
            raise fault_of(200, {"error": holder["error"]})
    if isinstance(choice, dict) and isinstance(choice.get("message"), dict):
        return choice
    if choice is None and any(response.get(name) for name in _INSTEAD):
        raise fault_of(200, response)
    raise Fault(RETRY, "bad_response", "the response holds no message")


def _finish(choice: Mapping[str, Any], text: str, tokens: int, sampling: Sampling) -> str:
    """ "stop" or "length"; a Fault for every other reason, retried where it is the server's.

    A server that gives no reason leaves it to the text: one as long as its limit, or inside its
    thinking still, was cut; any other is taken for whole.
    """
    given = choice.get("finish_reason")
    if given == "stop" or given == "length":  # what nearly all say
        return str(given)
    if given is None or given == "":
        in_thinking = split(text)[0] and not split(text)[1]
        cut = in_thinking or (tokens and tokens >= sampling.max_tokens)
        return "length" if cut else "stop"
    reason = re.sub(r"[^a-z0-9]+", "_", str(given).lower()).strip("_") or "unnamed"
    reason = reason.removeprefix("finish_reason_")
    if reason in STOPPED:
        return "stop"
    if reason in CUT:
        return "length"
    reason = "refused" if reason == "refusal" else reason
    kind = RETRY if reason in SERVERS_FAULT else REJECT
    raise Fault(
        kind, reason[:40], f"the server stopped the reply with finish_reason {str(given)!r}"
    )


def _parts(message: Mapping[str, Any]) -> tuple[str, str, str]:
    """(text, thinking, refusal) of a message, whose content is a text or a list of parts."""
    content = message.get("content")
    texts, thoughts, refusals = [], list[str](), list[str]()
    if isinstance(content, str):
        texts.append(content)
    elif isinstance(content, list | dict):
        for part in content if isinstance(content, list) else [content]:
            kind = str(part.get("type") or "text") if isinstance(part, dict) else "text"
            if kind.startswith(THINKING):
                thoughts.append(_text(part))
            elif kind == "refusal":
                refusals.append(_text(part))
            elif kind in ("text", "output_text"):
                texts.append(_text(part))
    beside = next((t for name in REASONING if (t := _text(message.get(name))).strip()), "")
    refusals.append(_text(message.get("refusal")))
    return "".join(texts), beside or "".join(thoughts), "".join(refusals).strip()


def _text(node: Any) -> str:
    """The text in a part, however it is wrapped; "" where there is none."""
    if isinstance(node, str):
        return node
    if isinstance(node, list):
        return "".join(map(_text, node))
    if isinstance(node, dict):
        names = ("text", "thinking", "summary", "content", "refusal", "reasoning", "value")
        return next((text for name in names if (text := _text(node.get(name)))), "")
    return ""


def _details(usage: Any) -> Any:
    return usage.get("completion_tokens_details") if isinstance(usage, dict) else None


def _count(usage: Any, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else 0
    return int(value) if isinstance(value, int | float) and 0 <= value < 1e12 else 0


def _first_token(choice: Mapping[str, Any]) -> dict[str, float]:
    """Log-probabilities, by text, of the answer's first token: the one after the thinking."""
    try:
        tokens = (choice.get("logprobs") or {}).get("content") or []
        written, start = "", 0
        for place, token in enumerate(tokens):
            written += str(token["token"])
            if ends_closed(written):
                start = place + 1
        first: Any = next((t for t in tokens[start:] if str(t["token"]).strip()), {})
        return {t["token"]: float(t["logprob"]) for t in first.get("top_logprobs") or []}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def chosen_of(text: str, choices: Sequence[str]) -> str:
    """Which of the choices a text gives, after its thinking; "" where that is not certain.

    It is the whole text, or its last line ("Verdict: yes"), or the first word before a comma or a
    full stop ("No. The second asks for more") where no other choice is named.

    >>> chosen_of("<think>\\n\\n</think>\\n\\nYes.", ("yes", "no"))
    'yes'
    """
    answer = split(text)[1].strip()
    last = answer.rpartition("\n")[2].rpartition(":")[2]
    first = re.match(r"\W*(\w+)\W*?[,.;:!\n]", answer)
    words = {word.lower() for word in re.findall(r"\w+", answer)}
    for candidate in (answer, last):
        for choice in choices:
            if candidate.strip(" \t\n.!\"'*_`()[]{}#").lower() == choice.lower():
                return choice
    named = [choice for choice in choices if choice.lower() in words]
    if first and len(named) == 1 and first.group(1).lower() == named[0].lower():
        return named[0]
    return ""


def _unread(text: str, sampling: Sampling) -> str:
    return f"{text.strip()[-60:]!r} is none of {', '.join(sampling.choices)}"
