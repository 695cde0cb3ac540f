"""RLAD's Trust Region Ratio Distillation (2602.22495) on TRL's GRPOTrainer.

The likelihood ratio of a token, pi / pi_old, becomes pi / (pi_old^alpha * pi_T^(1 - alpha)), with
pi_T the teacher. TRL computes the ratio as exp(log pi - old_per_token_logps), so an anchor put in
the place of `old_per_token_logps` is all that changes; with alpha = 1 it is GRPO.
"""

from collections.abc import Sequence
from typing import Any

import torch

from rlkd_cli.errors import UsageError
from rlkd_cli.records.schema import Raw
from rlkd_cli.training import model as models
from rlkd_cli.training.methods.grpo import grpo_arguments, trainer_parts
from rlkd_cli.training.methods.options import Distillation
from rlkd_cli.training.methods.teacher import TaughtTrainer, load_teacher

CLAMP = 1.0  # the log-ratio of student and teacher is kept in [-1, 1]


def anchor(old: torch.Tensor, teacher: torch.Tensor, alpha: float) -> torch.Tensor:
    """alpha * old + (1 - alpha) * teacher, in log-probabilities of shape (B, T), with old - teacher
    clamped.

    At pi = pi_old the ratio is exp((1 - alpha) * D), with D = log pi - log pi_T clamped to [-1, 1].
    """
    return old - (1 - alpha) * (old - teacher).clamp(-CLAMP, CLAMP)


def build(
    options: Distillation, records: Sequence[Raw], reward: Any, setting: models.Setting
) -> tuple["TrrdTrainer", Any]:
    """The trainer and its tokenizer; the upper clip is RLAD's."""
    arguments = grpo_arguments(options, setting, epsilon_high=0.28)
    teacher = load_teacher(options)
    model, tokenizer = models.load(options.student, options, setting.needed)
    parts = trainer_parts(options, records, reward, arguments, model, tokenizer, setting)
    return TrrdTrainer(**parts, teacher=teacher, alpha=options.trrd_alpha), tokenizer


class TrrdTrainer(TaughtTrainer):
    """GRPOTrainer with the anchored ratio."""

    def __init__(self, *args: Any, alpha: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.beta != 0.0 or self.off_policy_mask_threshold is not None:
            raise UsageError("rlad goes with beta 0 and without an off-policy mask")
        self.alpha = alpha

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        old = output.get("old_per_token_logps")
        old = self.log_probs(self.model, output) if old is None else old
        teacher = self.teacher_log_probs(output)
        output["old_per_token_logps"] = anchor(old, teacher, self.alpha)
        return output
