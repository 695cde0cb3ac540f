"""`rlkd train-gsrm`."""

from dataclasses import dataclass

from rlkd_cli import console, prompts, ranks
from rlkd_cli.commands import gsrm, training
from rlkd_cli.commands.common import Running
from rlkd_cli.errors import UsageError
from rlkd_cli.records.manifest import contents
from rlkd_cli.records.read import In, Rows
from rlkd_cli.records.schema import Segmentation
from rlkd_cli.training.gsrm.options import PHASES, GsrmTraining

SHOWN = ("phase", "loss_meta", "loss_solving", "a", "b", "tokens_per_second")
LOSSES = ("loss_meta", "loss_solving")


@dataclass(frozen=True, kw_only=True)
class Options(Running, Rows, GsrmTraining):
    source: In


def run(options: Options) -> int | None:
    """Reads segmentations; writes a model folder that `segment` and every engine loads, with
    metrics.jsonl.
    """
    training.check(options, model=options.model)
    for name in options.epochs:
        if name not in PHASES:
            raise UsageError(f"--phases {name}: one of {', '.join(PHASES)}")
    source, prompt = options.read(options.source, Segmentation), prompts.load("gsrm")
    records, lost = training.read(source)
    from rlkd_cli.training.gsrm import prepare, trainer

    more = prepare.trl_arguments(options)
    if options.dry_run:
        return gsrm.dry_run(options, records, prompt)
    settings = contents({"the prompt": prompts.version(prompt)})
    begin = training.begin("train-gsrm", options, source, [options.model], settings)
    if begin is None:
        return training.end_with_status(options.output)
    options = training.on_this_machine(options)
    gsrm.check_before(options, records, prompt, begin)
    training.launch_if_asked(options, begin)
    pairs = gsrm.pairs(options, records, prompt, lost)
    begin()
    view, show = console.training_view("train-gsrm", options.quiet, SHOWN)
    with view:
        watched = training.watched(show)
        metrics, refused = trainer.train(options, records, prompt, watched, pairs, more)
    if not ranks.is_first():
        return None
    if not options.quiet:
        shown = [n for n in metrics if n in (*LOSSES, "a", "b") or " held out " in n]
        console.table("train-gsrm", [(name, f"{metrics[name]:.4f}") for name in shown])
    return training.end(options, LOSSES, 10, refused + lost)
