"""What `train-gsrm` trains on, checked before any weights are loaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import TrainingArguments

from rlkd_cli.errors import RecordError
from rlkd_cli.models import user
from rlkd_cli.records.schema import Raw
from rlkd_cli.reward.segmenter import segment_prompt
from rlkd_cli.training import model as models
from rlkd_cli.training import passthrough, preflight
from rlkd_cli.training.context import check_context, load_config
from rlkd_cli.training.gsrm.data import Example, encode_all, split
from rlkd_cli.training.gsrm.options import GsrmTraining


def check_model(options: GsrmTraining) -> None:
    """ModelError where the base model's configuration or tokenizer cannot be loaded; loads no
    weights.
    """
    load_config(options.model)
    models.load_tokenizer(options.model)


def trl_arguments(options: GsrmTraining) -> dict[str, Any]:
    """What `--trl` gives, checked against transformers' TrainingArguments."""
    if not options.trl:
        return {}
    return passthrough.check(options.trl, TrainingArguments, "train-gsrm")


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
    return [*lines, ("context", f"{context:,}; {pair}" if context else f"unknown; {pair}")]
