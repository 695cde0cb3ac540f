"""`rlkd train-gsrm`."""

from dataclasses import dataclass

from rlkd_cli import console, prompts
from rlkd_cli.commands import training
from rlkd_cli.commands.common import Running
from rlkd_cli.errors import UsageError
from rlkd_cli.records.manifest import contents
from rlkd_cli.records.read import In, Rows
from rlkd_cli.records.schema import Raw, Segmentation
from rlkd_cli.training import ranks
from rlkd_cli.training.gsrm.options import PHASES, GsrmTraining

SHOWN = ("phase", "loss_meta", "loss_solving", "a", "b", "tokens_per_second")
LOSSES = ("loss_meta", "loss_solving")


@dataclass(frozen=True, kw_only=True)
class Options(Running, Rows, GsrmTraining):
    source: In


def run(options: Options) -> None:
    """Reads segmentations; writes a model folder for any engine, with metrics.jsonl."""
    for name in options.epochs:
        if name not in PHASES:
            raise UsageError(f"--phases {name}: one of {', '.join(PHASES)}")
    source, prompt = options.read(options.source, Segmentation), prompts.load("gsrm")
    records, lost = training.read(source)
    if options.dry_run:
        return _dry_run(options, records)
    settings = contents({"the prompt": prompts.version(prompt)})
    begin = training.begin("train-gsrm", options, source, [options.model], settings)
    if begin is None:
        return training.end_with_status(options.output)
    from rlkd_cli.training.gsrm import trainer

    options = training.on_this_machine(options)
    begin()
    check = trainer.held_out(options, records, prompt)
    if not check.has("before"):  # this runs before the other processes are started
        if not options.quiet:
            console.message("checking the base model on the pairs held out")
        check.measure("before", options.model)
    training.launch_if_asked(options)
    view, show = console.training_view("train-gsrm", options.quiet, SHOWN)
    with view:
        metrics, refused = trainer.train(options, records, prompt, show)
    if not ranks.is_first():
        return
    if not options.quiet:
        shown = [n for n in metrics if n in (*LOSSES, "a", "b") or " held out " in n]
        console.table("train-gsrm", [(name, f"{metrics[name]:.4f}") for name in shown])
    training.end(options, LOSSES, 10, refused + lost)


def _dry_run(options: Options, records: list[Raw]) -> None:
    batch = options.batch_size * options.accumulation * (options.num_processes or 1)
    pairs = round((1 - options.eval_fraction) * len(records))
    steps = len(options.epochs) * -(-pairs // batch)
    counts = [("phases", ", ".join(options.epochs)), ("steps", f"{steps:,}")]
    console.table("train-gsrm (dry run)", [("pairs", f"{len(records):,}"), *counts])
