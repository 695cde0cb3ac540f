"""The training of `distill`, whatever the method: a trainer is built, run to its end, and the student saved."""

import asyncio
from collections.abc import Sequence
from typing import Any

from rlkd_cli.errors import UsageError
from rlkd_cli.records.schema import Raw
from rlkd_cli.training import model as models
from rlkd_cli.training.loop import Show, fit
from rlkd_cli.training.methods import METHODS
from rlkd_cli.training.methods.options import Distillation
from rlkd_cli.training.reward import MissingCallback, Reward
from rlkd_cli.training.run_folder import write_card


def train(
    options: Distillation, records: Sequence[Raw], reward: Reward | None, on_log: Show
) -> dict[str, Any]:
    """Trains the student and saves it in `options.output`; continues from the last checkpoint there."""
    models.quiet_libraries()
    trainer, tokenizer = METHODS[options.method].build(options, records, reward)
    try:
        checks = [MissingCallback(reward)] if reward else []
        metrics = fit(trainer, options.output, on_log, checks)
    finally:
        if reward is not None:  # TRL has an event loop of its own for rewards
            asyncio.run_coroutine_threadsafe(reward.close(), trainer.async_loop).result(10)
    if models.save_model(trainer, tokenizer, options.output):
        facts = {
            "student": options.student,
            "method": options.method,
            "steps": options.steps,
            "problems": len(records),
        }
        facts |= {name: value for name, value in metrics.items() if name.endswith("_reward")}
        title = f"Student ({options.method})"
        write_card(options.output, title, "Distilled from a teacher's reasoning.", facts)
    return metrics


def check_batches(options: Distillation) -> None:
    """UsageError for settings that TRL would refuse late, or resume inexactly."""
    completions = options.batch_size * options.accumulation * (options.num_processes or 1)
    if METHODS[options.method].rewards and completions % options.group:
        raise UsageError(
            f"--batch-size x --accumulation x processes = {completions} completions a step "
            f"do not divide into groups of {options.group}"
        )
    if options.save_steps % options.iterations:
        raise UsageError(
            f"--save-steps {options.save_steps} must be a multiple of --iterations {options.iterations}"
        )
