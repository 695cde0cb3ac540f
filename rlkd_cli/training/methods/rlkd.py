"""RLKD (3.2): GRPO, whose reward has the structured part; with `--teacher` two teachers at once.

The text teacher says by the reward which sub-problems to choose and solve, and the other's
probabilities say by the KL term of `kdrl` how each token is written. That they go together is this
project's idea, no paper's.
"""

from collections.abc import Sequence
from typing import Any

from rlkd_cli.records.schema import Raw
from rlkd_cli.training import model as models
from rlkd_cli.training.methods import grpo, kdrl
from rlkd_cli.training.methods.options import Distillation


def build(
    options: Distillation, records: Sequence[Raw], reward: Any, setting: models.Setting
) -> tuple[grpo.TimedTrainer, Any]:
    """The trainer and its tokenizer."""
    build = kdrl.build if options.teacher_model else grpo.build
    return build(options, records, reward, setting)
