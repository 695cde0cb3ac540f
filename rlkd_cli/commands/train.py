"""`rlkd train-gsrm` and `rlkd distill`."""

from pathlib import Path
from typing import Annotated, Any

from rlkd_cli import console, prompts
from rlkd_cli import options as opt
from rlkd_cli.commands.common import open_gsrm, open_judge, write_rejects
from rlkd_cli.errors import InputError, UsageError
from rlkd_cli.jsonl import Input, Item
from rlkd_cli.models import HttpOptions
from rlkd_cli.pipeline.grading import Grader
from rlkd_cli.pipeline.matcher import Matcher, VerdictCache
from rlkd_cli.records import PathRecord, Problem, Raw, Segmentation

Folder = Annotated[Path, opt.option("--output", "-o", metavar="DIR", help="The model's folder.", panel=opt.IO)]
LearningRate = Annotated[float, opt.option("--learning-rate", min=0, help="Release: 5e-5.", panel=opt.TRAIN)]
Warmup = Annotated[
    float, opt.option("--warmup", min=0, help="Share of the steps, or (1 and more) steps. Release: 0.1.", panel=opt.TRAIN)
]
SaveSteps = Annotated[int, opt.option("--save-steps", min=1, help="Steps between checkpoints.", panel=opt.TRAIN)]
Bf16 = Annotated[
    bool, opt.option("--bf16/--fp32", help="Release: bf16; a machine without an accelerator uses fp32.", panel=opt.TRAIN)
]
Checkpointing = Annotated[
    bool,
    opt.option(
        "--gradient-checkpointing/--no-gradient-checkpointing", help="Trade time for memory (release: on).", panel=opt.TRAIN
    ),
]
Lora = Annotated[
    int | None,
    opt.option("--lora", metavar="RANK", min=1, help="Train LoRA adapters of this rank, merged at the end.", panel=opt.TRAIN),
]
Plot = Annotated[Path | None, opt.option("--plot", metavar="FILE", help="Draw the training (.png, .svg, .pdf).", panel=opt.IO)]

PHASES = ("meta", "solving", "mixed")


