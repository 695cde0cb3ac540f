"""`rlkd train-gsrm`."""

from dataclasses import dataclass
from typing import Any

from rlkd_cli import console, prompts, ranks
from rlkd_cli.commands import training
from rlkd_cli.commands.common import Running
from rlkd_cli.errors import ModelError, UsageError
from rlkd_cli.records.manifest import contents
from rlkd_cli.records.read import In, Rows
from rlkd_cli.records.schema import Raw, Segmentation
from rlkd_cli.training.gsrm.options import PHASES, GsrmTraining
from rlkd_cli.training.launcher import processes

SHOWN = ("phase", "loss_meta", "loss_solving", "a", "b", "tokens_per_second")
LOSSES = ("loss_meta", "loss_solving")


@dataclass(frozen=True, kw_only=True)
class Options(Running, Rows, GsrmTraining):
    source: In


def run(options: Options) -> int | None:
    """Reads segmentations; writes a model folder that `segment` and every engine loads, with
    metrics.jsonl.
    """
    training.check(options)
    for name in options.epochs:
        if name not in PHASES:
            raise UsageError(f"--phases {name}: one of {', '.join(PHASES)}")
    source, prompt = options.read(options.source, Segmentation), prompts.load("gsrm")
    records, lost = training.read(source)
    from rlkd_cli.training.gsrm import prepare, trainer

    more = prepare.trl_arguments(options)
    if options.dry_run:
        return _dry_run(options, records, prompt)
    settings = contents({"the prompt": prompts.version(prompt)})
    begin = training.begin("train-gsrm", options, source, [options.model], settings)
    if begin is None:
        return training.end_with_status(options.output)
    options = training.on_this_machine(options)
    _check_before(options, records, prompt, begin)
    training.launch_if_asked(options, begin)
    pairs = _pairs(options, records, prompt, lost)
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


def _check_before(
    options: Options, records: list[Raw], prompt: str, begin: training.Beginning
) -> None:
    """Measures the base model on the pairs held out, before there are several processes."""
    from rlkd_cli.training.gsrm import prepare, trainer

    prepare.check_model(options)
    begin.clear()
    check = trainer.held_out(options, records, prompt)
    if check.has("before"):
        return
    begin()
    if not options.quiet:
        console.message("checking the base model on the pairs held out")
    check.measure("before", options.model)


def _pairs(options: Options, records: list[Raw], prompt: str, lost: training.Lost) -> Any:
    """What is trained on; says what the model is asked. UsageError where nothing is left."""
    from rlkd_cli.training.gsrm import prepare

    pairs = prepare.prepare(options, records, prompt)
    if not pairs.examples:
        reason = f"no pair can be trained on; the first: {pairs.rejected[0][1]}"
        raise training.nothing_left(options, pairs.rejected + lost, reason)
    facts = prepare.facts(options, pairs, records, prompt)
    training.show_facts("train-gsrm", facts, options.quiet)
    return pairs


def _dry_run(options: Options, records: list[Raw], prompt: str) -> None:
    from rlkd_cli.training.gsrm import prepare

    count = processes(options.launch, options.num_processes)
    batch = options.batch_size * options.accumulation * count
    number = round((1 - options.eval_fraction) * len(records))
    steps = len(options.epochs) * -(-number // batch)
    counts = [("phases", ", ".join(options.epochs)), ("steps", f"{steps:,}")]
    try:
        pairs = prepare.prepare(options, records, prompt)
        counts.append(("pairs that cannot be trained on", f"{len(pairs.rejected):,}"))
        counts += prepare.facts(options, pairs, records, prompt)
    except ModelError as error:
        counts.append(("not checked", str(error)))
    console.table("train-gsrm (dry run)", [("pairs", f"{len(records):,}"), *counts])
