"""The training of `distill`, whatever the method: a trainer is built, run to its end, and the
student saved.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from rlkd_cli import ranks
from rlkd_cli.errors import UsageError
from rlkd_cli.models.chat import encode_chat, opens_thinking
from rlkd_cli.models.spec import shown
from rlkd_cli.records.schema import Raw
from rlkd_cli.training import model as models
from rlkd_cli.training import passthrough, preflight
from rlkd_cli.training.context import check_context, check_tokens, rope_facts
from rlkd_cli.training.data import Usable, messages_of, usable
from rlkd_cli.training.launcher import is_sharded, processes
from rlkd_cli.training.loop import Show, fit
from rlkd_cli.training.methods import METHODS
from rlkd_cli.training.methods.options import Distillation
from rlkd_cli.training.methods.recipes import RECIPES
from rlkd_cli.training.replies import encode_reply, end_of, untagged
from rlkd_cli.training.reward import MissingCallback, Reward
from rlkd_cli.training.run_folder import averages, write_card
from rlkd_cli.training.saving import leave_others, save_model


def train(
    options: Distillation,
    records: Sequence[Raw],
    reward: Reward | None,
    on_log: Show,
    setting: models.Setting,
) -> dict[str, Any]:
    """Trains the student and saves it in `options.output`; continues from the last checkpoint
    there.
    """
    models.quiet_libraries()
    trainer, tokenizer = METHODS[options.method].build(options, records, reward, setting)
    try:
        checks = [MissingCallback(reward)] if reward else []
        metrics = fit(trainer, options, on_log, checks)
    finally:
        if reward is not None:  # TRL has an event loop of its own for rewards
            asyncio.run_coroutine_threadsafe(reward.close(), trainer.async_loop).result(10)
    if save_model(trainer, tokenizer, options.student, options.output, options.keep_adapter):
        _card(options, len(records))
    leave_others()
    return metrics


def _card(options: Distillation, problems: int) -> None:
    """Says what was done, with averages over the last steps."""
    structured = options.is_structured
    facts = {
        "student": options.student,
        "begun from": options.begin_from,
        "method": options.method,
        "steps": options.steps,
        "problems": problems,
        "learning rate": options.learning_rate,
        "teacher's paths": getattr(options, "teacher", None),
        "teacher model": _spec(options, "teacher_asked"),
        "GSRM": _spec(options, "gsrm") if structured else None,
        "judge": _spec(options, "judge") if structured else None,
        "recipe": options.recipe,
        "LoRA rank": options.lora,
        "weights": "a LoRA adapter of the student, not merged" if options.keep_adapter else None,
    }
    means = averages(options.output / "metrics.jsonl")
    last = {name: f"{value:.4g}" for name, value in means.items() if _is_shown(name)}
    facts |= {f"{name} (mean of the last steps)": value for name, value in last.items()}
    title = f"Student ({options.method})"
    write_card(options.output, title, "Distilled from a teacher's reasoning.", facts)


def _spec(options: Any, name: str) -> str | None:
    """A model of the options as a card may show it."""
    spec = getattr(options, name, None)
    return shown(spec) if spec else None


def _is_shown(name: str) -> bool:
    is_reward = name.endswith("_reward") and not name.startswith("seconds_")
    return is_reward or name in ("loss", "completions/mean_length")


def sort_records(options: Distillation, records: Sequence[Raw]) -> Usable:
    """The records that the student can learn from. ModelError where its tokenizer cannot be loaded.

    UsageError where the lengths exceed the student's context, or the teacher's vocabulary is
    another.
    """
    tokenizer = models.load_tokenizer(options.student, options.recipe)
    found = usable(options, records, tokenizer)
    if found.records:
        check_tokens(options.student, tokenizer, _tokens(options, found.records, tokenizer))
        check_context(options.student, options, found.needed)
    if options.teacher_asked:
        from rlkd_cli.training.methods.teacher import check_vocabularies

        check_vocabularies(options.teacher_asked, options.student, found.needed)
    return found


def _tokens(options: Distillation, records: Sequence[Raw], tokenizer: Any) -> Iterator[int | None]:
    """What the student is given to read, as token ids."""
    yield from (tokenizer.pad_token_id, end_of(tokenizer))
    for raw in records:
        messages = messages_of(raw, options, tokenizer)
        if METHODS[options.method].rewards or METHODS[options.method].writes:
            yield from encode_chat(tokenizer, messages)
        else:
            yield from encode_reply(tokenizer, messages, raw["path"])[0]


def facts(options: Distillation, found: Usable) -> list[preflight.Line]:
    """What the student is asked, how its replies end, what fits."""
    tokenizer = models.load_tokenizer(options.student, options.recipe)
    context = check_context(options.student, options, found.needed)
    lines = preflight.reply_facts(options.student, tokenizer)
    lines += preflight.length_facts(context, found.longest_prompt, found.needed)
    lines += rope_facts(options.student, options)
    if found.long_paths:
        lines.append(("teacher paths over --max-tokens", f"{found.long_paths:,}"))
    plain = (
        0 if METHODS[options.method].rewards else sum(untagged(r["path"]) for r in found.records)
    )
    if plain and opens_thinking(tokenizer):
        lines.append(("paths without thinking, trained behind an empty one", f"{plain:,}"))
    first = messages_of(found.records[0], options, tokenizer)
    return preflight.prompt_facts(tokenizer, first) + lines


def trl_arguments(options: Distillation) -> dict[str, Any]:
    """What `--trl` gives, checked against the method's configuration, which is made of it once.

    UsageError where it cannot be.
    """
    if not options.trl:
        return {}
    from trl import DistillationConfig, GRPOConfig, SFTConfig

    method = METHODS[options.method]
    config = GRPOConfig if method.rewards else DistillationConfig if method.writes else SFTConfig
    found = passthrough.check(options.trl, config, "distill")
    if method.writes and "beta" in found:
        raise UsageError("--trl beta: rlkd sets it (--divergence)")
    if not ranks.is_launched():  # who launched this process has tried it
        make = partial(_configuration, options, models.Setting(0, found))
        passthrough.try_out(found, make, bool(options.eval), options.vllm is not None)
    return found


def _configuration(options: Distillation, setting: models.Setting) -> Any:
    """The trainer's configuration, in one process a step of all; no tokenizer is needed for it."""
    from rlkd_cli.training.methods import grpo, opd, sft

    count = processes(options.launch, options.num_processes)
    one = replace(options, batch_size=options.batch_size * count, vllm=None)
    method = METHODS[options.method]
    if method.rewards:
        return grpo.grpo_arguments(one, setting)
    return (opd.opd_arguments if method.writes else sft.sft_arguments)(one, setting)


