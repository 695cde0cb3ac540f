"""RLAD's Trust Region Ratio Distillation (2602.22495) on TRL's GRPOTrainer.

The likelihood ratio of a token, pi / pi_old, becomes pi / (pi_old^alpha * pi_T^(1 - alpha)), with
pi_T the teacher. TRL computes the ratio as exp(log pi - old_per_token_logps), so an anchor put in
the place of `old_per_token_logps` is all that changes; with alpha = 1 it is GRPO.
"""

from collections.abc import Sequence
from typing import Any

import torch
from trl.models import prepare_deepspeed, prepare_fsdp
from trl.trainer.utils import add_fused_lm_head

from rlkd_cli.errors import UsageError
from rlkd_cli.models.local.loading import load_causal
from rlkd_cli.models.spec import model_of
from rlkd_cli.records.schema import Raw
from rlkd_cli.training import model as models
from rlkd_cli.training.methods.grpo import TimedTrainer, grpo_arguments, trainer_parts
from rlkd_cli.training.methods.options import Distillation

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
    teacher = load_teacher(str(options.teacher_model))
    model, tokenizer = models.load(options.student, options, setting.needed)
    parts = trainer_parts(options, records, reward, arguments, model, tokenizer, setting)
    return TrrdTrainer(**parts, teacher=teacher, alpha=options.trrd_alpha), tokenizer


def check_vocabularies(teacher: str, student: str) -> None:
    """UsageError where the two do not share a vocabulary: the ratio compares token by token."""
    theirs, ours = (models.load_tokenizer(name).get_vocab() for name in (teacher, student))
    if theirs != ours:
        raise UsageError(
            f"--teacher {teacher}: its vocabulary differs from the student's; "
            "rlad compares token by token"
        )


def load_teacher(name: str) -> Any:
    """The teacher's weights, frozen."""
    return load_causal(model_of(name), name).eval().requires_grad_(False)


class TrrdTrainer(TimedTrainer):
    """GRPOTrainer with the anchored ratio."""

    def __init__(self, *args: Any, teacher: Any, alpha: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.beta != 0.0 or self.off_policy_mask_threshold is not None:
            raise UsageError("rlad goes with beta 0 and without an off-policy mask")
        add_fused_lm_head(teacher, temperature=self.temperature, outputs=("log_probs", "entropy"))
        if self.is_deepspeed_enabled:
            self.teacher = prepare_deepspeed(teacher, self.accelerator)
        elif self.is_fsdp_enabled:
            self.teacher = prepare_fsdp(teacher, self.accelerator)
        else:
            self.teacher = teacher.to(self.accelerator.device)
        self.alpha = alpha

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        ids = torch.cat([output["prompt_ids"], output["completion_ids"]], dim=1)
        mask = torch.cat([output["prompt_mask"], output["completion_mask"]], dim=1)
        keep = output["completion_ids"].size(1)
        size = self.args.per_device_train_batch_size

        def log_probs(model: Any) -> torch.Tensor:
            with torch.no_grad():
                found, _, _ = self._get_per_token_logps_and_entropies(
                    model, ids, mask, keep, batch_size=size
                )
            return found  # type: ignore[no-any-return]

        old = output.get("old_per_token_logps")
        old = log_probs(self.model) if old is None else old
        output["old_per_token_logps"] = anchor(old, log_probs(self.teacher), self.alpha)
        return output
