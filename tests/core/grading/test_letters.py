from rlkd_cli.core.grading.letters import choices_of, find_letter, letter_of, read_letter

CHOICES = ["Rome", "Paris", "New York", "12 kJ"]


def test_an_options_text_counts_as_its_letter() -> None:
    assert find_letter("Answer: Paris", CHOICES) == "B"
    assert find_letter(r"\boxed{\text{New York}}", CHOICES) == "C"
    assert find_letter(r"\boxed{12\text{ kJ}}", CHOICES) == "D"
    assert letter_of("Paris", CHOICES) == "B" and letter_of("Berlin", CHOICES) is None


def test_an_option_is_named_by_its_text_in_a_sentence() -> None:
    assert find_letter("The answer is Paris.", CHOICES) == "B"
    assert find_letter("So the answer is New York, since it is big.", CHOICES) == "C"
    assert find_letter("The answer is 12 kJ. It is large.", CHOICES) == "D"
    assert find_letter("The capital is Paris.", CHOICES) is None
    assert find_letter("If it were so, the answer is Paris.", CHOICES) is None


def test_choices_are_found_in_a_record() -> None:
    assert choices_of({"choices": CHOICES}) == choices_of({"options": CHOICES}) == CHOICES
    assert choices_of({"choices": {"text": ["a", "b"], "label": ["A", "B"]}}) == ["a", "b"]
    assert choices_of({}) == []


def test_the_last_explicit_claim_goes_first() -> None:
    assert find_letter("Answer: C\nNo. Answer: D") == "D"
    assert find_letter("Answer: D\n\nOption A is correct only at low pressure.") == "D"
    assert find_letter("I choose C.") == "C"
    assert read_letter("C or A") == "?" and read_letter("F = ma") is None


def test_golds_and_options_have_letters_and_articles() -> None:
    golds = ("C)", "(C) 12", r"\textbf{(C)}\ 12", "Option C", "C.", "(c)", "C. 12", "C) Rome")
    assert [letter_of(gold) for gold in golds] == ["C"] * len(golds)
    assert letter_of("J. Smith") is None and letter_of("E. coli") is None
    assert letter_of(r"(A)\cup(B)") is None and letter_of("(A+B)C") is None
    named = ["A. the moon", "B. a star", "C. The sun"]
    assert (
        find_letter("Answer: sun", named) == "C" and find_letter("Answer: the star", named) == "B"
    )
