"""Two files of graded paths side by side."""

import random

import pytest

from rlkd_cli.core.metrics import sign_flip_test
from rlkd_cli.pipeline.compare import compare
from rlkd_cli.pipeline.evaluate import Summary
from tests.conftest import outcomes


def test_uneven_run_counts_have_a_p_value_that_fits_in_memory() -> None:
    draw = random.Random(0)
    counts = [((draw.randint(0, n), n), (draw.randint(0, n + 3), n + 3)) for n in range(40, 70)]
    test = sign_flip_test(counts)
    assert 0 < test.value < 1 and 0 < test.error < 0.002
    few = sign_flip_test(counts[:9])
    assert few.error == 0 and few.value * 2**9 == pytest.approx(round(few.value * 2**9))
    a = Summary.of(
        outcomes({str(i): [j % 3 == 0 for j in range(n)] for i, n in enumerate(range(40, 70))})
    )
    b = Summary.of(outcomes({str(i): [j % 2 == 0 for j in range(50)] for i in range(30)}))
    assert compare(a, b)["p value"] < 0.01
