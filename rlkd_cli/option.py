"""Options as fields of a dataclass: the name of a flag, what it does, and its default.

    @dataclass(frozen=True, kw_only=True)
    class Rows:
        limit: Annotated[int | None, option("--limit", help="Only the first N records.")] = None

The options of a command are one such dataclass, which inherits the groups it needs. Flags, help,
`rlkd.toml`, environment variables, the manifest of an output, `--dry-run` and the configuration of
a trainer are all read from its fields, so a default and its source are written once.
"""

import dataclasses
import inspect
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from rlkd_cli.errors import UsageError

IO, MODEL, SERVER, RUN, TRAINING = "Input and output", "Model", "Server", "Run", "Training"
REWARD = "Reward"
REWARD_TABLE = "reward"  # of rlkd.toml: the options of rewards in other trainers


@dataclass(frozen=True)
class Option:
    """The description of a flag; without `names` it is a positional argument.

    A `free` option may change between runs that continue the same output, because it does not
    change what is written (concurrency, progress). All others are part of the manifest. `choices`
    are the allowed values.
    """

    names: tuple[str, ...]
    help: str
    panel: str = RUN
    metavar: str | None = None
    min: float | None = None
    max: float | None = None
    choices: tuple[str, ...] = ()
    free: bool = False
    file: str = ""  # what is read (in), written (out), or a name that may be a file (perhaps)


def option(*names: str, help: str, panel: str = RUN, **more: Any) -> Option:
    """A flag: `--name`, and optionally `-n`."""
    return Option(names, help, panel, **more)


def argument(metavar: str, help: str, **more: Any) -> Option:
    """A positional argument."""
    return Option((), help, metavar=metavar, **more)


@dataclass(frozen=True)
class Field:
    """A field that is an option: its Python name, type and default (MISSING if required)."""

    name: str
    type: Any
    default: Any
    option: Option

    @property
    def flag(self) -> str:
        """The name that users type."""
        return self.option.names[0] if self.option.names else str(self.option.metavar)


def fields_of(options: Any) -> Iterator[Field]:
    """The options of a class or an instance: the class's own first, then those of its groups."""
    cls = options if isinstance(options, type) else type(options)
    hints = get_type_hints(cls, include_extras=True)
    own = inspect.get_annotations(cls)
    for field in sorted(dataclasses.fields(cls), key=lambda field: field.name not in own):
        hint = hints[field.name]
        if get_origin(hint) is Annotated:
            kind, *notes = get_args(hint)
            said = next((note for note in notes if isinstance(note, Option)), None)
            if said:
                yield Field(field.name, kind, field.default, said)


def check_choices(options: Any) -> None:
    """UsageError with the allowed values if an option has another value, or is no finite number."""
    for field in fields_of(options):
        value, allowed = getattr(options, field.name), field.option.choices
        if allowed and value is not None and value not in allowed:
            raise UsageError(f"{field.flag} {value}: one of {', '.join(allowed)}")
        if isinstance(value, float) and not isfinite(value):
            raise UsageError(f"{field.flag} {value}: not a finite number")


def read_tables(file: Path) -> dict[str, Any]:
    """The tables of an `rlkd.toml`; UsageError where it cannot be read."""
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: {error}") from None


def check_limits(options: Any) -> None:
    """UsageError for a number outside its limits: what the command line checks as it reads."""
    for field in fields_of(options):
        value, low, high = getattr(options, field.name), field.option.min, field.option.max
        if isinstance(value, int | float) and (
            (low is not None and value < low) or (high is not None and value > high)
        ):
            least = "" if low is None else f" from {low:g}"
            raise UsageError(f"{field.flag} {value:g}: a number{least}{_up_to(high)}")


def _up_to(high: float | None) -> str:
    return "" if high is None else f" up to {high:g}"


def settings_of(options: Any) -> dict[str, Any]:
    """What an output depends on: every option that is not free, by name, as JSON holds it.

    A group says in `unused` which of its options have no effect beside the others.
    """
    groups = [vars(cls)["unused"] for cls in type(options).__mro__ if "unused" in vars(cls)]
    unused = {name for group in groups for name in group.fget(options)}
    fields = [f for f in fields_of(options) if not f.option.free and f.name not in unused]
    found = {f.name: getattr(options, f.name) for f in fields}
    return json.loads(json.dumps(found, default=str))  # type: ignore[no-any-return]


def files_of(options: Any, kind: str) -> list[tuple[str, str]]:
    """(flag, name) of every file that the options name as read, written, or perhaps read."""
    found = []
    for field in fields_of(options):
        value = getattr(options, field.name)
        values = value if isinstance(value, list | tuple) else [value]
        if field.option.file == kind:
            found += [(field.flag, str(one)) for one in values if one is not None]
    return found
