"""`rlkd distill`."""

from dataclasses import dataclass
from typing import Annotated, Any

from rlkd_cli import console
from rlkd_cli.commands import training
from rlkd_cli.commands.common import Running, opened
from rlkd_cli.models import Asking
from rlkd_cli.option import argument
from rlkd_cli.records.read import Rows
from rlkd_cli.records.schema import Raw
from rlkd_cli.reward.grading.grader import Grader
from rlkd_cli.reward.structured import Matching, Structure
from rlkd_cli.reward.total import Weights
from rlkd_cli.training import ranks
from rlkd_cli.training.methods import METHODS
from rlkd_cli.training.methods.options import Distillation

REWARDS = ("outcome_reward", "total_reward", "structured_reward")
SHOWN = (*REWARDS, "loss", "completions/mean_length", "completions/clipped_ratio")
PARTS = ("generation", "segmenting", "judging", "outcome", "loss", "optimizer")
TIMES = tuple(f"seconds_{part}" for part in PARTS)


@dataclass(frozen=True, kw_only=True)
class Options(Running, Asking, Rows, Distillation, Matching):
    teacher: Annotated[
        str,
        argument("TEACHER", "The teacher's segmentations (paths too, with --gsrm).", free=True),
    ]

    @property
    def asked(self) -> list[str]:
        """The models that the result depends on."""
        anchor = [self.teacher_model] if self.teacher_model else []
        rewarding = self.models if METHODS[self.method].structure else []
        return [self.student, *anchor, *rewarding]


def run(options: Options) -> None:
    """Reads the teacher's segmentations.

    Writes a model folder with metrics.jsonl and completions.jsonl.
    """
    method = METHODS[options.method]
    method.check(options)
    if method.structure:
        options.check()
    source = options.read(options.teacher, method.schema)
    records, lost = training.read(source)
    if options.dry_run:
        return _dry_run(options, records)
    from rlkd_cli.training import distillation

    distillation.check_batches(options)
    begin = training.begin("distill", options, source, options.asked, {})
    if begin is None:
        return training.end_with_status(options.output)
    options = training.on_this_machine(options)
    begin()
    records, refused = _teacher(options, records)
    training.launch_if_asked(options)
    view, show = console.training_view(f"distill {options.method}", options.quiet, SHOWN)
    reward = _reward(options, records) if method.rewards else None
    with view:
        metrics = distillation.train(options, records, reward, show)
    if not ranks.is_first():
        return
    if not options.quiet:
        shown = [(n, f"{metrics[n]:.4f}") for n in (*SHOWN, *TIMES) if n in metrics]
        console.table(f"distill {options.method}", shown)
    training.end(options, REWARDS, 5, refused + lost)


def _structure(options: Options, grader: Grader) -> Structure:
    return Structure.open(
        options, lambda spec: opened(options, spec), grader, overwrite=options.overwrite
    )


def _teacher(options: Options, records: list[Raw]) -> tuple[list[Raw], training.Lost]:
    """The teacher's records with steps, and those that could not be segmented.

    This runs before the other processes are started.
    """
    if not METHODS[options.method].structure:
        return records, []
    from rlkd_cli.reward.structured import open_gsrm
    from rlkd_cli.training.data import with_steps

    file = options.output / "teacher.jsonl"
    return with_steps(records, lambda: open_gsrm(options, lambda spec: opened(options, spec)), file)


def _reward(options: Options, records: list[Raw]) -> Any:
    """The reward of the method: outcome and structure, or the outcome alone."""
    from rlkd_cli.training.data import decoder
    from rlkd_cli.training.reward import Reward

    grader = Grader()
    structured = METHODS[options.method].structure
    weight = options.structure_weight if structured else 0.0
    return Reward(
        records=records,
        decode=decoder(options.student),
        weights=Weights(weight, options.outcome_weight, options.format_weight),
        grader=grader,
        structure=_structure(options, grader) if structured else None,
        max_failures=options.max_reward_failures,
        timeout=options.reward_timeout,
        samples=options.output / "completions.jsonl",
        sample_every=options.sample_every,
        tell=lambda text: console.message(text, "yellow"),
    )


def _dry_run(options: Options, records: list[Raw]) -> None:
    processes = options.num_processes or 1
    step = options.batch_size * options.accumulation * processes
    most = f"{step * options.steps * options.max_tokens:,}"
    lines = [
        ("problems", f"{len(records):,}"),
        ("method", options.method),
        ("student", options.student),
        ("steps", f"{options.steps:,}"),
        ("completions a step", f"{step:,}"),
        ("tokens written by the student, at most", most),
    ]
    if METHODS[options.method].structure:
        asked = step * options.steps + sum(not raw.get("steps") for raw in records)
        lines += [(f"calls of {options.gsrm}", f"{asked:,}"), ("judge", options.judge)]
    console.table("distill (dry run)", lines)
