"""`train-gsrm`: Structured Fine-grained Training (RLKD, section 3.1, equation 1) on transformers'
Trainer.

One epoch on the M tokens, one on the Q&A tokens, one on both with weights that follow the losses.
Every loss is the mean over its set's tokens in the whole optimiser step (all accumulated batches,
all processes), so that neither padding nor the way a batch is split changes it.
"""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from transformers import Trainer, TrainerCallback
from transformers.trainer_callback import ExportableState

from rlkd_cli.core.loss_weights import END, META, SOLVING, LossBalance, Phase, phase_weights
from rlkd_cli.errors import RecordError, UsageError
from rlkd_cli.models.local.labelled_head import LabelledHead
from rlkd_cli.records.atomic import write_json
from rlkd_cli.records.schema import Raw
from rlkd_cli.training import model as models
from rlkd_cli.training.gsrm.data import collate, pack, split
from rlkd_cli.training.gsrm.held_out import HeldOut
from rlkd_cli.training.gsrm.options import GsrmTraining
from rlkd_cli.training.gsrm.prepare import Pairs, needed, prepare, training_arguments
from rlkd_cli.training.loop import Show, fit
from rlkd_cli.training.run_folder import averages, write_card
from rlkd_cli.training.saving import leave_others, save_model


class BalanceCallback(TrainerCallback, ExportableState):  # type: ignore[misc]
    """Keeps a and b in the checkpoint's trainer_state.json."""

    def __init__(self, balance: dict[str, Any] | None = None) -> None:
        self.balance = LossBalance(**balance) if balance else LossBalance()

    def state(self) -> dict[str, Any]:
        return {"args": {"balance": self.balance.state()}, "attributes": {}}


class StructuredTrainer(Trainer):
    """Trainer with a phase an epoch and a loss by token set; `sums` holds the step's losses and
    token counts.
    """

    def __init__(
        self, phases: Sequence[Phase], balance: BalanceCallback, head: LabelledHead, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs, callbacks=[balance])
        self.phases, self.head = phases, head
        self.counts = torch.zeros(2)
        self.sums = torch.zeros(2)
        self.model_accepts_loss_kwargs = True  # the loss is a mean over the whole step already

    @property
    def phase(self) -> Phase:
        return self.phases[min(int(self.state.epoch or 0), len(self.phases) - 1)]

    @property
    def balance(self) -> LossBalance:
        # a resumed run replaces callbacks by those of the checkpoint
        callback = next(
            c for c in self.callback_handler.callbacks if isinstance(c, BalanceCallback)
        )
        return callback.balance

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: torch.device) -> Any:
        """The step's batches; counts each set's tokens over all of them and all processes."""
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        counts = torch.zeros(2, device=device)
        self.started, self.tokens = (
            time.perf_counter(),
            sum(batch["roles"].numel() for batch in batches),
        )
        for batch in batches:
            roles = batch["roles"][:, 1:]
            counts += torch.stack(
                [(roles == META).sum(), (roles == SOLVING).sum() + (roles == END).sum()]
            ).to(device)
        self.counts = self.accelerator.reduce(counts, "sum")
        self.sums = torch.zeros(2, device=device)
        # a count tells Trainer that the loss is normalised already, not to divide by accumulation
        return batches, self.counts.sum()

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """This batch's share of the step's loss: per-token weights times -log p, summed."""
        roles = inputs["roles"]
        phase = self.phase
        weight = self._weights(phase).to(roles.device)
        sequence = {name: value for name, value in inputs.items() if name != "roles"}
        # The set that is not trained is scored too: both losses are logged in every phase
        losses = -self.head.log_probs(model, sequence, roles >= 0)
        roles = roles[:, 1:]
        is_meta, is_end = roles == META, roles == END
        is_solving = (roles == SOLVING) | is_end
        with torch.no_grad():
            self.sums += torch.stack([losses[is_meta].sum(), losses[is_solving].sum()])
        loss = weight[0] * losses[is_meta].sum() + weight[1] * losses[is_solving].sum()
        if phase == "meta":  # the end token is trained in every phase, or the model never stops
            loss = loss + weight[0] * losses[is_end].sum()
        # DDP and FSDP average gradients over processes; the loss is a sum over them
        return loss * self.accelerator.num_processes

    def _weights(self, phase: Phase) -> torch.Tensor:
        """What one token of each set weighs, (2,): the phase's weight over the set's count in the
        step.
        """
        if phase == "plain":
            return torch.ones(2) / self.counts.sum().clamp(min=1).cpu()
        share = torch.tensor(phase_weights(phase, self.balance.a, self.balance.b))
        return share / self.counts.cpu().clamp(min=1)

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        loss = super().training_step(*args, **kwargs)
        if self.accelerator.sync_gradients:
            meta, solving = (
                self.accelerator.reduce(self.sums, "sum") / self.counts.clamp(min=1)
            ).tolist()
            phase = self.phase
            if self.counts.min() > 0:
                self.balance.update(phase, meta, solving)
            speed = (
                self.tokens * self.accelerator.num_processes / (time.perf_counter() - self.started)
            )
            self.step_metrics = {
                "phase": phase,
                "loss_meta": meta,
                "loss_solving": solving,
                "tokens_per_second": speed,
            }
        return loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        if "loss" in logs:
            logs |= getattr(self, "step_metrics", {}) | {"a": self.balance.a, "b": self.balance.b}
        super().log(logs, *args, **kwargs)


