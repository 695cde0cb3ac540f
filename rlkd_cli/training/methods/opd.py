"""On-policy distillation on TRL's DistillationTrainer: the student writes, and at each of its
tokens its whole distribution is compared with a teacher's.

The divergence is the reverse KL by default, as the field does it; forward KL and the generalised
Jensen-Shannon divergence (here its half-way point), and a share of steps on the teacher's own
paths, are GKD's (2306.13649). Whether a step is one of these is drawn from seed and step, so that
all processes, and a resumed run, agree. A completion per problem; the loss is a mean over the
tokens of a step. Both distributions are taken at the sampling temperature.
"""

import random
from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from trl import DistillationConfig, DistillationTrainer

from rlkd_cli.errors import UsageError
from rlkd_cli.records.schema import Raw
from rlkd_cli.training import model as models
from rlkd_cli.training.data import messages_of
from rlkd_cli.training.methods.grpo import prompt_rows, said, writing_arguments
from rlkd_cli.training.methods.options import Distillation
from rlkd_cli.training.methods.teacher import load_teacher
from rlkd_cli.training.methods.timed import Timed
from rlkd_cli.training.replies import encode_reply

BETA = {"forward": 0.0, "jsd": 0.5, "reverse": 1.0}  # TRL's name for the divergence


def build(
    options: Distillation, records: Sequence[Raw], reward: Any, setting: models.Setting
) -> tuple["OpdTrainer", Any]:
    """The trainer and its tokenizer."""
    arguments = opd_arguments(options, setting)
    model, tokenizer = models.load(options.student, options, setting.needed)
    teacher = of_one_size(load_teacher(options), model)

    def paths() -> list[list[int]]:
        asked = [messages_of(raw, options, tokenizer) for raw in records]
        pairs = zip(records, asked, strict=True)
        encoded = [encode_reply(tokenizer, messages, raw["path"]) for raw, messages in pairs]
        return [ids[prompt:] for ids, prompt in encoded]

    share = options.teacher_share
    parts = opd_parts(options, records, arguments, model, tokenizer, setting)
    return OpdTrainer(
        **parts, teacher_model=teacher, share=share, paths=paths() if share else []
    ), tokenizer


def opd_arguments(options: Distillation, setting: models.Setting) -> DistillationConfig:
    """TRL's configuration."""
    own = {"beta": BETA[options.divergence]}
    return DistillationConfig(
        **models.distill_arguments(options)
        | writing_arguments(options)
        | own
        | said(options, setting)
    )


def opd_parts(
    options: Distillation,
    records: Sequence[Raw],
    arguments: DistillationConfig,
    model: Any,
    tokenizer: Any,
    setting: models.Setting,
) -> dict[str, Any]:
    """What every trainer of this kind takes."""

    def rows(some: Sequence[Raw], first: int) -> Dataset:
        return prompt_rows(some, first, options, tokenizer)

    return {
        "model": model,
        "args": arguments,
        "train_dataset": rows(records, 0),
        "eval_dataset": rows(setting.held_out, len(records)) if setting.held_out else None,
        "processing_class": tokenizer,
        "peft_config": models.lora(options.lora),
    }


def of_one_size(teacher: Any, student: Any) -> Any:
    """The teacher with as many logits as the student; what is cut off are rows that no token has.

    Models of one family pad the same vocabulary to different sizes. UsageError where the teacher
    has fewer.
    """
    sizes = [model.config.get_text_config().vocab_size for model in (teacher, student)]
    if sizes[0] < sizes[1]:
        counts = f"{sizes[0]:,} logits, fewer than the student's {sizes[1]:,}"
        raise UsageError(f"--teacher has {counts}")
    if sizes[0] > sizes[1]:
        teacher.resize_token_embeddings(sizes[1])
    return teacher.requires_grad_(False)


class OpdTrainer(Timed, DistillationTrainer):  # type: ignore[misc]
    """DistillationTrainer in which a `share` of the steps learn from `paths`, by row number."""

    def __init__(
        self, *args: Any, share: float = 0.0, paths: Sequence[list[int]] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._share, self._paths = share, paths
        self._rows: list[int] = []

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        self._rows = [one["row"] for one in inputs]
        return super()._generate_and_score_completions(inputs)  # type: ignore[no-any-return]

    def _generate_single_turn(self, *args: Any, **kwargs: Any) -> Any:
        model: Any = self.model
        if model.training and self._is_the_teachers():
            return [self._paths[row] for row in self._rows]
        return super()._generate_single_turn(*args, **kwargs)

    def _is_the_teachers(self) -> bool:
        drawn = random.Random(f"{self.args.seed} {self.state.global_step}").random()
        return drawn < self._share
