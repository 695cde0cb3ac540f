"""`rlkd distill`."""

from typing import Annotated, Any

from rlkd_cli import console
from rlkd_cli.commands import options as opt
from rlkd_cli.commands.matching import Matching, open_gsrm
from rlkd_cli.commands.training import Folder, Training, data_of, finished_before, need
from rlkd_cli.errors import UsageError
from rlkd_cli.records.schema import PathRecord, Problem
from rlkd_cli.reward.grading import Grader

METHODS = ("rlkd", "grpo", "ppo", "sft", "rlad")
SHOWN = (
    "total_reward",
    "structured_reward",
    "outcome_reward",
    "loss",
    "completions/mean_length",
    "completions/clipped_ratio",
)
TIMES = tuple(
    f"seconds_{part}"
    for part in ("generation", "segmenting", "judging", "outcome", "loss", "optimizer")
)


@opt.grouped
def distill(
    teacher: Annotated[
        str, opt.argument("TEACHER", "The teacher's segmentations (paths too, with --gsrm).")
    ],
    *,
    output: Folder,
    student: Annotated[
        str, opt.option("--student", help="The model to train (4.1).", panel=opt.MODEL)
    ] = "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
    method: Annotated[
        str, opt.option("--method", help="rlkd, grpo, ppo, sft, or rlad.", panel=opt.TRAIN)
    ] = "rlkd",
    gsrm: Annotated[
        str | None,
        opt.option(
            "--gsrm",
            help="Segments the student's paths, and the teacher's where they have no steps.",
            panel=opt.MODEL,
        ),
    ] = None,
    matching: Matching,
    structure_weight: Annotated[
        float, opt.option("--structure-weight", min=0, help="Release: 15.", panel=opt.TRAIN)
    ] = 15.0,
    outcome_weight: Annotated[
        float, opt.option("--outcome-weight", min=0, help="Release: 15.", panel=opt.TRAIN)
    ] = 15.0,
    format_weight: Annotated[
        float,
        opt.option(
            "--format-weight",
            min=0,
            help="For <think>…</think> (release: 10; ours: 0).",
            panel=opt.TRAIN,
        ),
    ] = 0.0,
    max_reward_failures: Annotated[
        float,
        opt.option(
            "--max-reward-failures",
            min=0,
            max=1,
            help="Stop where more of a step's structured rewards are missing.",
            panel=opt.TRAIN,
        ),
    ] = 0.5,
    reward_timeout: Annotated[
        float,
        opt.option(
            "--reward-timeout",
            min=0,
            max=1500,
            help="Seconds to wait for a GSRM's or judge's server that is away.",
            panel=opt.TRAIN,
        ),
    ] = 600.0,
    steps: Annotated[
        int, opt.option("--steps", min=1, help="Optimiser steps (4.3 shows 100).", panel=opt.TRAIN)
    ] = 100,
    batch_size: Annotated[
        int,
        opt.option(
            "--batch-size", min=1, help="Completions a device and batch (4.1: 2).", panel=opt.TRAIN
        ),
    ] = 2,
    accumulation: Annotated[
        int, opt.option("--accumulation", min=1, help="Batches a step (4.1: 4).", panel=opt.TRAIN)
    ] = 4,
    group: Annotated[
        int,
        opt.option("--group", min=2, help="Completions of a problem (4.1: 4).", panel=opt.TRAIN),
    ] = 4,
    iterations: Annotated[
        int,
        opt.option(
            "--iterations", min=1, help="Updates on each batch of completions.", panel=opt.TRAIN
        ),
    ] = 1,
    temperature: Annotated[
        float, opt.option("--temperature", min=0.01, help="4.1: 0.7.", panel=opt.TRAIN)
    ] = 0.7,
    max_tokens: Annotated[
        int,
        opt.option(
            "--max-tokens", min=1, help="Tokens of a completion (release: 4,096).", panel=opt.TRAIN
        ),
    ] = 4096,
    max_prompt_length: Annotated[
        int,
        opt.option(
            "--max-prompt-length",
            min=1,
            help="Tokens of a prompt (release: 1,024).",
            panel=opt.TRAIN,
        ),
    ] = 1024,
    max_grad_norm: Annotated[
        float, opt.option("--max-grad-norm", min=0, help="Release: 0.2.", panel=opt.TRAIN)
    ] = 0.2,
    teacher_model: Annotated[
        str | None,
        opt.option(
            "--teacher",
            metavar="MODEL",
            help="rlad: whose log-probabilities anchor the ratio.",
            panel=opt.MODEL,
        ),
    ] = None,
    trrd_alpha: Annotated[
        float,
        opt.option(
            "--trrd-alpha", min=0, max=1, help="rlad: 1 is GRPO (RLAD: 0.5).", panel=opt.TRAIN
        ),
    ] = 0.5,
    vllm: Annotated[
        str | None,
        opt.option("--vllm", help="Generate with vLLM: colocate or server.", panel=opt.TRAIN),
    ] = None,
    sample_every: Annotated[
        int,
        opt.option(
            "--sample-every",
            min=1,
            help="Steps between the completions kept in completions.jsonl.",
            panel=opt.TRAIN,
        ),
    ] = 10,
    save_steps: Annotated[
        int, opt.option("--save-steps", min=1, help="Release: 10.", panel=opt.TRAIN)
    ] = 10,
    ask: opt.Ask,
    rows: opt.Rows,
    training: Training,
    models: opt.Models,
    run: opt.Run,
) -> None:
    """Train a student: GRPO with the structured reward (RLKD, 3.2), or one of its rivals on the same data.

    Reads the teacher's segmentations; writes a model folder with metrics.jsonl and completions.jsonl.
    """
    opt.one_of("--method", method, METHODS)
    if vllm:
        opt.one_of("--vllm", vllm, ("colocate", "server"))
    if method == "rlkd" and gsrm is None:
        raise UsageError(
            "--method rlkd needs --gsrm MODEL, which segments the student's paths (train one with train-gsrm)"
        )
    if method == "rlad" and teacher_model is None:
        raise UsageError(
            "--method rlad needs --teacher MODEL, whose log-probabilities anchor the ratio"
        )
    structured = method == "rlkd"
    inputs = rows.input(teacher, PathRecord if structured or method == "sft" else Problem)
    settings: dict[str, Any] = {
        "student": student,
        "method": method,
        "steps": steps,
        "batch_size": batch_size,
        "accumulation": accumulation,
        "group": group,
        "iterations": iterations,
        "temperature": temperature,
        "max_prompt_length": max_prompt_length,
        "max_completion_length": max_tokens,
        "max_grad_norm": max_grad_norm,
        "teacher": teacher_model,
        "trrd_alpha": trrd_alpha,
        "template": ask.prompt_template,
        "system": ask.system,
        "save_steps": save_steps,
        "vllm": vllm,
        **training.settings,
    }
    weights = [structure_weight if structured else 0.0, outcome_weight, format_weight]
    reward_settings = {"gsrm": gsrm, **matching.settings} if structured else {}
    items = list(inputs)
    records, lost = (
        [item.raw for item in items if not item.fault],
        [item.rejected for item in items if item.fault],
    )
    if run.dry_run:
        completions = batch_size * accumulation * (training.num_processes or 1)
        lines = [
            ("problems", f"{len(records):,}"),
            ("method", method),
            ("student", student),
            ("steps", f"{steps:,}"),
        ]
        lines += [
            ("completions a step", f"{completions:,}"),
            ("tokens written by the student, at most", f"{completions * steps * max_tokens:,}"),
        ]
        if structured:
            asked = sum(not raw.get("steps") for raw in records)
            lines += [
                (f"calls of {gsrm}", f"{completions * steps + asked:,}"),
                ("judge", matching.judge),
            ]
        return console.table("distill (dry run)", lines)
    need(records, teacher)
    from rlkd_cli.training import launcher as launch
    from rlkd_cli.training import methods as trainer
    from rlkd_cli.training import run_folder as folder
    from rlkd_cli.training.reward import Reward, Weights

    config = trainer.DistillConfig(**settings, **training.machine, output=output)
    trainer.check_batches(config, training.num_processes or 1)
    settings |= {**reward_settings, "weights": weights, "data": data_of(items)}
    if folder.check_settings(output, {"command": "distill", **settings}, training.overwrite):
        return finished_before(output)
    grader = Grader()
    segmenter = open_gsrm(gsrm, models, matching) if structured and gsrm else None
    if segmenter:  # before there are several processes: they read what the first one kept
        records, refused = trainer.with_steps(records, segmenter, output / "teacher.jsonl")
        lost = refused + lost
    training.launch_if_asked(output)
    matcher, judge = matching.matcher(models, grader) if structured else (None, None)
    reward = Reward(
        records=records,
        decode=trainer.decoder(student),
        weights=Weights(*weights),
        grader=grader,
        gsrm=segmenter,
        matcher=matcher,
        judge=judge,
        max_failures=max_reward_failures,
        timeout=reward_timeout,
        samples=output / "completions.jsonl",
        sample_every=sample_every,
        tell=lambda text: console.message(text, "yellow"),
    )
    view, show = console.training_view(f"distill {method}", run.quiet, SHOWN)
    try:
        with view:
            metrics = trainer.train(config, records, reward if method != "sft" else None, show)
    finally:
        grader.close()
    if not launch.is_main_process():
        return
    if not run.quiet:
        console.table(
            f"distill {method}",
            [(name, f"{metrics[name]:.4f}") for name in (*SHOWN, *TIMES) if name in metrics],
        )
    training.finish(output, ("outcome_reward", "total_reward", "structured_reward"), 5, lost)
