"""How a token is drawn: by a seed, whatever else is in the batch."""

from rlkd_cli.models import Sampling, open_model
from tests.conftest import PROBLEM, replies


def test_a_seeded_sample_does_not_depend_on_its_batch(base) -> None:
    sampling = Sampling(temperature=1.0, top_p=0.95, max_tokens=40, seed=7)
    alone = replies(open_model(f"hf/{base}"), (PROBLEM, sampling))[0]
    others = [
        (f"hats = {i}. What is hats?", Sampling(temperature=1.0, max_tokens=40, seed=i))
        for i in range(5)
    ]
    together = replies(open_model(f"hf/{base}"), *others, (PROBLEM, sampling))[-1]
    assert together.text == alone.text
    different = {
        replies(
            open_model(f"hf/{base}"), (PROBLEM, Sampling(temperature=1.0, max_tokens=40, seed=seed))
        )[0].text
        for seed in range(6)
    }
    assert len(different) > 1
