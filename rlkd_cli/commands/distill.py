"""`rlkd distill`."""

import inspect
from dataclasses import dataclass
from typing import Annotated

from rlkd_cli import console, ranks
from rlkd_cli.commands import distilling, training
from rlkd_cli.commands.common import Running
from rlkd_cli.models import Asking
from rlkd_cli.models.local.embedders import LEXICAL
from rlkd_cli.models.spec import engine_of
from rlkd_cli.option import argument
from rlkd_cli.records.read import Rows
from rlkd_cli.reward.structured import Matching
from rlkd_cli.training.methods import METHODS
from rlkd_cli.training.methods.options import Distillation

PATHS = ("structured_reward", "embedding_reward", "sequence_reward")
REWARDS = ("outcome_reward", "total_reward", *PATHS)
SPREADS = ("*/group_deviation", "*/constant_groups", "*/missing")  # of each part of the reward
LOST = ("unsegmentable", "reward_failures")
SHOWN = (*REWARDS, *LOST, "loss", "completions/mean_length", "completions/clipped_ratio")
PARTS = ("generation", "reward", "loss", "optimizer", "other", "step")
TIMES = tuple(f"seconds_{part}" for part in PARTS)


@dataclass(frozen=True, kw_only=True)
class Options(Running, Asking, Rows, Distillation, Matching):
    teacher: Annotated[
        str,
        argument(
            "TEACHER", "The teacher's segmentations (paths too, with --gsrm).", free=True, file="in"
        ),
    ]

    @property
    def models(self) -> list[str]:
        """The models that the result depends on."""
        teacher = [self.teacher_asked] if self.teacher_asked else []
        rewarding = super().models if self.is_structured else []
        if METHODS[self.method].structure and self.reward == "embedding":
            rewarding = [f"hf/{self.embedder}"] if self.embedder != LEXICAL else []
        return [self.student, *teacher, *rewarding]


def run(options: Options) -> int | None:
    """Reads the teacher's segmentations; writes a model folder with metrics.jsonl and
    completions.jsonl.
    """
    options, stages = distilling.begun_from(options)
    method = METHODS[options.method]
    method.check(options)
    teacher = options.teacher_asked
    here = None if teacher and engine_of(teacher) == "http" else teacher
    training.check(options, student=options.student, teacher=here)
    if options.is_structured:
        options.check()
        distilling.check_engines(options)
    source = options.read(options.teacher, method.schema)
    records, lost = training.read(source)
    from rlkd_cli.training import distillation
    from rlkd_cli.training.model import Setting

    more = distillation.trl_arguments(options)
    distillation.check_method(options, more)
    distillation.check_batches(options)
    chosen = distilling.chosen(options, records)
    if options.dry_run:
        return distilling.dry_run(options, chosen)
    begin = training.begin(
        "distill", options, source, options.models, distilling.evaluated(options), stages
    )
    if begin is None:
        return training.end_with_status(options.output)
    options = training.on_this_machine(options)
    found = distilling.usable(options, chosen, lost)
    records, refused = distilling.teacher(options, found.records, begin, "teacher.jsonl")
    held_out = distilling.held_out(options, begin)
    training.launch_if_asked(options, begin)
    view, show = console.training_view(f"distill {options.method}", options.quiet, SHOWN)
    reward = distilling.reward(options, [*records, *held_out]) if method.rewards else None
    begin()
    with view:
        setting = Setting(found.needed, more, held_out)
        metrics = distillation.train(options, records, reward, training.watched(show), setting)
    if not ranks.is_first():
        return None
    if not options.quiet:
        shown = [(n, f"{metrics[n]:.4f}") for n in (*SHOWN, *TIMES) if n in metrics]
        console.table(f"distill {options.method}", shown)
    curves = (*REWARDS[:2], f"{options.reward}_reward", *SPREADS)
    return training.end(options, curves, 5, refused + found.rejected + lost)


_LINES = [f"{name}: {m.summary}. Needs {m.data or 'problems'}." for name, m in METHODS.items()]
run.__doc__ = "\n\n".join(
    [inspect.cleandoc(str(run.__doc__)), "Methods, and what each needs:", *_LINES]
)
