"""Supervised fine-tuning on the teacher's paths (4.1): the loss is on the path and its end
alone.
"""

from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from rlkd_cli.records.schema import Raw
from rlkd_cli.training import model as models
from rlkd_cli.training.data import messages_of
from rlkd_cli.training.methods.options import Distillation
from rlkd_cli.training.replies import encode_reply


class PathTrainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer that leaves the model card to rlkd."""

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Written once, at the end."""


def build(
    options: Distillation, records: Sequence[Raw], reward: Any, setting: models.Setting
) -> tuple[Any, Any]:
    """The trainer and its tokenizer; nothing is rewarded.

    Rows are encoded here, prompt + path + end: a chat template would change the path on its way.
    """
    arguments = sft_arguments(options, setting)
    model, tokenizer = models.load(options.student, options, setting.needed)

    def rows(some: Sequence[Raw]) -> Dataset:
        return Dataset.from_list([example(raw, options, tokenizer) for raw in some])

    trainer = PathTrainer(
        model=model,
        args=arguments,
        train_dataset=rows(records),
        eval_dataset=rows(setting.held_out) if setting.held_out else None,
        processing_class=tokenizer,
        peft_config=models.lora(options.lora),
    )
    return trainer, tokenizer


def sft_arguments(options: Distillation, setting: models.Setting) -> SFTConfig:
    """TRL's configuration."""
    return SFTConfig(
        **models.distill_arguments(options)
        | {"max_length": None, "dataset_kwargs": {"skip_prepare_dataset": True}}
        | dict(setting.more)
    )


def example(raw: Raw, options: Distillation, tokenizer: Any) -> dict[str, list[int]]:
    """`input_ids` and `labels` of prompt + path + end; the prompt has no labels."""
    ids, prompt = encode_reply(tokenizer, messages_of(raw, options, tokenizer), raw["path"])
    return {"input_ids": ids, "labels": [-100] * prompt + ids[prompt:]}
