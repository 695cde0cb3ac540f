"""KDRL (2506.02208) on TRL's GRPOTrainer: GRPO minus beta * KL(student, teacher).

The KL is taken on the student's own completions by the estimator k2, (log pi - log pi_T)^2 / 2 a
token, whose gradient is that of the reverse KL; beta falls linearly over the training. The term is
averaged as the loss is: over the tokens of a completion, then over completions (TRL's loss "grpo"),
or over all tokens of a step. Not taken over: the paper's variants that leave the KL out where the
reward is high.
"""

from collections.abc import Sequence
from typing import Any

import torch

from rlkd_cli.records.schema import Raw
from rlkd_cli.training import model as models
from rlkd_cli.training.methods.grpo import grpo_arguments, trainer_parts
from rlkd_cli.training.methods.options import Distillation
from rlkd_cli.training.methods.teacher import TaughtTrainer, load_teacher

LOGPS = "teacher_per_token_logps"


def build(
    options: Distillation, records: Sequence[Raw], reward: Any, setting: models.Setting
) -> tuple["TeacherKlTrainer", Any]:
    """The trainer and its tokenizer."""
    arguments = grpo_arguments(options, setting)
    teacher = load_teacher(options)
    model, tokenizer = models.load(options.student, options, setting.needed)
    parts = trainer_parts(options, records, reward, arguments, model, tokenizer, setting)
    betas = (options.teacher_weight, options.teacher_weight_end)
    return TeacherKlTrainer(**parts, teacher=teacher, betas=betas), tokenizer


def k2(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Half the squared difference of two log-probabilities, each (B, T)."""
    return (student - teacher).square() / 2


def annealed(first: float, last: float, step: int, steps: int) -> float:
    """Beta at a step of 0 … steps - 1, on the line from `first` to `last`.

    >>> [annealed(5.0, 1.0, step, 5) for step in range(5)]
    [5.0, 4.0, 3.0, 2.0, 1.0]
    """
    return first + (last - first) * min(1.0, step / max(1, steps - 1))


class TeacherKlTrainer(TaughtTrainer):
    """GRPOTrainer with the teacher's KL in its loss; `betas` are its weights at both ends."""

    def __init__(self, *args: Any, betas: tuple[float, float], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.betas = betas
        self._log_probs = torch.empty(0)

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        return {**output, LOGPS: self.teacher_log_probs(output)}

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        found = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        self._log_probs = found[0]  # the loss is given none of what it computed
        return found

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        loss: torch.Tensor = super()._compute_loss(model, inputs)
        mode = "train" if model.training else "eval"
        beta = annealed(*self.betas, self.state.global_step, self.state.max_steps)
        mask = inputs["completion_mask"]
        each = k2(self._log_probs, inputs[LOGPS]) * mask
        total = self.accelerator.reduce(torch.stack([each.detach().sum(), mask.sum()]), "sum")
        self._metrics[mode]["teacher_kl"].append((total[0] / total[1].clamp(min=1)).item())
        self._metrics[mode]["teacher_weight"].append(beta)
        return loss + beta * self._averaged(each, mask, inputs, mode) if beta else loss

    def _averaged(
        self, each: torch.Tensor, mask: torch.Tensor, inputs: dict[str, Any], mode: str
    ) -> torch.Tensor:
        """A step's mean of a quantity of tokens (B, T), as far as these micro-batches are part of
        it.
        """
        parts = self.current_gradient_accumulation_steps if mode == "train" else 1
        if self.loss_type == "grpo":
            return (each.sum(1) / mask.sum(1).clamp(min=1)).mean() / parts
        tokens: torch.Tensor = inputs["num_items_in_batch"] / self.accelerator.num_processes
        if mode == "train":  # they are those of a generation, which may be several steps'
            arguments: Any = self.args
            tokens = tokens * parts / arguments.steps_per_generation
        return each.sum() / tokens.clamp(min=1)
