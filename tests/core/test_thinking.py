import pytest

from rlkd_cli.core.thinking import TAGS, answer_text, split


@pytest.mark.parametrize(("opening", "closing"), TAGS)
def test_every_pair_of_tags_is_known(opening: str, closing: str) -> None:
    assert answer_text(f"Sure!\n{opening}so 5") is None
    assert answer_text(f"Sure!\n{opening}so 5{closing} 6") == " 6"
    assert split(f"{opening}so 5{closing} 6") == ("so 5", "6")


def test_a_tag_in_quotes_is_spoken_of() -> None:
    assert answer_text("<think>x</think>5. I used the `<think>` tag.") is not None


def test_thinking_is_told_from_the_answer() -> None:
    from rlkd_cli.core.thinking import split

    assert split("Hm.\n</think>\n\n\\boxed{8}", True) == ("Hm.", "\\boxed{8}")
    assert split("So \\boxed{8}, or", True) == ("So \\boxed{8}, or", "")
