"""Secrets out of what is printed or written. Decisions are made on the text as it came, before."""

import os
import re

_WHOLE = 8  # characters; a shorter key is hidden where it stands as a word of its own
_used: set[str] = set()  # keys and passwords that this process has asked a server with


def remember(secret: str) -> None:
    """From now on `secret` is hidden, whatever variable or address it came from."""
    if secret.strip():
        _used.add(secret.strip())


def secrets() -> list[str]:
    """Every secret that is known, the longest first: those used, and every *_API_KEY variable."""
    named = (v.strip() for name, v in os.environ.items() if name.upper().endswith("_API_KEY"))
    return sorted(_used.union(filter(None, named)), key=len, reverse=True)


def hide_keys(text: str) -> str:
    """The text with *** for every secret in it; for a secret of one word, where it is a word."""
    for secret in secrets():
        pattern = re.escape(secret)
        if len(secret) < _WHOLE:
            pattern = rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"
        text = re.sub(pattern, "***", text)
    return text
