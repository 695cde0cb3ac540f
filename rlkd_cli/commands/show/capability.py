"""What `rlkd capability` shows."""

from rlkd_cli import console
from rlkd_cli.records.schema import Raw


def show_capability(records: list[Raw], whole: Raw) -> None:
    columns = ("accuracy_before", "accuracy_after", "capability_before", "capability_after")
    lines = [
        (r["bin"], str(r["questions"]), *(f"{r[name]:.3f}" for name in columns))
        for r in [*records, whole]
    ]
    header = ("success rate before", "questions", "accuracy", "after", "capability", "after")
    console.table(f"by success rate before (k = {whole['k']})", lines, header)
    facts = [(name, str(len(whole[name]))) for name in ("gained", "lost")]
    numbers = [n for n in whole if n.startswith(("length", "reflections", "likelihood"))]
    facts += [(name.replace("_", " "), f"{whole[name]:.3f}") for name in numbers]
    facts.append(("questions in one file only", str(whole.get("only in one file", 0))))
    bound = "a question never solved may still have a rate of up to"
    console.table("all questions", [*facts, (bound, f"{whole['never_solved_bound']:.3f}")])
