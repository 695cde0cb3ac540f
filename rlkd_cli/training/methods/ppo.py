"""PPO, the paper's third baseline (4.1), on GRPO's rollouts and rewards: a critic and GAE give each
token its advantage.

TRL has no PPO trainer any more. GRPOTrainer generates, rewards, and computes the clipped loss,
which takes advantages of shape (B, T); what is added here is where they come from. The critic is
the student's own architecture and weights with one number a token for an output. Choices of ours:
discount 1, GAE's lambda 0.95, advantages whitened over the batch, the student's learning rate for
the critic.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, TrainerCallback

from rlkd_cli.errors import ModelError, UsageError
from rlkd_cli.models.spec import model_of
from rlkd_cli.records.schema import Raw
from rlkd_cli.training import model as models
from rlkd_cli.training.context import rope_changes
from rlkd_cli.training.methods.grpo import TimedTrainer, grpo_arguments, trainer_parts
from rlkd_cli.training.methods.options import Distillation

LAMBDA = 0.95


def build(
    options: Distillation, records: Sequence[Raw], reward: Any, setting: models.Setting
) -> tuple["PpoTrainer", Any]:
    """The trainer and its tokenizer."""
    arguments = grpo_arguments(options, setting)
    model, tokenizer = models.load(options.student, options, setting.needed)
    parts = trainer_parts(options, records, reward, arguments, model, tokenizer, setting)
    return PpoTrainer(**parts, critic=load_critic(options, setting.needed)), tokenizer


def advantages_of(
    rewards: torch.Tensor, values: torch.Tensor, mask: torch.Tensor, lam: float = LAMBDA
) -> tuple[torch.Tensor, torch.Tensor]:
    """Generalised advantage estimates and the critic's targets, each (B, T).

    `rewards` (B,) come with a completion's last token; `values` (B, T) are those before each token;
    `mask` (B, T) is 1 on a completion's tokens, which start at column 0.
    """
    ends = mask.sum(1).long() - 1
    gained = torch.zeros_like(values)
    gained[torch.arange(len(rewards)), ends.clamp(min=0)] = rewards * mask.any(1)
    advantages, running = torch.zeros_like(values), torch.zeros_like(rewards)
    for t in reversed(range(values.shape[1])):
        following = (
            values[:, t + 1] * mask[:, t + 1]
            if t + 1 < values.shape[1]
            else torch.zeros_like(rewards)
        )
        running = (gained[:, t] + following - values[:, t] + lam * running) * mask[:, t]
        advantages[:, t] = running
    return advantages, (advantages + values) * mask


class Critic(torch.nn.Module):
    """A backbone with a value head on its last layer, which says 0 at first."""

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = torch.nn.Linear(backbone.config.get_text_config().hidden_size, 1)
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """What is expected after each token, (B, T)."""
        states = self.backbone(input_ids=input_ids, attention_mask=attention_mask)
        values: torch.Tensor = self.head(states.last_hidden_state)[..., 0]
        return values


def load_critic(options: Distillation, needed: int) -> Critic:
    """The student's backbone with a value head. ModelError where it cannot be loaded."""
    changes = rope_changes(options.student, options, needed)
    try:
        return Critic(
            AutoModel.from_pretrained(model_of(options.student), dtype=torch.float32, **changes)
        )
    except (OSError, ValueError) as error:
        raise ModelError.loading(f"the critic of {options.student}", error) from error


class PpoTrainer(TimedTrainer):
    """GRPOTrainer with a critic; one process, or several with a whole model each."""

    def __init__(self, *args: Any, critic: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.is_deepspeed_enabled or self.is_fsdp_enabled:
            raise UsageError(
                "--method ppo holds student and critic whole on each device: "
                "--launch ddp, or one device"
            )
        self.critic = critic.to(self.accelerator.device)
        self.critic_optimizer = torch.optim.AdamW(
            critic.parameters(), lr=self.args.learning_rate, weight_decay=0.0
        )
        self.add_callback(_StepCritic(self))

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        rewards: torch.Tensor = super()._calculate_rewards(*args, **kwargs)
        mine = self.accelerator.process_index * len(args[0])
        self._rewards = rewards[mine : mine + len(args[0]), 0]  # the total; NaN where missing
        return rewards

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        mask = output["completion_mask"].float() * ~self._rewards.isnan()[:, None]
        with torch.no_grad():
            values = self._values(output)
            advantages, output["returns"] = advantages_of(self._rewards.nan_to_num(), values, mask)
        count = self.accelerator.reduce(mask.sum(), "sum").clamp(min=1)
        mean = self.accelerator.reduce((advantages * mask).sum(), "sum") / count
        spread = (
            self.accelerator.reduce(((advantages - mean).square() * mask).sum(), "sum") / count
        ).sqrt()
        output["advantages"] = (advantages - mean) / (spread + 1e-8) * mask
        output["value_mask"] = mask
        return output

    def _values(self, batch: dict[str, Any]) -> torch.Tensor:
        """What the critic expects before each token of the completion, (B, T)."""
        ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
        mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
        with self.accelerator.autocast():
            values = self.critic(ids, mask)
        before: torch.Tensor = values[:, -batch["completion_ids"].shape[1] - 1 : -1]
        return before.float()

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        if model.training:
            mask = inputs["value_mask"]
            errors = (self._values(inputs) - inputs["returns"]).square() * mask
            # a mean over completions, as the policy's: no split of a step changes its gradient
            loss = (errors.sum(1) / mask.sum(1).clamp(min=1)).mean() / 2
            (loss / self.current_gradient_accumulation_steps).backward()
            self._metrics["train"]["value_loss"].append(
                self.accelerator.gather(loss.detach()).mean().item()
            )
        return super()._compute_loss(model, inputs)

    def step_critic(self) -> None:
        for parameter in self.critic.parameters():
            if parameter.grad is not None:
                parameter.grad = self.accelerator.reduce(parameter.grad, "mean")
        torch.nn.utils.clip_grad_norm_(
            self.critic.parameters(), self.args.max_grad_norm or float("inf")
        )
        self.critic_optimizer.step()
        self.critic_optimizer.zero_grad()

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self.args.should_save:
            state = {
                "critic": self.critic.state_dict(),
                "optimizer": self.critic_optimizer.state_dict(),
            }
            torch.save(
                state,
                Path(
                    str(self.args.output_dir), f"checkpoint-{self.state.global_step}", "critic.pt"
                ),
            )

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint:
            state = torch.load(
                Path(checkpoint, "critic.pt"),
                map_location=self.accelerator.device,
                weights_only=True,
            )
            self.critic.load_state_dict(state["critic"])
            self.critic_optimizer.load_state_dict(state["optimizer"])


class _StepCritic(TrainerCallback):  # type: ignore[misc]
    """The critic is stepped with the student: Trainer knows one optimiser, and zeroes one model's
    gradients.
    """

    def __init__(self, trainer: PpoTrainer) -> None:
        self._trainer = trainer

    def on_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        self._trainer.step_critic()
