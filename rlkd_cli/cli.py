"""The command line: `main(argv)` returns the exit status and holds the only error boundary."""

import os
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.main import get_command

from rlkd_cli import __version__, console
from rlkd_cli.commands.capability import capability
from rlkd_cli.commands.distill import distill
from rlkd_cli.commands.diversity import diversity
from rlkd_cli.commands.evaluate import evaluate
from rlkd_cli.commands.score import score
from rlkd_cli.commands.segment import sample, segment
from rlkd_cli.commands.select import select
from rlkd_cli.commands.train_gsrm import train_gsrm
from rlkd_cli.errors import INTERRUPTED, RlkdError, UsageError

app = typer.Typer(
    help="Distil how a teacher chooses its sub-problems, not its words (RLKD).",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "RLKD"},
)


def _version(value: bool) -> None:
    if value:
        sys.stdout.write(f"rlkd {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE", help="Options from this file instead of ./rlkd.toml."
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show Python tracebacks.")] = False,
) -> None:
    """Distil how a teacher chooses its sub-problems, not its words (RLKD)."""


app.command(no_args_is_help=True)(sample)
app.command(no_args_is_help=True)(segment)
app.command("train-gsrm", no_args_is_help=True)(train_gsrm)
app.command(no_args_is_help=True)(score)
app.command(no_args_is_help=True)(distill)
app.command("eval", no_args_is_help=True)(evaluate)
app.command(no_args_is_help=True)(diversity)
app.command(no_args_is_help=True)(capability)
app.command(no_args_is_help=True)(select)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit status: 0, 1, 2, 3 or 130 (see the README). Never raises for a user's error."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments[:4]
    command = get_command(app)
    try:
        result = command.main(
            arguments,
            prog_name="rlkd",
            standalone_mode=False,
            default_map=config_defaults(arguments),
        )
        sys.stdout.flush()
        if result == INTERRUPTED:  # Typer's word for a KeyboardInterrupt
            console.interrupted()
        return result if isinstance(result, int) else 0
    except BrokenPipeError:
        # the reader of a pipe has gone (`| head`); point stdout elsewhere, or its flush at exit complains
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except RlkdError as error:
        return _fail(str(error), error.exit_status, debug)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}", 1, debug)
    except Exception as error:
        if hasattr(error, "format_message"):  # Typer's own usage errors, which know their option
            return _fail(error.format_message(), getattr(error, "exit_code", 2), debug)
        return _fail(f"{type(error).__name__}: {error} (--debug shows where)", 1, debug)


def _fail(text: str, status: int, debug: bool) -> int:
    if debug:
        raise  # noqa: PLE0704  # always called from an except clause
    console.message(f"rlkd: {' '.join(text.split())}", "red")
    return status


def config_defaults(arguments: Sequence[str]) -> dict[str, Any]:
    """Defaults of options from `rlkd.toml` (`[eval]`, `model = "…"`), by command and parameter name."""
    named = [arguments[i + 1] for i, word in enumerate(arguments[:-1]) if word == "--config"]
    named += [word.partition("=")[2] for word in arguments if word.startswith("--config=")]
    file = Path(named[0] if named else "rlkd.toml")
    if not named and not file.is_file():
        return {}
    try:
        tables = tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: {error}") from None
    commands: dict[str, Any] = {
        name: command for name, command in get_command(app).commands.items()
    }  # type: ignore[attr-defined]
    defaults: dict[str, Any] = {}
    for name, table in tables.items():
        if name not in commands or not isinstance(table, dict):
            raise UsageError(f"{file}: [{name}] is no command: one of {', '.join(commands)}")
        options = {flag.lstrip("-"): p.name for p in commands[name].params for flag in p.opts}
        for option in table:
            if option.replace("_", "-") not in options and option not in options.values():
                raise UsageError(f"{file}: [{name}] {option}: no such option")
        defaults[name] = {
            options.get(option.replace("_", "-"), option): value for option, value in table.items()
        }
    return defaults


def run() -> None:
    """The console script."""
    sys.exit(main())
