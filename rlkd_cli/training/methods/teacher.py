"""A teacher's log-probabilities of the tokens that a student wrote: its weights are in this
process, or behind a vLLM server.
"""

from typing import Any

import torch
from trl.models import prepare_deepspeed, prepare_fsdp
from trl.trainer.utils import add_fused_lm_head

from rlkd_cli.errors import UsageError
from rlkd_cli.models.local.loading import load_causal
from rlkd_cli.models.spec import engine_of, model_of
from rlkd_cli.training import model as models
from rlkd_cli.training.methods.grpo import TimedTrainer
from rlkd_cli.training.methods.options import Distillation
from rlkd_cli.training.served_teacher import ServedTeacher


def check_vocabularies(teacher: str, student: str, needed: int) -> None:
    """UsageError where the two do not share a vocabulary: they are compared token by token; or
    where a server's context is shorter than `needed` tokens.
    """
    if engine_of(teacher) == "http":
        return ServedTeacher(teacher).check(models.load_tokenizer(student), needed)
    theirs, ours = (models.load_tokenizer(name).get_vocab() for name in (teacher, student))
    if theirs != ours:
        raise UsageError(
            f"--teacher {teacher}: its vocabulary differs from the student's; "
            "the two are compared token by token"
        )
    return None


def load_teacher(options: Distillation) -> Any:
    """The teacher's weights, frozen; or the server that has them."""
    name = str(options.teacher_model)
    if engine_of(name) == "http":
        return ServedTeacher(name, options.reward_timeout)
    return load_causal(model_of(name), name).eval().requires_grad_(False)


class TaughtTrainer(TimedTrainer):
    """GRPOTrainer that knows what a teacher thinks of each token; the base of `rlad` and `kdrl`."""

    def __init__(self, *args: Any, teacher: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.teacher = teacher
        if isinstance(teacher, ServedTeacher):
            return
        add_fused_lm_head(teacher, temperature=self.temperature, outputs=("log_probs", "entropy"))
        if self.is_deepspeed_enabled:
            self.teacher = prepare_deepspeed(teacher, self.accelerator)
        elif self.is_fsdp_enabled:
            self.teacher = prepare_fsdp(teacher, self.accelerator)
        else:
            teacher.to(self.accelerator.device)

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
        if not isinstance(self.teacher, ServedTeacher):
            return self.log_probs(self.teacher, output)
        prompts = _rows(output["prompt_ids"], output["prompt_mask"])
        completions = _rows(output["completion_ids"], output["completion_mask"])
        sequences = [a + b for a, b in zip(prompts, completions, strict=True)]
        said = self.teacher.log_probs(sequences, [len(prompt) for prompt in prompts])
        found = torch.zeros(output["completion_ids"].shape)
        for row, values in zip(found, said, strict=True):
            row[: len(values)] = torch.tensor(values)
        return found.to(output["completion_ids"].device)


def _rows(ids: torch.Tensor, mask: torch.Tensor) -> list[list[int]]:
    """Token ids without their padding."""
    kept: list[list[int]] = [row[seen].tolist() for row, seen in zip(ids, mask.bool(), strict=True)]
    return kept
