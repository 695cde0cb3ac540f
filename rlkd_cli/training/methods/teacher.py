"""A teacher's log-probabilities of the tokens that a student wrote, by weights in this process."""

from typing import Any

import torch
from trl.models import prepare_deepspeed, prepare_fsdp
from trl.trainer.utils import add_fused_lm_head

from rlkd_cli.errors import UsageError
from rlkd_cli.models.local.loading import load_causal
from rlkd_cli.models.spec import model_of
from rlkd_cli.training import model as models
from rlkd_cli.training.methods.grpo import TimedTrainer


def check_vocabularies(teacher: str, student: str) -> None:
    """UsageError where the two do not share a vocabulary: they are compared token by token."""
    theirs, ours = (models.load_tokenizer(name).get_vocab() for name in (teacher, student))
    if theirs != ours:
        raise UsageError(
            f"--teacher {teacher}: its vocabulary differs from the student's; "
            "the two are compared token by token"
        )


def load_teacher(name: str) -> Any:
    """The teacher's weights, frozen."""
    return load_causal(model_of(name), name).eval().requires_grad_(False)


class TaughtTrainer(TimedTrainer):
    """GRPOTrainer that knows what a teacher thinks of each token; the base of `rlad` and `kdrl`."""

    def __init__(self, *args: Any, teacher: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        add_fused_lm_head(teacher, temperature=self.temperature, outputs=("log_probs", "entropy"))
        if self.is_deepspeed_enabled:
            self.teacher = prepare_deepspeed(teacher, self.accelerator)
        elif self.is_fsdp_enabled:
            self.teacher = prepare_fsdp(teacher, self.accelerator)
        else:
            self.teacher = teacher.to(self.accelerator.device)

    def log_probs(self, model: Any, output: dict[str, Any]) -> torch.Tensor:
        """A model's log-probabilities of the completions in a batch of TRL's, (B, T), at the
        sampling temperature.
        """
        ids = torch.cat([output["prompt_ids"], output["completion_ids"]], dim=1)
        mask = torch.cat([output["prompt_mask"], output["completion_mask"]], dim=1)
        keep, size = output["completion_ids"].size(1), self.args.per_device_train_batch_size
        with torch.no_grad():
            found, _, _ = self._get_per_token_logps_and_entropies(
                model, ids, mask, keep, batch_size=size
            )
        return found  # type: ignore[no-any-return]

    def teacher_log_probs(self, output: dict[str, Any]) -> torch.Tensor:
        """The teacher's, (B, T)."""
        return self.log_probs(self.teacher, output)
