"""The command line. `main(argv)` returns the exit status and is the only place that catches errors.

A command is imported when it is used: `rlkd --help` reads names and summaries from a table.
"""

import inspect
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from rlkd_cli import __version__, console, ranks, streams
from rlkd_cli.commands import COMMANDS
from rlkd_cli.errors import INTERRUPTED, RlkdError, UsageError
from rlkd_cli.option import REWARD_TABLE, Field, check_choices, fields_of, read_tables

ABOUT = "Distil how a teacher chooses its sub-problems, not its words (RLKD)."
ENVIRONMENT = (
    "Any option can also be set in rlkd.toml (\\[eval], model = …) or in the environment: "
    "--max-tokens of eval is RLKD_EVAL_MAX_TOKENS. A flag overrides the environment, and the "
    "environment overrides the file."
)


class Commands(TyperGroup):
    """The commands of the table, each imported when it is used."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            self.commands[cmd_name] = command_of(cmd_name)
        return self.commands.get(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        for name, summary in COMMANDS.items():
            self.commands.setdefault(name, TyperCommand(name, help=summary))
        super().format_help(ctx, formatter)


def command_of(name: str) -> Any:
    """A command for Typer: its parameters are the module's `Options`, and it calls `run`."""
    from rlkd_cli.commands.files import check_files

    module = import_module(f"rlkd_cli.commands.{name.replace('-', '_')}")

    def call(ctx: typer.Context, **values: Any) -> Any:
        options = module.Options(**_with_tables(values, ctx.default_map or {}))
        check_choices(options)
        check_files(options, name)
        return module.run(options)

    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = [context, *(_parameter(field) for field in fields_of(module.Options))]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    more = re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.getdoc(module.run) or "")  # a paragraph a line
    details = "\n\n".join(filter(None, (COMMANDS[name], more)))
    alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
    alone.command(name, help=details, no_args_is_help=True, epilog=ENVIRONMENT)(call)
    return get_command(alone)


def _parameter(field: Field) -> inspect.Parameter:
    """An option as a parameter of the function that Typer inspects."""
    said = field.option
    texts: dict[str, Any] = {"help": said.help, "metavar": said.metavar, "show_envvar": False}
    if said.names:
        limits: dict[str, Any] = {"min": said.min, "max": said.max}
        limits["rich_help_panel"] = said.panel
        note: Any = typer.Option(*said.names, **texts | limits)
    else:
        note = typer.Argument(**texts)
    default = inspect.Parameter.empty if field.default is MISSING else field.default
    annotation: Any = Annotated[field.type, note]
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(field.name, kind, default=default, annotation=annotation)


app = typer.Typer(
    cls=Commands,
    help=ABOUT,
    epilog=ENVIRONMENT,
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
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Options from this file, not ./rlkd.toml."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show Python tracebacks.")] = False,
) -> None:
    """Does nothing: `main` reads these options itself."""


def root_command() -> Any:
    """The whole command line. Options before the command are not read from the environment."""
    command: Any = get_command(app)
    for parameter in command.params:
        parameter.allow_from_autoenv = False
        parameter.show_envvar = False
    return command


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit status: 0, 1, 2, 3 or 130 (see the README).

    Never raises for an error of the user.
    """
    streams.open_standard()
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments[:4]
    if not ranks.is_first():
        console.mute()
    status = _run(arguments, debug)
    lost = streams.settle_output()
    return _fail(lost, 1, debug) if lost and not status else status


def _run(arguments: Sequence[str], debug: bool) -> int:
    try:
        command = root_command()
        given = config_defaults(arguments, command)
        result = command.main(
            list(arguments), prog_name="rlkd", standalone_mode=False, default_map=given
        )
        # Typer returns 130 for a KeyboardInterrupt; for several processes, their launcher says so
        if result == INTERRUPTED and not ranks.is_launched():
            console.interrupted()
        return result if isinstance(result, int) else 0
    except RlkdError as error:
        return _fail(str(error), error.exit_status, debug)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}", 1, debug)
    except Exception as error:
        if hasattr(error, "format_message"):  # Typer's usage errors, which name their option
            return _fail(error.format_message(), getattr(error, "exit_code", 2), debug)
        return _fail(f"{type(error).__name__}: {error} (--debug shows where)", 1, debug)


def _fail(text: str, status: int, debug: bool) -> int:
    if debug and sys.exc_info()[1]:
        raise  # noqa: PLE0704  # called from an except clause
    console.error(f"rlkd: {text}")
    return status


def config_defaults(arguments: Sequence[str], command: Any) -> dict[str, Any]:
    """Defaults from `rlkd.toml` (`[eval]`, `model = "…"`), by command and parameter name."""
    named = [arguments[i + 1] for i, word in enumerate(arguments[:-1]) if word == "--config"]
    named += [word.partition("=")[2] for word in arguments if word.startswith("--config=")]
    file = Path(named[0] if named else "rlkd.toml")
    if not named and not file.is_file():
        return {}
    defaults: dict[str, Any] = {}
    for name, table in read_tables(file).items():
        if name == REWARD_TABLE and isinstance(table, dict):
            continue  # for `rlkd_cli.reward` in another trainer
        if name not in COMMANDS or not isinstance(table, dict):
            raise UsageError(f"{file}: [{name}] is not a command: one of {', '.join(COMMANDS)}")
        if name in arguments:
            defaults[name] = _table(f"{file}: [{name}]", table, command.get_command(None, name))
    return defaults


def _table(where: str, table: Mapping[str, Any], command: Any) -> dict[str, Any]:
    """A command's table by parameter name; UsageError for an option that does not exist."""
    options = {flag.lstrip("-"): p.name for p in command.params for flag in p.opts}
    names = {option: options.get(option.replace("_", "-"), option) for option in table}
    for option, name in names.items():
        if name not in options.values():
            raise UsageError(f"{where} {option}: no such option")
    return {names[option]: _value(value) for option, value in table.items()}


class Pairs(list[str]):
    """The NAME=VALUE pairs of an option whose table stands in a command's (`[distill.trl]`)."""


def _value(value: Any) -> Any:
    """An option's value in a table, as the command line has it."""
    if not isinstance(value, dict):
        return value
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in value.items()}
    return Pairs(f"{name}={text}" for name, text in texts.items())


def _with_tables(values: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the pairs of the file's tables; a flag replaces that of its name alone."""
    found = dict(values)
    for option, table in given.items():
        if isinstance(table, Pairs) and isinstance(values[option], list):
            pairs = [*table, *values[option]]
            found[option] = list({pair.partition("=")[0].strip(): pair for pair in pairs}.values())
    return found


def run() -> None:
    """The console script."""
    sys.exit(main())
