"""Match judges by name: a file and a row each. Any other name is a model, which is asked."""

from rlkd_cli.reward.judges.base import MASTER_KEYS, Judge, Means
from rlkd_cli.reward.judges.embedding import EmbeddingJudge
from rlkd_cli.reward.judges.exact import ExactJudge
from rlkd_cli.reward.judges.math import MathJudge
from rlkd_cli.reward.judges.model import ModelJudge

__all__ = ["JUDGES", "MASTER_KEYS", "Judge", "Means", "judge_class", "open_judge"]

JUDGES: dict[str, type[Judge]] = {
    "exact": ExactJudge,
    "math": MathJudge,
    "embedding": EmbeddingJudge,
}


def judge_class(spec: str) -> type[Judge]:
    """The judge that a spec stands for: a row of the table, or a model."""
    return JUDGES.get(spec, ModelJudge)


def open_judge(means: Means) -> Judge:
    """The judge that `means.spec` names; UsageError or ModelError where it is not available."""
    return judge_class(means.spec).open(means)
