"""`distill`: RLKD and its rivals on one budget (RLKD, sections 3.2 and 4.1; RLAD, 2602.22495).

| method | trainer       | reward              | what differs                                          |
| ------ | ------------- | ------------------- | ----------------------------------------------------- |
| rlkd   | TimedTrainer  | structure + outcome |                                                       |
| grpo   | TimedTrainer  | outcome             | no structured reward                                  |
| ppo    | PpoTrainer    | outcome             | a critic and GAE give each token its advantage        |
| rlad   | TrrdTrainer   | outcome             | the ratio is anchored between old student and teacher |
| sft    | SFTTrainer    | none                | the teacher's paths, loss on the completion alone     |

TimedTrainer is TRL's GRPOTrainer with a clock.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from datasets import Dataset
from transformers import AutoTokenizer

from rlkd_cli.core.question import question
from rlkd_cli.core.thinking import OPEN, reasoning
from rlkd_cli.errors import ModelError, RecordError, UsageError
from rlkd_cli.models import user
from rlkd_cli.models.chat import opens_thinking
from rlkd_cli.models.endpoint import EndpointModel
from rlkd_cli.pipeline.segment import Segmenter
from rlkd_cli.records.read import dumps, rows
from rlkd_cli.records.schema import Raw
from rlkd_cli.training import common
from rlkd_cli.training.common import TrainingConfig
from rlkd_cli.training.loop import Show, fit
from rlkd_cli.training.reward import Reward
from rlkd_cli.training.run_folder import write_card

Method = Literal["rlkd", "grpo", "ppo", "sft", "rlad"]


@dataclass(frozen=True, kw_only=True)
class DistillConfig(TrainingConfig):
    """Settings of a run; defaults are the paper's (4.1) and, where it is silent, the released recipe's."""

    student: str
    method: Method = "rlkd"
    steps: int = 100
    batch_size: int = 2
    accumulation: int = 4
    group: int = 4
    temperature: float = 0.7
    max_prompt_length: int = 1024
    max_completion_length: int = 4096
    max_grad_norm: float = 0.2
    iterations: int = 1
    save_steps: int = 10
    template: str | None = None
    system: str | None = None
    teacher: str | None = None  # rlad: the model whose log-probabilities anchor the ratio
    trrd_alpha: float = 0.5
    vllm: Literal["colocate", "server"] | None = None


def train(
    config: DistillConfig, records: Sequence[Raw], reward: Reward | None, on_log: Show
) -> dict[str, Any]:
    """Trains the student and saves it in `config.output`; continues from the last checkpoint there."""
    common.quiet_libraries()
    trainer, tokenizer = (
        _sft(config, records) if config.method == "sft" else _rl(config, records, reward)
    )
    try:
        metrics = fit(trainer, config.output, on_log)
    finally:
        if reward is not None:  # TRL has an event loop of its own for rewards
            asyncio.run_coroutine_threadsafe(reward.close(), trainer.async_loop).result(10)
    if common.save_model(trainer, tokenizer, config.output):
        facts = {
            "student": config.student,
            "method": config.method,
            "steps": config.steps,
            "problems": len(records),
        }
        facts |= {k: v for k, v in metrics.items() if k.endswith("_reward")}
        write_card(
            config.output,
            f"Student ({config.method})",
            "Distilled from a teacher's reasoning.",
            facts,
        )
    return metrics


def _shared(config: DistillConfig) -> dict[str, Any]:
    """The arguments that mean the same for every method."""
    own = {
        "max_steps": config.steps,
        "lr_scheduler_type": "constant_with_warmup",
        "max_grad_norm": config.max_grad_norm,
    }
    return config.arguments | own


def prompt_of(raw: Raw, config: DistillConfig, chat: bool) -> Any:
    """A problem as the student is asked it: messages, or plain text for a base model without a chat template."""
    messages = [dict(m) for m in user(question(raw, config.template), config.system)]
    return messages if chat else "\n\n".join(message["content"] for message in messages)


def _rl(config: DistillConfig, records: Sequence[Raw], reward: Reward | None) -> tuple[Any, Any]:
    from trl import GRPOConfig

    from rlkd_cli.training.timing import TimedTrainer

    # before the model is loaded: DeepSpeed and FSDP load it in shards when they know of it
    arguments = GRPOConfig(
        **_shared(config),
        num_generations=config.group,
        temperature=config.temperature,
        max_completion_length=config.max_completion_length,
        num_iterations=config.iterations,
        # TRL's defaults have moved: these are the paper's GRPO, by name
        beta=0.0,
        loss_type="grpo",
        scale_rewards="group",
        epsilon=0.2,
        epsilon_high=0.28 if config.method == "rlad" else 0.2,
        use_vllm=config.vllm is not None,
        vllm_mode=config.vllm or "colocate",
    )
    model, tokenizer = common.load(config.student, config)
    chat = tokenizer.chat_template is not None
    data = Dataset.from_list(
        [{"prompt": prompt_of(raw, config, chat), "row": i} for i, raw in enumerate(records)]
    )
    trainer_class: type[TimedTrainer] = TimedTrainer
    extra: dict[str, Any] = {}
    if config.method == "rlad":
        from rlkd_cli.training.methods.rlad import TrrdTrainer, load_teacher

        trainer_class, extra = (
            TrrdTrainer,
            {"teacher": load_teacher(config.teacher, tokenizer), "alpha": config.trrd_alpha},
        )
    if config.method == "ppo":
        from rlkd_cli.training.methods.ppo import PpoTrainer, load_critic

        trainer_class, extra = PpoTrainer, {"critic": load_critic(config.student)}
    trainer = trainer_class(
        model=model,
        reward_funcs=[reward],  # type: ignore[list-item]  # TRL takes asynchronous functions too
        args=arguments,
        train_dataset=data,
        processing_class=tokenizer,
        peft_config=common.lora(config.lora),
        **extra,
    )
    return trainer, tokenizer


def check_batches(config: DistillConfig, processes: int) -> None:
    """UsageError for settings that TRL would refuse late, or resume inexactly."""
    completions = config.batch_size * config.accumulation * processes
    if config.method != "sft" and completions % config.group:
        raise UsageError(
            f"--batch-size x --accumulation x processes = {completions} completions a step "
            f"do not divide into groups of {config.group}"
        )
    if config.save_steps % config.iterations:
        raise UsageError(
            f"--save-steps {config.save_steps} must be a multiple of --iterations {config.iterations}"
        )


def _sft(config: DistillConfig, records: Sequence[Raw]) -> tuple[Any, Any]:
    from trl import SFTConfig, SFTTrainer

    arguments = SFTConfig(
        **_shared(config),
        max_length=config.max_prompt_length + config.max_completion_length,
        completion_only_loss=True,
    )
    model, tokenizer = common.load(config.student, config)
    chat = tokenizer.chat_template is not None
    end = tokenizer.eos_token or ""

    def example(raw: Raw) -> dict[str, Any]:
        reply = [{"role": "assistant", "content": raw["path"]}] if chat else raw["path"] + end
        return {"prompt": prompt_of(raw, config, chat), "completion": reply}

    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list([example(raw) for raw in records]),
        processing_class=tokenizer,
        peft_config=common.lora(config.lora),
    )
    return trainer, tokenizer


def decoder(student: str) -> Callable[[list[int]], str]:
    """From completion ids to paths. Not TRL's own text: a response template could split the thinking off.

    Thinking that the chat template opens is opened in the path too: one that never closes it has no answer.
    """
    tokenizer = AutoTokenizer.from_pretrained(student)
    start = f"{OPEN}\n" if opens_thinking(tokenizer) else ""
    return lambda ids: start + str(tokenizer.decode(ids, skip_special_tokens=True))


def with_steps(
    records: Sequence[Raw], gsrm: Segmenter, file: Path
) -> tuple[list[Raw], list[tuple[Raw, RecordError]]]:
    """Records whose teacher has steps, and those of which none could be made, with the reason.

    Missing steps are asked for once, and what came of it is kept in `file`, a line a record, for a resumed run and for
    the other processes. ModelError where no teacher path has steps.
    """
    if all(raw.get("steps") for raw in records):
        return list(records), []

    async def one(raw: Raw) -> Raw:
        if raw.get("steps"):
            return {"steps": raw["steps"]}
        try:
            return {"steps": (await gsrm({**raw, "path": reasoning(raw["path"])}))[0]["steps"]}
        except RecordError as error:
            return {"steps": [], "error": error.code, "detail": error.detail}

    async def everything() -> list[Raw]:
        try:
            return list(await asyncio.gather(*map(one, records)))
        finally:
            if isinstance(gsrm.model, EndpointModel):  # training asks from another event loop
                await gsrm.model.close()

    if not file.exists():
        found = asyncio.run(everything())
        partial = file.with_suffix(".partial")
        partial.write_text(
            "".join(
                dumps({"id": r["id"], **own}) + "\n" for r, own in zip(records, found, strict=True)
            ),
            "utf-8",
        )
        partial.replace(file)
    kept = [own for _, own in rows(str(file)) if isinstance(own, dict)]
    pairs = list(zip(records, kept, strict=True))
    done = [{**raw, "steps": own["steps"]} for raw, own in pairs if own["steps"]]
    if not done:
        raise ModelError("no teacher path could be segmented")
    return done, [
        (raw, RecordError(own["error"], own["detail"])) for raw, own in pairs if not own["steps"]
    ]