def train_gsrm(
    source: opt.In,
    output: Folder,
    model: Annotated[str, opt.option("--model", help="Base model (3.1).", panel=opt.MODEL)] = "Qwen/Qwen2.5-7B-Instruct",
    phases: Annotated[
        str, opt.option("--phases", help="One epoch each of: meta, solving, mixed (3.1).", panel=opt.TRAIN)
    ] = "meta,solving,mixed",
    plain: Annotated[
        bool, opt.option("--plain", help="Ablation: one loss over all tokens, as many epochs.", panel=opt.TRAIN)
    ] = False,
    alpha: Annotated[
        int, opt.option("--alpha", min=1, help="Steps between updates of a and b (3.1: 100).", panel=opt.TRAIN)
    ] = 100,
    learning_rate: LearningRate = 5e-5,
    warmup: Warmup = 0.1,
    weight_decay: Annotated[float, opt.option("--weight-decay", min=0, help="Release: 1e-4.", panel=opt.TRAIN)] = 1e-4,
    batch_size: Annotated[int, opt.option("--batch-size", min=1, help="A device's batch (release: 1).", panel=opt.TRAIN)] = 1,
    accumulation: Annotated[int, opt.option("--accumulation", min=1, help="Batches a step (release: 2).", panel=opt.TRAIN)] = 2,
    max_length: Annotated[
        int, opt.option("--max-length", min=8, help="Longer pairs are rejected (release: 25,000).", panel=opt.TRAIN)
    ] = 25_000,
    rope_theta: Annotated[
        float | None, opt.option("--rope-theta", help="Override the base model's (release: 300,000).", panel=opt.TRAIN)
    ] = None,
    save_steps: SaveSteps = 500,
    bf16: Bf16 = True,
    gradient_checkpointing: Checkpointing = True,
    lora: Lora = None,
    plot: Plot = None,
    rejects: opt.Rejects = None,
    overwrite: opt.Overwrite = False,
    map: opt.Map = None,
    skip_invalid: opt.SkipInvalid = False,
    limit: opt.Limit = None,
    shard: opt.Shard = None,
    seed: opt.Seed = 42,
    dry: opt.DryRun = False,
    quiet: opt.Quiet = False,
) -> None:
    """Train a segmenting model by Structured Fine-grained Training (RLKD, 3.1, equation 1).

    Reads segmentations; writes a model folder that `segment` and every engine loads, with metrics.jsonl.
    """
    names = ("plain",) * 3 if plain else tuple(phases.split(","))
    for name in names:
        opt.one_of("--phases", name, (*PHASES, "plain"))
    inputs = Input(source, Segmentation, opt.parse_map(map), skip_invalid, limit, opt.parse_shard(shard))
    settings: dict[str, Any] = {
        "model": model,
        "phases": names,
        "alpha": alpha,
        "learning_rate": learning_rate,
        "warmup": warmup,
        "weight_decay": weight_decay,
        "batch_size": batch_size,
        "accumulation": accumulation,
        "max_length": max_length,
        "rope_theta": rope_theta,
        "seed": seed,
        "lora": lora,
    }
    total = inputs.count()
    if dry:
        steps = "unknown" if total is None else len(names) * -(-total // (batch_size * accumulation))
        console.table("train-gsrm (dry run)", [("pairs", str(total)), ("phases", ", ".join(names)), ("steps", str(steps))])
        return
    items = list(inputs)
    records = [item.raw for item in items if not item.fault]
    _need(records, source)
    from rlkd_cli.training import common, gsrm

    if common.check_settings(output, {"command": "train-gsrm", **settings, "records": len(records)}, overwrite):
        console.message(f"{output}: finished by an earlier run")
        return
    config = gsrm.GsrmConfig(
        **settings,
        output=output,
        prompt=prompts.load("gsrm"),
        save_steps=save_steps,
        bf16=bf16 and _has_accelerator(),
        gradient_checkpointing=gradient_checkpointing,
    )
    view, show = console.training_view("train-gsrm", quiet, ("phase", "loss_meta", "loss_solving", "a", "b"))
    with view:
        metrics, refused = gsrm.train(config, records, show)
    common.mark_finished(output)
    if not quiet:
        console.table(
            "train-gsrm", [(name, f"{metrics[name]:.4f}") for name in ("loss_meta", "loss_solving", "a", "b") if name in metrics]
        )
    _draw(plot, output, ("loss_meta", "loss_solving"), 10)
    lost = [Item("", raw, InputError("", "", str(error))) for raw, error in refused] + [item for item in items if item.fault]
    if lost:
        write_rejects(lost, rejects or str(output / "rejects.jsonl"))


def distill(
    teacher: Annotated[str, opt.argument("TEACHER", "The teacher's segmentations (paths too, with --gsrm).")],
    output: Folder,
    student: Annotated[
        str, opt.option("--student", help="The model to train (4.1).", panel=opt.MODEL)
    ] = "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
    method: Annotated[
        str, opt.option("--method", help="rlkd, grpo, sft, or rlad (ppo is not there yet).", panel=opt.TRAIN)
    ] = "rlkd",
    gsrm: Annotated[
        str | None,
        opt.option("--gsrm", help="Segments the student's paths, and the teacher's where they have no steps.", panel=opt.MODEL),
    ] = None,
    gsrm_max_tokens: opt.GsrmTokens = opt.GSRM_TOKENS,
    judge: opt.Judge = opt.JUDGE,
    normalize: opt.Normalize = "none",
    verdict_cache: opt.VerdictCacheFile = None,
    structure_weight: Annotated[float, opt.option("--structure-weight", min=0, help="Release: 15.", panel=opt.TRAIN)] = 15.0,
    outcome_weight: Annotated[float, opt.option("--outcome-weight", min=0, help="Release: 15.", panel=opt.TRAIN)] = 15.0,
    format_weight: Annotated[
        float, opt.option("--format-weight", min=0, help="For <think>…</think> (release: 10; ours: 0).", panel=opt.TRAIN)
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
    steps: Annotated[int, opt.option("--steps", min=1, help="Optimiser steps (4.3 shows 100).", panel=opt.TRAIN)] = 100,
    learning_rate: LearningRate = 5e-5,
    warmup: Warmup = 0.1,
    batch_size: Annotated[
        int, opt.option("--batch-size", min=1, help="Completions a device and batch (4.1: 2).", panel=opt.TRAIN)
    ] = 2,
    accumulation: Annotated[int, opt.option("--accumulation", min=1, help="Batches a step (4.1: 4).", panel=opt.TRAIN)] = 4,
    group: Annotated[int, opt.option("--group", min=2, help="Completions of a problem (4.1: 4).", panel=opt.TRAIN)] = 4,
    iterations: Annotated[
        int, opt.option("--iterations", min=1, help="Updates on each batch of completions.", panel=opt.TRAIN)
    ] = 1,
    temperature: Annotated[float, opt.option("--temperature", min=0.01, help="4.1: 0.7.", panel=opt.TRAIN)] = 0.7,
    max_tokens: Annotated[
        int, opt.option("--max-tokens", min=1, help="Tokens of a completion (release: 4,096).", panel=opt.TRAIN)
    ] = 4096,
    max_prompt_length: Annotated[
        int, opt.option("--max-prompt-length", min=1, help="Tokens of a prompt (release: 1,024).", panel=opt.TRAIN)
    ] = 1024,
    max_grad_norm: Annotated[float, opt.option("--max-grad-norm", min=0, help="Release: 0.2.", panel=opt.TRAIN)] = 0.2,
    teacher_model: Annotated[
        str | None,
        opt.option("--teacher", metavar="MODEL", help="rlad: whose log-probabilities anchor the ratio.", panel=opt.MODEL),
    ] = None,
    trrd_alpha: Annotated[
        float, opt.option("--trrd-alpha", min=0, max=1, help="rlad: 1 is GRPO (RLAD: 0.5).", panel=opt.TRAIN)
    ] = 0.5,
    vllm: Annotated[str | None, opt.option("--vllm", help="Generate with vLLM: colocate or server.", panel=opt.TRAIN)] = None,
    template: opt.Template = None,
    system: opt.System = None,
    save_steps: SaveSteps = 10,
    bf16: Bf16 = True,
    gradient_checkpointing: Checkpointing = True,
    lora: Lora = None,
    plot: Plot = None,
    record: opt.Record = None,
    overwrite: opt.Overwrite = False,
    map: opt.Map = None,
    skip_invalid: opt.SkipInvalid = False,
    limit: opt.Limit = None,
    shard: opt.Shard = None,
    seed: opt.Seed = 42,
    dry: opt.DryRun = False,
    concurrency: opt.Concurrency = opt.CONCURRENCY,
    max_retries: opt.MaxRetries = opt.MAX_RETRIES,
    timeout: opt.Timeout = opt.TIMEOUT,
    rpm: opt.Rpm = None,
    tpm: opt.Tpm = None,
    quiet: opt.Quiet = False,
) -> None:
    """Train a student: GRPO with the structured reward (RLKD, 3.2), or one of its rivals on the same data.

    Reads the teacher's segmentations; writes a model folder with metrics.jsonl and completions.jsonl.
    """
    opt.one_of("--method", method, ("rlkd", "grpo", "ppo", "sft", "rlad"))
    opt.one_of("--normalize", normalize, ("none", "teacher", "shorter"))
    if method == "ppo":
        raise UsageError("--method ppo is not there yet: rlkd, grpo, sft or rlad")
    if vllm:
        opt.one_of("--vllm", vllm, ("colocate", "server"))
    if method == "rlkd" and gsrm is None:
        raise UsageError("--method rlkd needs --gsrm MODEL, which segments the student's paths (train one with train-gsrm)")
    if method == "rlad" and teacher_model is None:
        raise UsageError("--method rlad needs --teacher MODEL, whose log-probabilities anchor the ratio")
    structured = method == "rlkd"
    needs_steps = structured and gsrm is None
    inputs = Input(
        teacher,
        Segmentation if needs_steps else PathRecord if structured or method == "sft" else Problem,
        opt.parse_map(map),
        skip_invalid,
        limit,
        opt.parse_shard(shard),
    )
    settings: dict[str, Any] = {
        "student": student,
        "method": method,
        "steps": steps,
        "learning_rate": learning_rate,
        "warmup": warmup,
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
        "template": template,
        "system": system,
        "save_steps": save_steps,
        "seed": seed,
        "lora": lora,
        "vllm": vllm,
    }
    reward_settings = {
        "gsrm": gsrm,
        "judge": judge,
        "normalize": normalize,
        "weights": [structure_weight, outcome_weight, format_weight],
    }
    total = inputs.count()
    if dry:
        rows = [
            ("problems", str(total)),
            ("method", method),
            ("steps", str(steps)),
            ("completions a step", str(batch_size * accumulation)),
        ]
        console.table("distill (dry run)", rows)
        return
    records = [item.raw for item in inputs if not item.fault]
    _need(records, teacher)
    http = HttpOptions(concurrency, max_retries, timeout, rpm, tpm)
    grader = Grader()
    segmenter = open_gsrm(gsrm, http, record, gsrm_max_tokens) if structured and gsrm else None
    chosen = open_judge(judge, grader, http, record)[0] if structured else None
    from rlkd_cli.training import common
    from rlkd_cli.training import distill as training
    from rlkd_cli.training.rewards import Reward, Weights

    run = {"command": "distill", **settings, **(reward_settings if structured else {}), "records": len(records)}
    if common.check_settings(output, run, overwrite):
        console.message(f"{output}: finished by an earlier run")
        return
    if segmenter:
        records = training.with_steps(records, segmenter, output / "teacher.jsonl")
    config = training.DistillConfig(
        **settings, output=output, bf16=bf16 and _has_accelerator(), gradient_checkpointing=gradient_checkpointing
    )
    reward = Reward(
        records=records,
        decode=training.decoder(student),
        weights=Weights(structure_weight if structured else 0.0, outcome_weight, format_weight),
        grader=grader,
        gsrm=segmenter,
        matcher=Matcher(chosen, normalize, VerdictCache(verdict_cache)) if chosen else None,  # type: ignore[arg-type]
        max_failures=max_reward_failures,
        samples=output / "completions.jsonl",
    )
    shown = ("total_reward", "structured_reward", "outcome_reward", "loss", "completions/mean_length")
    view, show = console.training_view(f"distill {method}", quiet, shown)
    try:
        with view:
            metrics = training.train(config, records, reward if method != "sft" else None, show)
    finally:
        grader.close()
    common.mark_finished(output)
    if not quiet:
        console.table(f"distill {method}", [(name, f"{metrics[name]:.4f}") for name in shown if name in metrics])
    _draw(plot, output, ("outcome_reward", "total_reward", "structured_reward"), 5)


def _need(records: list[Raw], source: str) -> None:
    if not records:
        raise InputError(source, "", "holds no record to train on")


def _has_accelerator() -> bool:
    import torch

    return torch.cuda.is_available()


def _draw(plot: Path | None, folder: Path, names: tuple[str, ...], smooth: int) -> None:
    if plot:
        from rlkd_cli.jsonl import rows
        from rlkd_cli.plots import plot_training

        entries = [row for _, row in rows(str(folder / "metrics.jsonl")) if isinstance(row, dict)]
        plot_training({folder.name: entries}, names, plot, smooth)
