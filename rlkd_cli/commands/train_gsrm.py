"""`rlkd train-gsrm`."""

from typing import Annotated, Any

from rlkd_cli import console, prompts
from rlkd_cli.commands import options as opt
from rlkd_cli.commands.training import Folder, Training, data_of, finished_before, need
from rlkd_cli.records.schema import Segmentation

PHASES = ("meta", "solving", "mixed")


@opt.grouped
def train_gsrm(
    source: opt.In,
    *,
    output: Folder,
    model: Annotated[
        str, opt.option("--model", help="Base model (3.1).", panel=opt.MODEL)
    ] = "Qwen/Qwen2.5-7B-Instruct",
    phases: Annotated[
        str,
        opt.option(
            "--phases", help="One epoch each of: meta, solving, mixed (3.1).", panel=opt.TRAIN
        ),
    ] = "meta,solving,mixed",
    plain: Annotated[
        bool,
        opt.option(
            "--plain", help="Ablation: one loss over all tokens, as many epochs.", panel=opt.TRAIN
        ),
    ] = False,
    alpha: Annotated[
        int,
        opt.option(
            "--alpha", min=1, help="Steps between updates of a and b (3.1: 100).", panel=opt.TRAIN
        ),
    ] = 100,
    weight_decay: Annotated[
        float, opt.option("--weight-decay", min=0, help="Release: 1e-4.", panel=opt.TRAIN)
    ] = 1e-4,
    batch_size: Annotated[
        int,
        opt.option("--batch-size", min=1, help="A device's batch (release: 1).", panel=opt.TRAIN),
    ] = 1,
    accumulation: Annotated[
        int,
        opt.option("--accumulation", min=1, help="Batches a step (release: 2).", panel=opt.TRAIN),
    ] = 2,
    max_length: Annotated[
        int,
        opt.option(
            "--max-length",
            min=8,
            help="Longer pairs are rejected (release: 25,000).",
            panel=opt.TRAIN,
        ),
    ] = 25_000,
    truncate: Annotated[
        bool,
        opt.option(
            "--truncate",
            help="Cut the path of a longer pair instead, never its steps.",
            panel=opt.TRAIN,
        ),
    ] = False,
    packing: Annotated[
        bool,
        opt.option(
            "--packing", help="A batch's pairs in one row, without padding.", panel=opt.TRAIN
        ),
    ] = False,
    rope_theta: Annotated[
        float | None,
        opt.option(
            "--rope-theta",
            help="Override the base model's, and let it reach --max-length (release: 300,000).",
            panel=opt.TRAIN,
        ),
    ] = None,
    eval_fraction: Annotated[
        float,
        opt.option(
            "--eval-fraction",
            min=0,
            max=0.5,
            help="Keep this share of the pairs to check the model on, before and after.",
        ),
    ] = 0.0,
    save_steps: Annotated[
        int, opt.option("--save-steps", min=1, help="Steps between checkpoints.", panel=opt.TRAIN)
    ] = 500,
    rows: opt.Rows,
    training: Training,
    run: opt.Run,
) -> None:
    """Train a segmenting model by Structured Fine-grained Training (RLKD, 3.1, equation 1).

    Reads segmentations; writes a model folder that `segment` and every engine loads, with metrics.jsonl.
    """
    names = ("plain",) * 3 if plain else tuple(phases.split(","))
    for name in names:
        opt.one_of("--phases", name, (*PHASES, "plain"))
    inputs = rows.input(source, Segmentation)
    settings: dict[str, Any] = {
        "model": model,
        "phases": names,
        "alpha": alpha,
        "weight_decay": weight_decay,
        "batch_size": batch_size,
        "accumulation": accumulation,
        "max_length": max_length,
        "rope_theta": rope_theta,
        "truncate": truncate,
        "packing": packing,
        "eval_fraction": eval_fraction,
        **training.settings,
    }
    items = list(inputs)
    records = [item.raw for item in items if not item.fault]
    if run.dry_run:
        steps = len(names) * -(
            -round((1 - eval_fraction) * len(records)) // (batch_size * accumulation)
        )
        return console.table(
            "train-gsrm (dry run)",
            [("pairs", f"{len(records):,}"), ("phases", ", ".join(names)), ("steps", f"{steps:,}")],
        )
    need(records, source)
    from rlkd_cli.training import launcher as launch
    from rlkd_cli.training import run_folder as folder
    from rlkd_cli.training.gsrm import trainer as gsrm

    if folder.check_settings(
        output, {"command": "train-gsrm", **settings, "data": data_of(items)}, training.overwrite
    ):
        return finished_before(output)
    config = gsrm.GsrmConfig(
        **settings,
        **training.machine,
        output=output,
        prompt=prompts.load("gsrm"),
        save_steps=save_steps,
    )
    check = gsrm.held_out(config, records)
    if not check.has("before"):  # before there are several processes
        if not run.quiet:
            console.message("checking the base model on the pairs held out")
        check.measure("before", model)
    training.launch_if_asked(output)
    shown = ("phase", "loss_meta", "loss_solving", "a", "b", "tokens_per_second")
    view, show = console.training_view("train-gsrm", run.quiet, shown)
    with view:
        metrics, refused = gsrm.train(config, records, show)
    if not launch.is_main_process():
        return
    if not run.quiet:
        wanted = [
            name
            for name in metrics
            if name in ("loss_meta", "loss_solving", "a", "b") or " held out " in name
        ]
        console.table("train-gsrm", [(name, f"{metrics[name]:.4f}") for name in wanted])
    lost = refused + [item.rejected for item in items if item.fault]
    training.finish(output, ("loss_meta", "loss_solving"), 10, lost)
