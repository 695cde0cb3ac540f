"""Supervised fine-tuning on the teacher's paths (4.1): the loss is on the path alone."""

from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from rlkd_cli.records.schema import Raw
from rlkd_cli.training import model as models
from rlkd_cli.training.data import prompt_of
from rlkd_cli.training.methods.options import Distillation


def build(options: Distillation, records: Sequence[Raw], reward: Any) -> tuple[Any, Any]:
    """The trainer and its tokenizer; nothing is rewarded."""
    arguments = SFTConfig(
        **models.distill_arguments(options),
        max_length=options.max_prompt_length + options.max_tokens,
        completion_only_loss=True,
    )
    model, tokenizer = models.load(options.student, options)
    chat = tokenizer.chat_template is not None
    end = tokenizer.eos_token or ""

    def example(raw: Raw) -> dict[str, Any]:
        reply = [{"role": "assistant", "content": raw["path"]}] if chat else raw["path"] + end
        return {"prompt": prompt_of(raw, options, chat), "completion": reply}

    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list([example(raw) for raw in records]),
        processing_class=tokenizer,
        peft_config=models.lora(options.lora),
    )
    return trainer, tokenizer
