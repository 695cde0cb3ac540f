import pytest

from rlkd_cli.core.loss_weights import META, SOLVING, LossBalance, phase_weights, token_roles
from rlkd_cli.core.steps import StepText, render, spans


def test_a_token_that_straddles_two_parts_belongs_to_the_later_one() -> None:
    text = render([StepText("m", "q", "a")])
    edge = text.index("\n[Sub")
    found = spans(text)
    assert token_roles(
        [(0, 5), (edge, edge + 1), (edge, edge + 3), (edge + 1, len(text))], found
    ) == [
        META,
        META,
        SOLVING,
        SOLVING,
    ]


def test_a_token_outside_all_parts_is_an_error() -> None:
    with pytest.raises(ValueError, match="no part"):
        token_roles([(0, 3)], [])


def test_a_and_b_start_as_mean_losses_and_follow_their_ratio() -> None:
    balance = LossBalance(alpha=2)
    for loss in (3.0, 1.0):
        balance.update("meta", loss, 9.0)
    balance.update("solving", 9.0, 4.0)
    assert (balance.a, balance.b) == (2.0, 4.0)
    balance.update("mixed", 1.0, 3.0)
    assert (balance.a, balance.b) == (2.0, 4.0)  # only every alpha steps
    balance.update("mixed", 1.0, 1.0)
    assert (balance.a, balance.b) == pytest.approx((2.0, 4.0))  # 1 : 2 with a + b = 6
    balance.update("mixed", 2.0, 1.0)
    balance.update("mixed", 4.0, 1.0)
    assert (balance.a, balance.b) == pytest.approx((4.5, 1.5))
    assert LossBalance(**balance.state()) == balance


def test_phases_weigh_the_sets() -> None:
    assert phase_weights("meta", 5, 1) == (1, 0)
    assert phase_weights("solving", 5, 1) == (0, 1)
    assert phase_weights("mixed", 3, 1) == (1.5, 0.5)


STEPS = [
    StepText("Look at a.", "What is a?", "It is 1."),
    StepText("Then at é∑.", "What is b?", "2"),
]


def byte_level():
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        [render(STEPS)], trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet)
    )
    return tokenizer


def word_level():
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.train_from_iterator(
        [render(STEPS)], trainers.WordLevelTrainer(special_tokens=["[UNK]"])
    )
    return tokenizer


def unigram():
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=90, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
    )
    tokenizer.train_from_iterator([render(STEPS)] * 3, trainer)
    return tokenizer


@pytest.mark.parametrize("make", [byte_level, word_level, unigram])
def test_roles_are_right_for_every_kind_of_tokenizer(make) -> None:
    text = render(STEPS)
    offsets = make().encode(text).offsets
    roles = token_roles(offsets, spans(text))
    seconds = [
        text.index("[Sub-problem 1]"),
        text.index("[Meta-reasoning 2]"),
        text.index("[Sub-problem 2]"),
    ]
    for (start, end), role in zip(offsets, roles, strict=True):
        last = max(start, end - 1)  # a token that straddles two parts belongs to the later one
        expected = META if last < seconds[0] or seconds[1] <= last < seconds[2] else SOLVING
        assert role == expected, text[start:end]
    assert {META, SOLVING} == set(roles)
