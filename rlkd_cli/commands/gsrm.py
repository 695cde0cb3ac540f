"""What `rlkd train-gsrm` puts together: the base model's check, the pairs, the dry run."""

from typing import Any

from rlkd_cli import console
from rlkd_cli.commands import training
from rlkd_cli.errors import ModelError
from rlkd_cli.records.schema import Raw
from rlkd_cli.training.launcher import processes


def check_before(options: Any, records: list[Raw], prompt: str, begin: training.Beginning) -> None:
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


def pairs(options: Any, records: list[Raw], prompt: str, lost: training.Lost) -> Any:
    """What is trained on; says what the model is asked. UsageError where nothing is left."""
    from rlkd_cli.training.gsrm import prepare

    found = prepare.prepare(options, records, prompt)
    if not found.examples:
        reason = f"no pair can be trained on; the first: {found.rejected[0][1]}"
        raise training.nothing_left(options, found.rejected + lost, reason)
    facts = prepare.facts(options, found, records, prompt)
    training.show_facts("train-gsrm", facts, options.quiet)
    return found


def dry_run(options: Any, records: list[Raw], prompt: str) -> None:
    """Prints what would be done, and what a training says before its first step."""
    from rlkd_cli.training.gsrm import prepare

    count = processes(options.launch, options.num_processes)
    batch = options.batch_size * options.accumulation * count
    number = round((1 - options.eval_fraction) * len(records))
    steps = len(options.epochs) * -(-number // batch)
    counts = [("phases", ", ".join(options.epochs)), ("steps", f"{steps:,}")]
    try:
        found = prepare.prepare(options, records, prompt)
        counts.append(("pairs that cannot be trained on", f"{len(found.rejected):,}"))
        counts += prepare.facts(options, found, records, prompt)
    except ModelError as error:
        counts.append(("not checked", str(error)))
    console.table("train-gsrm (dry run)", [("pairs", f"{len(records):,}"), *counts])