def check_method(options: Distillation, more: Mapping[str, Any]) -> None:
    """UsageError for settings that the method does not go with; `more` is what `--trl` gives."""
    told = {**RECIPES[options.recipe].trl, **more}
    if options.method == "rlad":
        for name in ("beta", "off_policy_mask_threshold"):
            if told.get(name):
                by = f"--trl {name}" if name in more else f"--recipe {options.recipe}"
                raise UsageError(f"{by}: rlad's ratio is anchored at the teacher; no {name} beside")
    if options.method == "ppo" and is_sharded(options.launch):
        raise UsageError(
            "--method ppo holds student and critic whole on each device: "
            "--launch ddp, or one device"
        )


def check_batches(options: Distillation) -> None:
    """UsageError for settings that TRL would refuse late, or resume inexactly."""
    completions = completions_of(options)
    if METHODS[options.method].rewards and completions % options.group:
        raise UsageError(
            f"--batch-size x --accumulation x processes = {completions} completions a step "
            f"do not divide into groups of {options.group}"
        )
    if options.eval and options.eval_every % options.save_steps:
        raise UsageError(
            f"--eval-every {options.eval_every} must be a multiple of --save-steps "
            f"{options.save_steps}: the best checkpoint is one that was saved"
        )
    if options.save_steps % options.iterations:
        raise UsageError(
            f"--save-steps {options.save_steps} must be a multiple of "
            f"--iterations {options.iterations}"
        )


def check_enough(options: Distillation, records: Sequence[Raw]) -> None:
    """UsageError where there are fewer problems than a step needs: nothing would be trained."""
    method, step = METHODS[options.method], completions_of(options)
    needed = step // options.group if method.rewards else step if method.writes else 1
    if len(records) < needed:
        raise UsageError(
            f"{len(records)} usable problems, fewer than the {needed} that one step is made of; "
            f"lower --batch-size or --accumulation{', or raise --group' * method.rewards}"
        )


def completions_of(options: Distillation) -> int:
    """Completions a step, of all processes."""
    count = processes(options.launch, options.num_processes)
    return options.batch_size * options.accumulation * count
