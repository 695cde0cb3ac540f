"""Two evaluations of the same questions, paired by question."""

from typing import Any

from rlkd_cli.core.metrics import bootstrap_interval, sign_flip_test
from rlkd_cli.errors import UsageError
from rlkd_cli.pipeline.evaluate import Summary


def compare(a: Summary, b: Summary) -> dict[str, Any]:
    """B against A in pass@1: the difference with an interval (questions resampled) and a p value
    with its standard error (0: the p value is exact).

    `gained` are the questions that only B solved in any of its runs, `lost` those that only A did.
    Questions of one file alone are left out and counted. UsageError where no question is in both.
    """
    shared = [name for name in a.results if name in b.results]
    if not shared:
        raise UsageError("--compare: no question is in both files")
    counts = [
        tuple((sum(s.results[name].values()), len(s.results[name])) for s in (a, b))
        for name in shared
    ]
    rates = [tuple(right / runs for right, runs in pair) for pair in counts]
    differences = [of_b - of_a for of_a, of_b in rates]

    test = sign_flip_test(counts)

    def solved(by_b: bool) -> list[dict[str, Any]]:
        pairs = zip(shared, rates, strict=True)
        return [
            {"id": name, "a": x, "b": y}
            for name, (x, y) in pairs
            if (x == 0 and y > 0 if by_b else y == 0 and x > 0)
        ]

    return {
        "questions": len(shared),
        "only in one file": len(a.results) + len(b.results) - 2 * len(shared),
        "pass@1 of A": sum(x for x, _ in rates) / len(rates),
        "pass@1 of B": sum(y for _, y in rates) / len(rates),
        "B - A": sum(differences) / len(differences),
        "B - A interval": bootstrap_interval(differences),
        "p value": test.value,
        "p value standard error": test.error,
        "better with B": sum(d > 0 for d in differences),
        "worse with B": sum(d < 0 for d in differences),
        "gained": solved(True),
        "lost": solved(False),
    }
