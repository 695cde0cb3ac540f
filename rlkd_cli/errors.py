"""The errors, and the exit status each one stands for.

RlkdError                 anything that ends a command with a message and no traceback
├── UsageError      (2)   a bad option, a missing key, a model that cannot be opened
│   └── InputError  (2)   bad input: says file, line and field
├── ModelError      (1)   a model or server that cannot be used (wrong key, out of memory)
│   └── Unavailable (1)   a server that is unavailable: the run ends early and can be continued
├── MissingReward   (1)   a reward that another trainer asked for and that could not be had
└── OutputError     (1)   an output that cannot be written

RecordError               one record could not be done: it becomes a reject, the command goes on
"""

from typing import Any

# Exit statuses: done, but some records were rejected; interrupted, with what is finished kept
REJECTED, INTERRUPTED = 3, 130


class RlkdError(Exception):
    """Ends the command; the user sees its text, one line."""

    exit_status = 1


class UsageError(RlkdError):
    """The command as typed cannot run."""

    exit_status = 2


class InputError(UsageError):
    """Bad input: `where` is `file:line`, `field` may be "".

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
        """A model that cannot be loaded, with the library's whole reason on one line."""
        reason = " ".join(str(error).split()) or type(error).__name__
        return cls(f"{name}: cannot be loaded: {reason}")


class Unavailable(ModelError):
    """A server that refused connections, or all requests, for longer than it was waited for.

    Nothing is rejected for it: what is finished is kept, and the same command goes on from there.
    """


class MissingReward(RlkdError):
    """A reward that could not be computed: trainers that know no missing reward must not get 0."""


class OutputError(RlkdError):
    """An output file that cannot be written or continued."""


class RecordError(Exception):
    """One record failed: `code` is short and stable, `detail` is a sentence for the user.

    `reply` is what a model wrote, where that could not be read.
    """

    def __init__(self, code: str, detail: str, reply: str | None = None) -> None:
        self.code, self.detail, self.reply = code, detail, reply
        super().__init__(f"{code}: {detail}")
