"""The process's standard streams where they are closed or full: one line, and no warning of the
interpreter.
"""

import io
import os
import sys
from contextlib import suppress

from rlkd_cli.errors import OutputError


class Closed(io.TextIOBase):
    """Standard output that is closed: whoever writes is told so."""

    def writable(self) -> bool:
        return False

    def write(self, text: str) -> int:
        raise OutputError("standard output is closed; -o FILE names a file")


def open_standard() -> None:
    """Puts something in place of closed streams, so that no file gets their numbers, and their
    lines.
    """
    while sys.stdin is None or sys.stdout is None or sys.stderr is None:
        number = os.open(os.devnull, os.O_RDWR)
        if number > 2:
            os.close(number)
            break
    sys.stdout = sys.stdout if sys.stdout is not None else Closed()
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")


def settle_output() -> str | None:
    """Writes out what standard output still holds; why it took no more, if so.

    It then leads nowhere, or the flush at the interpreter's exit would complain once more.
    """
    try:
        sys.stdout.flush()
        return None
    except OSError as error:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        is_gone = isinstance(error, BrokenPipeError)
        return f"standard output: {'closed by its reader' if is_gone else error.strerror}"
