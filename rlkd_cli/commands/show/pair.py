"""`rlkd score --show`: the steps of teacher and student side by side, with matches and rewards."""

from collections.abc import Sequence

from rich.box import ROUNDED
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rlkd_cli.console import err
from rlkd_cli.core.reward import Verdict, step_reward
from rlkd_cli.core.steps import PARTS
from rlkd_cli.records.schema import Raw, Step

MARKS = {True: ("✓", "bold green"), False: ("✗", "bold red"), None: ("·", "dim")}
LETTERS = ("M", "Q", "A")


def show_pair(teacher: Sequence[Step], student: Sequence[Step], score: Raw) -> None:
    """Prints the pair to standard error."""
    verdicts = [Verdict(**verdict) for verdict in score["verdicts"]]
    grid = Table(box=ROUNDED, show_lines=True, expand=True)
    grid.add_column("step", justify="right", style="dim", width=4)
    grid.add_column("teacher", ratio=1)
    grid.add_column("", justify="center", width=5)
    grid.add_column("student", ratio=1)
    grid.add_column("reward", justify="right", width=6)
    for number in range(max(len(teacher), len(student))):
        verdict = verdicts[number] if number < len(verdicts) else Verdict()
        earned = f"{step_reward(verdict):g}" if number < len(verdicts) else ""
        grid.add_row(
            str(number + 1), _cell(teacher, number), _marks(verdict), _cell(student, number), earned
        )
    title = f"id {score['id']} · sample {score['sample']}"
    err.print(
        Panel(
            grid,
            title=title,
            subtitle=f"structured reward {score['reward']:g}",
            border_style="cyan",
        )
    )


def _cell(steps: Sequence[Step], number: int) -> Text:
    if number >= len(steps):
        return Text("—", style="dim")
    lines = Text()
    for letter, part in zip(LETTERS, PARTS, strict=True):
        lines.append(f"{letter} ", style="bold cyan")
        lines.append(getattr(steps[number], part) + ("\n" if letter != "A" else ""))
    return lines


def _marks(verdict: Verdict) -> Text:
    marks = Text()
    for letter, value in zip(LETTERS, verdict, strict=True):
        mark, style = MARKS[value]
        marks.append(f"{letter} {mark}" + ("\n" if letter != "A" else ""), style=style)
    return marks
