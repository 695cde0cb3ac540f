"""Rich: progress, tables, messages.

The one place that knows a terminal; all of it is on standard error.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

from rich.console import Console
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

err = Console(stderr=True, highlight=False)
PLAIN_INTERVAL = 10.0  # seconds between progress lines where standard error is no terminal


_muted = False


def mute() -> None:
    """From here on only errors are printed: of several processes that a launcher started, one
    talks.
    """
    global _muted
    _muted = True


def message(text: str, style: str | None = None) -> None:
    """One line for people, taken literally (no markup)."""
    if not _muted:
        err.print(Text(text), style=style, soft_wrap=True)


def error(text: str) -> None:
    """Why a command ends, on one line."""
    err.print(Text(" ".join(text.split())), style="red", soft_wrap=True)


def interrupted() -> None:
    """What is left after an interrupt."""
    message("interrupted; what is finished is kept: run the same command again to go on", "yellow")


def table(title: str, rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> None:
    """A small table; without a header, of names and values."""
    rows = list(rows)
    grid = Table(title=title, title_justify="left", show_header=bool(header))
    for number in range(len(header) or (len(rows[0]) if rows else 1)):
        side: Any = "left" if number == 0 else "right"
        grid.add_column(header[number] if header else "", justify=side, overflow="fold")
    for row in rows:
        grid.add_row(*map(Text, row))
    if _muted:
        return
    if err.is_terminal:
        return err.print(grid)
    # a log has no width: long names stand on one line there
    wide = Measurement.get(err, err.options.update(max_width=1000), grid).maximum
    Console(file=err.file, highlight=False, width=max(wide, err.width)).print(grid)


def bars(title: str, rows: Sequence[tuple[str, float]], width: int = 40) -> None:
    """A bar for each number from 0 to the largest: a figure for a terminal, nothing elsewhere."""
    most = max((value for _, value in rows), default=0) or 1
    if err.is_terminal and rows:
        table(
            title,
            [
                (name, ("▇" * round(width * value / most)).ljust(width), f"{value:.3f}")
                for name, value in rows
            ],
            ("", "", ""),
        )


class View:
    """A live line on a terminal, plain lines elsewhere, nothing when quiet.

    Use as a context manager.
    """

    def __init__(self, title: str, total: int | None, quiet: bool = False) -> None:
        self.title, self.total, self.quiet = title, total, quiet or _muted
        self.count, self._printed = 0, time.monotonic()
        self._rich: Progress | None = None
        if err.is_terminal and not self.quiet:
            columns = (
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
            )
            self._rich = Progress(
                *columns, TimeRemainingColumn(), TextColumn("{task.fields[note]}"), console=err
            )
            self._task = self._rich.add_task(title, total=total, note="")

    def __enter__(self) -> Self:
        if self._rich:
            self._rich.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._rich:
            self._rich.stop()

    def show(self, count: int, note: Callable[[], str]) -> None:
        """The same, where the words cost something: they are made only when they are shown."""
        if self._rich or (not self.quiet and self._is_due):
            self.update(count, note=note())

    @property
    def _is_due(self) -> bool:
        return time.monotonic() - self._printed >= PLAIN_INTERVAL

    def update(self, count: int, total: int | None = None, note: str = "") -> None:
        """How far it is, with a few words."""
        self.count, self.total = count, total or self.total
        if self._rich:
            self._rich.update(self._task, completed=count, total=self.total, note=note)
        elif not self.quiet and self._is_due:
            self._printed = time.monotonic()
            message(
                f"{self.title}: {count}{f'/{self.total}' if self.total else ''} {note}".rstrip()
            )


def training_view(title: str, quiet: bool, names: Sequence[str]) -> tuple[View, Any]:
    """A view of a training and the function that its log entries go to; `names` are the metrics to
    show.
    """
    view = View(title, None, quiet)

    def show(entry: dict[str, Any]) -> None:
        notes = [
            f"{name} {entry[name]:.3g}" if isinstance(entry[name], float) else str(entry[name])
            for name in names
            if name in entry
        ]
        if notes:
            view.update(entry["step"], entry.get("of"), ", ".join(notes))

    return view, show
