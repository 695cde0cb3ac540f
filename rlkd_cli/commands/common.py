"""What commands share: options, what an output was made from, how a model is opened."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from rlkd_cli import console
from rlkd_cli.errors import REJECTED, UsageError
from rlkd_cli.models import BatchOptions, TextModel, open_model
from rlkd_cli.models.fingerprint import model_fingerprint
from rlkd_cli.models.providers import PROVIDERS, address_of
from rlkd_cli.models.spec import engine_of, shown
from rlkd_cli.option import IO, MODEL, option, settings_of
from rlkd_cli.records.manifest import contents, text_digest
from rlkd_cli.records.read import Input
from rlkd_cli.records.schema import Raw


@dataclass(frozen=True, kw_only=True)
class Running:
    """Options of every command."""

    dry_run: Annotated[
        bool,
        option(
            "--dry-run",
            help="Check the input and print what would be done: records, calls, tokens, cost.",
            free=True,
        ),
    ] = False
    quiet: Annotated[
        bool, option("--quiet", "-q", help="No progress, no account of the run.", free=True)
    ] = False


@dataclass(frozen=True, kw_only=True)
class Seeded:
    """The seed."""

    seed: Annotated[int, option("--seed", help="Seed of all random numbers.")] = 0


@dataclass(frozen=True, kw_only=True)
class Stopping:
    """Where a reply ends before the model ends it."""

    stop: Annotated[
        list[str] | None,
        option(
            "--stop",
            metavar="TEXT",
            help="End a path before this text (a base model goes on to the next question); repeat "
            "for several.",
            panel=MODEL,
        ),
    ] = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts; UsageError for one that is empty."""
        if "" in (self.stop or []):
            raise UsageError("--stop: an empty text would end every path at once")
        return tuple(self.stop or ())


class Boxes:
    """Counts paths that were asked for a boxed answer, and those of them that hold none."""

    def __init__(self, question: Callable[[Raw], str]) -> None:
        self._question, self.asked, self.missing = question, 0, 0

    def add(self, record: Raw) -> None:
        if "\\boxed" in self._question(record):
            self.asked += 1
            self.missing += "\\boxed" not in record["path"]

    def say(self) -> None:
        """A line where most paths hold none."""
        if 2 * self.missing > self.asked:
            said = f"{self.missing} of {self.asked} paths hold no \\boxed{{}} answer"
            more = "a larger --max-tokens, --stop, or another --prompt-template may help"
            console.message(f"{said}: {more}", "yellow")


@dataclass(frozen=True, kw_only=True)
class Plotted:
    """The figure."""

    plot: Annotated[
        Path | None,
        option(
            "--plot",
            metavar="FILE",
            help="Draw a figure (.png, .svg, .pdf).",
            panel=IO,
            free=True,
            file="out",
        ),
    ] = None


def say_numbered(source: str) -> None:
    """Rows that have no id got their numbers."""
    said = "rows have no id: using row numbers (--id-column COLUMN uses a column)"
    console.message(f"{source}: {said}", "yellow")


def made_from(
    command: str, options: Any, models: Sequence[str], inputs: Mapping[str, Input]
) -> dict[str, Any]:
    """The settings of the manifest: the options, and fingerprints of models and inputs.

    The inputs are read here, except streams.
    """
    for one in inputs.values():
        one.scan()
    prints: dict[str, str | None] = {}
    prints |= {name: one.fingerprint() for name, one in inputs.items()}
    prints |= fingerprints(models)
    used = getattr(options, "prompts_used", {})
    prints |= {f"prompt {name}": text_digest(text) for name, text in used.items()}
    settings = {name: _without_password(value) for name, value in settings_of(options).items()}
    return {"command": command, **settings, **contents(prints)}


def fingerprints(models: Sequence[str]) -> dict[str, str | None]:
    """What tells each model from another of the same name, where anybody can."""
    found = {f"model {shown(spec)}": model_fingerprint(spec) for spec in models}
    hosted = [engine_of(spec) for spec in models if engine_of(spec) in PROVIDERS]
    return found | {f"address of {name}": shown(address_of(name)) for name in hosted}


def _without_password(value: Any) -> Any:
    """A setting as it may be written down: an address without its user and password."""
    if isinstance(value, list | tuple):
        return [_without_password(one) for one in value]
    return shown(value) if isinstance(value, str) else value


def opened(options: Any, spec: str, batch: BatchOptions | None = None) -> TextModel:
    """The model that `spec` names; its messages are printed."""
    return open_model(
        spec, options, options.record, batch, tell=lambda line: console.message(line, "yellow")
    )


def in_flight(options: Any, model: TextModel | None) -> int:
    """How many records are processed at a time: what the engine asks for, or `--concurrency`."""
    return model.in_flight if model else int(options.concurrency)


def status_of(is_incomplete: int) -> int:
    """The exit status of a command that is done, but for records that were rejected."""
    return REJECTED if is_incomplete else 0
