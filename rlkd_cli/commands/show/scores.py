"""What `rlkd score` shows: what the rewards add up to, one pair, what the teacher lacked."""

from collections.abc import Sequence
from typing import Any

from rlkd_cli import console
from rlkd_cli.commands.show.pair import show_pair
from rlkd_cli.pipeline.audit import Finding
from rlkd_cli.pipeline.score import Scorer, Summary


def show_scores(options: Any, summary: Summary, scorers: Sequence[Scorer]) -> None:
    """Prints the summary of the rewards and the pair asked for, and draws the figure."""
    if not options.quiet:
        unused = sum(scorer.unused for scorer in scorers)
        extra = [("teacher ids without a student", str(unused))] if unused else []
        lost = sum(scorer.lost for scorer in scorers)
        extra += [("teacher rows left out", str(lost))] if lost else []
        console.table("structured reward", summary.table() + extra)
    for scorer in scorers:
        _say_left_out(options, scorer)
    pairs = [scorer.watched for scorer in scorers if scorer.watched]
    for pair in pairs:
        show_pair(*pair)
    if options.show is not None and not pairs:
        console.message(f"--show {options.show}: no such id was scored in this run", "yellow")
    if options.plot:
        from rlkd_cli.plots import plot_rewards

        plot_rewards(summary.rewards, summary.stops, options.plot)


def _say_left_out(options: Any, scorer: Scorer) -> None:
    """How many of the teacher's rows were of no use, and the first of them."""
    if scorer.lost:
        name, why = next(iter(scorer.left_out.items()))
        first = "" if name is None else f"id {name!r}: "
        said = f"{options.teacher}: {scorer.lost} of the teacher's rows left out"
        console.message(f"{said} ({first}{why})", "yellow")


def show_audit(name: str, findings: Sequence[Finding]) -> None:
    """Which tests the judge passes, and whether it can be trusted."""
    lines = [
        (
            f.test,
            f"{f.share:.1%}",
            f"{'at least' if f.at_least else 'at most'} {f.bound:.0%}",
            str(f.asked),
            str(f.unanswered),
        )
        for f in findings
    ]
    header = ("test", "share", "should be", "asked", "unanswered")
    console.table(f"audit of {name}", lines, header)
    failed = "; ".join(finding.test for finding in findings if not finding.passed)
    verdict = f"this judge cannot be trusted here: {failed}"
    said = verdict if failed else "this judge passes every test"
    console.message(said, "red" if failed else "green")
