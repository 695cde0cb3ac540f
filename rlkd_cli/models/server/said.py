"""What an error body says, whatever its shape: its codes, its words, its parameter."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_CODES = frozenset(
    ("code", "type", "status", "reason", "error_code", "errorcode", "err_code", "quotaid", "error")
)
_WORDS = frozenset(
    (
        *("message", "msg", "detail", "error", "error_description", "error_msg", "errormessage"),
        *("error_message", "reason", "title", "description", "raw", "errors", "fault"),
        "status_msg",
    )
)
_SKIP = frozenset(("input", "ctx", "request", "url", "request_id", "choices", "usage", "object"))
_LONGEST = 500  # characters of a server's words that are shown
_DEPTH = 8


def plain(name: str) -> str:
    """A code for comparing: lower case, letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


@dataclass(frozen=True)
class Said:
    """`codes` are written as `plain` does; `status` is an HTTP status that the body names.

    `param` is the request's field that it is about ("" where it does not say), `delay` a wait in
    seconds that stands in a field of its own.
    """

    codes: tuple[str, ...] = ()
    text: str = "no reason given"
    status: int | None = None
    param: str = ""
    delay: float | None = None

    @classmethod
    def of(cls, body: Any) -> "Said":
        """From a response's bytes, or from JSON that stands inside one."""
        if isinstance(body, bytes):
            raw = body.decode("utf-8", "replace")
            body = _json(raw)
            if not isinstance(body, dict | list):
                bare = re.sub(
                    r"<(style|script).*?</\1>|<[^>]*>", " ", raw[:20_000], flags=re.DOTALL
                )
                return cls(text=_line([bare]))
        pairs = [*_walk(body)]
        codes = [str(v) for key, v in pairs if key in _CODES and isinstance(v, str | int)]
        status = next((n for c in codes if c.isdigit() and 400 <= (n := int(c)) < 600), None)
        words = [v for key, v in pairs if key in _WORDS and isinstance(v, str) and v.strip()]
        delays = (_seconds(v) for key, v in pairs if key in ("retrydelay", "retry_after"))
        return cls(
            tuple(dict.fromkeys(plain(code) for code in codes if not code.isdigit())),
            _line(words or [code for code in codes if not code.isdigit()]),
            status,
            next((v for key, v in pairs if key == "param" and isinstance(v, str)), ""),
            next((delay for delay in delays if delay is not None), None),
        )


def _walk(node: Any, key: str = "message", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """(field in lower case, value) of everything that is no object or list, outermost first.

    The items of a list go by the list's field; text that is JSON (OpenRouter hands on what its
    provider said so) is read as well; a validation error's `loc` names the field it is about.
    """
    if depth > _DEPTH:
        return
    if isinstance(node, list):
        for item in node:
            yield from _walk(item, key, depth + 1)
    elif isinstance(node, dict):
        if "flagged_input" in node:
            yield "code", "flagged_input"
        if isinstance(loc := node.get("loc"), list) and loc:
            yield "param", str(loc[-1])
            yield "message", ".".join(map(str, loc))
        inner = []
        for name, value in node.items():
            if isinstance(value, dict | list):
                inner.append((str(name).lower(), value))
            elif str(name).lower() not in _SKIP:
                yield from _walk(value, str(name).lower(), depth + 1)
        for name, value in inner:
            if name not in _SKIP and name != "loc":
                yield from _walk(value, name, depth + 1)
    elif isinstance(node, str) and isinstance(inside := _json(node), dict):
        yield from _walk(inside, key, depth + 1)
    else:
        yield key, node


def _json(text: str) -> Any:
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _seconds(value: Any) -> float | None:
    """ "36s", "1.5" or a number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    found = re.fullmatch(r"(\d+(?:\.\d+)?)s?", value) if isinstance(value, str) else None
    return float(found.group(1)) if found else None


def _line(words: list[str]) -> str:
    """The words on one line, each once."""
    text = ": ".join(dict.fromkeys(" ".join(word.split()) for word in words if word.strip()))
    return text[:_LONGEST] or "no reason given"
