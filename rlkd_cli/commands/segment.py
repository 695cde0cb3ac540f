"""`rlkd segment` and `rlkd sample`."""

from typing import Annotated

from rlkd_cli import options as opt
from rlkd_cli import prompts
from rlkd_cli.commands.common import Job, dry_run, finish, gsrm_prompt
from rlkd_cli.jsonl import Input
from rlkd_cli.models import HttpOptions, Sampling, open_model
from rlkd_cli.pipeline.sample import Sampler
from rlkd_cli.pipeline.segment import Segmenter
from rlkd_cli.records import PathRecord, Problem


def segment(
    source: opt.In,
    output: opt.Output = None,
    model: Annotated[str, opt.option("--model", help="Writes the steps (3.1: GPT-4o).", panel=opt.MODEL)] = "openai/gpt-4o",
    verifier: Annotated[
        str | None,
        opt.option(
            "--verifier",
            help="Judges the steps (3.1: DeepSeek-V3). Default deepseek/deepseek-chat; none for a GSRM folder.",
            panel=opt.MODEL,
        ),
    ] = None,
    no_verify: Annotated[bool, opt.option("--no-verify", help="Take what parses.", panel=opt.MODEL)] = False,
    max_attempts: Annotated[
        int, opt.option("--max-attempts", min=1, help="Generations before a record is discarded (3.1: 1 + 3).")
    ] = 4,
    gsrm_format: Annotated[
        bool, opt.option("--gsrm-prompt", help="Use a GSRM's short prompt (for a GSRM behind a server).", panel=opt.MODEL)
    ] = False,
    temperature: Annotated[float, opt.option("--temperature", min=0, help="0 is greedy (our choice).", panel=opt.MODEL)] = 0.0,
    top_p: Annotated[float, opt.option("--top-p", min=0, max=1, help="Nucleus sampling.", panel=opt.MODEL)] = 1.0,
    max_tokens: Annotated[
        int, opt.option("--max-tokens", min=1, help="Tokens of a reply; doubled once for a reply cut off.", panel=opt.MODEL)
    ] = 4096,
    record: opt.Record = None,
    rejects: opt.Rejects = None,
    overwrite: opt.Overwrite = False,
    map: opt.Map = None,
    skip_invalid: opt.SkipInvalid = False,
    limit: opt.Limit = None,
    shard: opt.Shard = None,
    seed: opt.Seed = 0,
    dry: opt.DryRun = False,
    concurrency: opt.Concurrency = opt.CONCURRENCY,
    max_retries: opt.MaxRetries = opt.MAX_RETRIES,
    timeout: opt.Timeout = opt.TIMEOUT,
    rpm: opt.Rpm = None,
    tpm: opt.Tpm = None,
    quiet: opt.Quiet = False,
) -> None:
    """Turn reasoning paths into steps: a model writes them, a verifier checks them (RLKD, 3.1).

    Reads paths, adds `steps`, `segmenter`, `attempts` and `verified`.
    """
    prompt = prompts.load("gsrm") if gsrm_format else gsrm_prompt(model)
    checker = None if no_verify or (prompt and not verifier) else verifier or "deepseek/deepseek-chat"
    http = HttpOptions(concurrency, max_retries, timeout, rpm, tpm)
    settings = {
        "command": "segment",
        "model": model,
        "verifier": checker,
        "max_attempts": max_attempts,
        "temperature": temperature,
        "top_p": top_p,
        "max_tokens": max_tokens,
        "seed": seed,
        "prompt": prompts.version(prompt or prompts.load("segment"), prompts.load("verify")),
    }
    inputs = Input(source, PathRecord, opt.parse_map(map), skip_invalid, limit, opt.parse_shard(shard))
    job = Job("segment", inputs, settings, output, rejects, overwrite, concurrency, quiet)
    if dry:
        calls = f"1 to {max_attempts} of {model} a record" + (f", as many of {checker}" if checker else "")
        return dry_run(job, job.check(), calls)
    writer = open_model(model, http, record)
    judge = open_model(checker, http, record) if checker else None
    total = job.check()

    def open_work():  # type: ignore[no-untyped-def]
        async def close() -> None:
            await writer.close()
            if judge:
                await judge.close()

        return Segmenter(writer, Sampling(temperature, top_p, max_tokens, seed), prompt, judge, max_attempts), close

    finish(job.run(total, open_work))


def sample(
    source: opt.In,
    output: opt.Output = None,
    model: Annotated[str, opt.option("--model", help="Writes the paths.", panel=opt.MODEL)] = "",
    n: Annotated[int, opt.option("--n", min=1, help="Paths of each problem (4.3: 16).")] = 16,
    temperature: Annotated[float, opt.option("--temperature", min=0, help="4.3: 0.8.", panel=opt.MODEL)] = 0.8,
    top_p: Annotated[float, opt.option("--top-p", min=0, max=1, help="Nucleus sampling.", panel=opt.MODEL)] = 1.0,
    max_tokens: Annotated[int, opt.option("--max-tokens", min=1, help="4.1: 32,768.", panel=opt.MODEL)] = 32_768,
    template: opt.Template = None,
    system: opt.System = None,
    record: opt.Record = None,
    rejects: opt.Rejects = None,
    overwrite: opt.Overwrite = False,
    map: opt.Map = None,
    skip_invalid: opt.SkipInvalid = False,
    limit: opt.Limit = None,
    shard: opt.Shard = None,
    seed: opt.Seed = 0,
    dry: opt.DryRun = False,
    concurrency: opt.Concurrency = opt.CONCURRENCY,
    max_retries: opt.MaxRetries = opt.MAX_RETRIES,
    timeout: opt.Timeout = opt.TIMEOUT,
    rpm: opt.Rpm = None,
    tpm: opt.Tpm = None,
    quiet: opt.Quiet = False,
) -> None:
    """Draw reasoning paths from a model: N for each problem (RLKD, 4.3).

    Reads problems, writes a path record for each sample with `path`, `sample`, `finish_reason`, `model`, `tokens`.
    """
    settings = {
        "command": "sample",
        "model": model,
        "n": n,
        "temperature": temperature,
        "top_p": top_p,
        "max_tokens": max_tokens,
        "template": template,
        "system": system,
        "seed": seed,
    }
    inputs = Input(source, Problem, opt.parse_map(map), skip_invalid, limit, opt.parse_shard(shard), copies=n)
    job = Job("sample", inputs, settings, output, rejects, overwrite, concurrency, quiet)
    if dry:
        total = job.check()
        return dry_run(job, total, f"{total if total is not None else 'unknown'} of {model}")
    http = HttpOptions(concurrency, max_retries, timeout, rpm, tpm)
    writer = open_model(model, http, record)
    total = job.check()
    finish(
        job.run(total, lambda: (Sampler(writer, Sampling(temperature, top_p, max_tokens, seed), template, system), writer.close))
    )
