"""What can go wrong, and what it means for the exit status.

RlkdError                 anything that ends a command with a message and no traceback
├── UsageError      (2)   a bad option, a missing key, a model that cannot be opened
│   └── InputError  (2)   bad input: says file, line and field
├── ModelError      (1)   a model or server that cannot go on (wrong key, no such model, no memory)
└── OutputError     (1)   an output that cannot be written

RecordError               one record could not be done: it becomes a reject, the command goes on
"""

from typing import Any

REJECTED, INTERRUPTED = (
    3,
    130,
)  # exit statuses: done but for some records; stopped, with what is finished kept


class RlkdError(Exception):
    """Ends the command; its text is what the user reads, one line."""

    exit_status = 1


class UsageError(RlkdError):
    """The command as typed cannot run."""

    exit_status = 2


class InputError(UsageError):
    """Bad input at a place: `where` is `file:line`, `field` may be empty.

    `text` is a line that is no JSON; `value` is what stands there instead of a record, as JSON.
    """

    def __init__(
        self, where: str, field: str, reason: str, text: str = "", value: Any = None
    ) -> None:
        self.where, self.field, self.reason, self.text = where, field, reason, text
        self.value = value
        super().__init__(": ".join(part for part in (where, field, reason) if part))


class ModelError(RlkdError):
    """No further request to this model can succeed."""

    @classmethod
    def loading(cls, name: str, error: Exception) -> "ModelError":
        """A model that cannot be loaded, with the first line of the library's reason."""
        return cls(f"{name}: cannot be loaded: {str(error).strip().splitlines()[0]}")


class OutputError(RlkdError):
    """An output file that cannot be written or continued."""


class RecordError(Exception):
    """What could not be done for one record: `code` is short and stable, `detail` is for people.

    `reply` is what a model wrote, where that could not be read.
    """

    def __init__(self, code: str, detail: str, reply: str | None = None) -> None:
        self.code, self.detail, self.reply = code, detail, reply
        super().__init__(f"{code}: {detail}")
