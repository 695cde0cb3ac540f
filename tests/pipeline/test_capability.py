"""Capability by difficulty, without a command line."""

from rlkd_cli.pipeline.capability import Model, capability, reflection_keywords


def test_capability_takes_samples_by_number_and_words_once() -> None:
    before = [
        {"id": 1, "sample": 1, "correct": True, "path": "Let me double-check. The waiter waits."},
        {"id": 1, "sample": 0, "correct": False, "path": "Wait, mistake: mistaken"},
    ]
    model = Model.read(before)
    assert model.right[1] == [False, True] and model.reflections == [1, 2]
    _, whole = capability(model, Model.read(before[:1] + before[1:]), 1)
    assert whole["gained"] == [] and whole["accuracy_p_value"] == 1.0
    assert whole["capability_p_value_error"] == 0 and "wait" in reflection_keywords()