def load(options: GsrmTraining, needed: int) -> tuple[Any, Any, LabelledHead]:
    """The base model, its tokenizer, and its head. ModelError where they cannot be loaded."""
    model, tokenizer = models.load(options.model, options, needed)
    head = LabelledHead(model)  # before adapters are put around the model
    if options.lora:
        from peft import get_peft_model

        model = get_peft_model(model, models.lora(options.lora))
    return model, tokenizer, head


def held_out(options: GsrmTraining, records: Sequence[Raw], prompt: str) -> HeldOut:
    """The check of the records that `train` leaves out."""
    kept = split(records, options.eval_fraction, options.seed)[0]
    return HeldOut(kept, prompt, options.output)


def train(
    options: GsrmTraining,
    records: Sequence[Raw],
    prompt: str,
    on_log: Show,
    pairs: Pairs | None = None,
    more: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], list[tuple[Raw, RecordError]]]:
    """Trains and saves a GSRM in `options.output`; continues from the last checkpoint there.

    Returns the last logged metrics and the records that could not be used, with the reason; `more`
    are arguments given by `--trl`. UsageError where no record can be used.
    """
    models.quiet_libraries()
    pairs = pairs or prepare(options, records, prompt)
    if not pairs.examples:
        raise UsageError(f"no pair can be trained on; the first: {pairs.rejected[0][1]}")
    trainer, tokenizer = _trainer(options, pairs, more or {})
    metrics = fit(trainer, options, on_log)
    if save_model(trainer, tokenizer, options.model, options.output, options.keep_adapter):
        accelerator = trainer.accelerator
        del trainer
        accelerator.free_memory()  # room for the check
        check = held_out(options, records, prompt)
        check.measure("after", str(options.output))
        metrics |= check.facts
        write_folder(options, prompt, metrics, pairs)
    leave_others()
    return metrics, pairs.rejected


def _trainer(
    options: GsrmTraining, pairs: Pairs, more: Mapping[str, Any]
) -> tuple[StructuredTrainer, Any]:
    # before the model is loaded: DeepSpeed and FSDP load it in shards when they know of it
    arguments = training_arguments(options, more)
    model, tokenizer, head = load(options, needed(options, pairs))
    trainer = StructuredTrainer(
        options.epochs,  # type: ignore[arg-type]
        BalanceCallback({"alpha": options.alpha}),
        head,
        model=model,
        args=arguments,
        train_dataset=pairs.examples,
        data_collator=pack if options.packing else partial(collate, pad=tokenizer.pad_token_id),
    )
    return trainer, tokenizer


def write_folder(options: GsrmTraining, prompt: str, metrics: dict[str, Any], pairs: Pairs) -> None:
    """What makes a model folder a GSRM: its prompt, the form of its replies, and a card."""
    about = {"prompt": prompt, "format": "Meta-reasoning, Sub-problem, Answer"}
    write_json(options.output / "gsrm.json", about)
    facts = {
        "base model": options.model,
        "pairs": len(pairs.examples),
        "pairs left out": len(pairs.rejected),
        "phases": ", ".join(options.epochs),
        "learning rate": options.learning_rate,
        "batch": options.batch_size * options.accumulation,
        "LoRA rank": options.lora,
        "weights": "a LoRA adapter of the base, not merged" if options.keep_adapter else None,
    }
    means = averages(options.output / "metrics.jsonl")
    losses = [name for name in ("loss_meta", "loss_solving") if name in means]
    facts |= {f"{name} (mean of the last steps)": f"{means[name]:.4g}" for name in losses}
    facts |= {name: metrics[name] for name in metrics if name in "ab" or " held out " in name}
    text = "Turns a reasoning path into steps (RLKD, section 3.1)."
    write_card(options.output, "GSRM", text, facts)
