from hypothesis import given
from hypothesis import strategies as st

from rlkd_cli.core.reward import Verdict, structured_reward


def algorithm_1(table: list[tuple[bool, bool, bool]], n: int, m: int) -> float:
    """The paper's listing, line by line."""
    r = 0.0
    for i in range(1, min(n, m) + 1):
        v = 0.0
        meta, question, answer = table[i - 1]
        if meta:
            v = 1.0
            if not question:
                v = v * 0.5
            if not answer:
                v = v * 0.5
        else:
            break
        r = r + v
    return r


verdicts = st.tuples(st.booleans(), st.booleans(), st.booleans())


@given(st.lists(verdicts, max_size=12), st.integers(0, 12), st.integers(0, 12))
def test_the_fold_is_algorithm_1(table: list[tuple[bool, bool, bool]], n: int, m: int) -> None:
    n, m = min(n, len(table)), min(m, len(table))
    asked = [Verdict(*row) for row in table]
    expected = algorithm_1(table, n, m)
    assert structured_reward(asked, n, m) == expected
    if min(n, m):
        assert structured_reward(asked, n, m, "teacher") == expected / n
        assert structured_reward(asked, n, m, "shorter") == expected / min(n, m)


def test_a_verdict_that_is_needed_and_missing_leaves_no_reward() -> None:
    assert structured_reward([Verdict(True, True, None)], 1, 1) is None
    assert structured_reward([Verdict(None)], 2, 2) is None
    assert structured_reward([Verdict(True, True, True)], 2, 2) is None
    assert structured_reward([Verdict(True, True, True), Verdict(False)], 2, 2) == 1.0
