"""What `train-gsrm` trains on, checked before any weights are loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from transformers import TrainingArguments

from rlkd_cli import ranks
from rlkd_cli.errors import RecordError
from rlkd_cli.models import user
from rlkd_cli.models.chat import encode_chat
from rlkd_cli.records.schema import Raw
from rlkd_cli.reward.segmenter import segment_prompt
from rlkd_cli.training import model as models
from rlkd_cli.training import passthrough, preflight
from rlkd_cli.training.context import check_context, check_tokens, load_config, rope_facts
from rlkd_cli.training.gsrm.data import Example, encode_all, split
from rlkd_cli.training.gsrm.options import GsrmTraining
from rlkd_cli.training.replies import end_of


def check_model(options: GsrmTraining) -> None:
    """ModelError where the base model's configuration or tokenizer cannot be loaded, UsageError
    where they do not fit; loads no weights.
    """
    load_config(options.model)
    tokenizer = models.load_tokenizer(options.model)
    asked = encode_chat(tokenizer, user("?"))
    check_tokens(options.model, tokenizer, [tokenizer.pad_token_id, end_of(tokenizer), *asked])


def trl_arguments(options: GsrmTraining) -> dict[str, Any]:
    """What `--trl` gives, checked against transformers' TrainingArguments, which are made of it
    once.

    UsageError where they cannot be.
    """
    if not options.trl:
        return {}
    found = passthrough.check(options.trl, TrainingArguments, "train-gsrm")
    if not ranks.is_launched():  # who launched this process has tried it
        passthrough.try_out(found, partial(training_arguments, options, found))
    return found


def training_arguments(options: GsrmTraining, more: Mapping[str, Any]) -> TrainingArguments:
    """The trainer's configuration; `more` are arguments given by `--trl`."""
    own = {
        "num_train_epochs": len(options.epochs),
        "lr_scheduler_type": "linear",
        "weight_decay": options.weight_decay,
        "remove_unused_columns": False,
        "restore_callback_states_from_checkpoint": True,
    }
    return TrainingArguments(**models.arguments(options) | own | dict(more))


@dataclass
class Pairs:
    """What is trained on, and what cannot be, with the reason."""

    examples: list[Example]
    rejected: list[tuple[Raw, RecordError]]

    @property
    def longest(self) -> int:
        """Tokens of the longest pair."""
        return max((len(example.ids) for example in self.examples), default=0)


def prepare(options: GsrmTraining, records: Sequence[Raw], prompt: str) -> Pairs:
    """The pairs as token ids, but for those held out. UsageError where one exceeds the model's
    context.
    """
    tokenizer = models.load_tokenizer(options.model)
    mine = split(records, options.eval_fraction, options.seed)[1]
    pairs = Pairs(*encode_all(mine, tokenizer, prompt, options.max_length, options.truncate))
    if pairs.examples:
        written = chain.from_iterable(example.ids for example in pairs.examples)
        check_tokens(options.model, tokenizer, chain([tokenizer.pad_token_id], written))
        check_context(options.model, options, needed(options, pairs))
    return pairs


def needed(options: GsrmTraining, pairs: Pairs) -> int:
    """Tokens that the model must reach: with a rope base of its own, all that --max-length
    allows.
    """
    return pairs.longest if options.rope_theta is None else options.max_length


def facts(
    options: GsrmTraining, pairs: Pairs, records: Sequence[Raw], prompt: str
) -> list[preflight.Line]:
    """What the model is asked, how its replies end, what fits."""
    tokenizer = models.load_tokenizer(options.model)
    context = check_context(options.model, options, needed(options, pairs))
    asked = user(segment_prompt(records[0], prompt))
    lines = preflight.prompt_facts(tokenizer, asked) + preflight.reply_facts(
        options.model, tokenizer
    )
    pair = f"longest pair {pairs.longest:,}"
    lines.append(("context", f"{context:,}; {pair}" if context else f"unknown; {pair}"))
    return lines + rope_facts(options.model, options)
