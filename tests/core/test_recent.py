"""A memory with a bound."""

from rlkd_cli.core.recent import Recent


def test_the_oldest_go_first() -> None:
    recent: Recent[int, str] = Recent(2)
    for number in range(5):
        recent[number] = str(number)
    assert dict(recent) == {3: "3", 4: "4"} and recent.get(0) is None
    nothing: Recent[int, str] = Recent(0)
    nothing[1] = "1"
    assert not nothing
