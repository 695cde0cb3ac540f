"""`rlkd segment` and `rlkd sample`."""

from typing import Annotated

from rlkd_cli import prompts
from rlkd_cli.commands import options as opt
from rlkd_cli.commands.common import Job, finish, gsrm_prompt
from rlkd_cli.core.question import question
from rlkd_cli.models import Sampling
from rlkd_cli.models.spec import batched
from rlkd_cli.pipeline.estimate import REPLY_SHARE, Call
from rlkd_cli.pipeline.sample import Sampler
from rlkd_cli.pipeline.segment import VERIFIER_TOKENS, Segmenter, segment_prompt, verify_prompt
from rlkd_cli.records.schema import PathRecord, Problem, Raw

IN_BATCHES = (
    10_000  # records in flight with --batch: a batch holds many requests, a reply takes hours
)


@opt.grouped
def segment(
    source: opt.In,
    *,
    model: Annotated[
        str, opt.option("--model", help="Writes the steps (3.1: GPT-4o).", panel=opt.MODEL)
    ] = "openai/gpt-4o",
    verifier: Annotated[
        str | None,
        opt.option(
            "--verifier",
            help="Judges the steps (3.1: DeepSeek-V3). Default deepseek/deepseek-chat, by now its successor; none for a GSRM folder.",
            panel=opt.MODEL,
        ),
    ] = None,
    no_verify: Annotated[
        bool, opt.option("--no-verify", help="Take what parses.", panel=opt.MODEL)
    ] = False,
    max_attempts: Annotated[
        int,
        opt.option(
            "--max-attempts", min=1, help="Generations before a record is discarded (3.1: 1 + 3)."
        ),
    ] = 4,
    gsrm_format: Annotated[
        bool,
        opt.option(
            "--gsrm-prompt",
            help="Use a GSRM's short prompt (for a GSRM behind a server).",
            panel=opt.MODEL,
        ),
    ] = False,
    temperature: Annotated[
        float, opt.option("--temperature", min=0, help="0 is greedy (our choice).", panel=opt.MODEL)
    ] = 0.0,
    top_p: Annotated[
        float, opt.option("--top-p", min=0, max=1, help="Nucleus sampling.", panel=opt.MODEL)
    ] = 1.0,
    max_tokens: Annotated[
        int,
        opt.option(
            "--max-tokens",
            min=1,
            help="Tokens of a reply; doubled once for a reply cut off.",
            panel=opt.MODEL,
        ),
    ] = 4096,
    seed: opt.Seed = 0,
    rows: opt.Rows,
    out: opt.Out,
    models: opt.Models,
    budget: opt.Budget,
    batch: opt.Batch,
    run: opt.Run,
) -> None:
    """Turn reasoning paths into steps: a model writes them, a verifier checks them (RLKD, 3.1).

    Reads paths, adds `steps`, `segmenter`, `attempts` and `verified`.
    """
    prompt = prompts.load("gsrm") if gsrm_format else gsrm_prompt(model)
    checker = (
        None if no_verify or (prompt and not verifier) else verifier or "deepseek/deepseek-chat"
    )
    settings = {
        "model": model,
        "verifier": checker,
        "max_attempts": max_attempts,
        "temperature": temperature,
        "top_p": top_p,
        "max_tokens": max_tokens,
        "seed": seed,
        "prompt": prompts.version(prompt or prompts.load("segment"), prompts.load("verify")),
    }
    inputs, batches = rows.input(source, PathRecord), batch.options(out.output)
    ledger = budget.ledger([model, *([checker] if checker else [])])
    job = Job("segment", inputs, settings, out, run, ledger=ledger)
    if run.dry_run:

        def calls(raw: Raw) -> list[Call]:
            reply = len(raw["path"]) / 4 * REPLY_SHARE
            own = Call(
                batched(model) if batches else model,
                len(segment_prompt(raw, prompt)),
                min(reply, max_tokens),
                max_tokens,
            )
            if checker is None:
                return [own]
            asked = len(verify_prompt(raw.get("problem", ""), raw["path"], "")) + round(4 * reply)
            return [own, Call(checker, asked, 32, VERIFIER_TOKENS)]

        return job.dry_run(calls)
    writer = models.open(model, batches)
    judge = models.open(checker, batches) if checker else None
    job.used, job.concurrency = [writer, judge], IN_BATCHES if batches else models.in_flight(writer)
    finish(
        job.run(
            Segmenter(
                writer, Sampling(temperature, top_p, max_tokens, seed), prompt, judge, max_attempts
            )
        )
    )


@opt.grouped
def sample(
    source: opt.In,
    *,
    model: Annotated[str, opt.option("--model", help="Writes the paths.", panel=opt.MODEL)] = "",
    n: Annotated[int, opt.option("--n", min=1, help="Paths of each problem (4.3: 16).")] = 16,
    temperature: Annotated[
        float, opt.option("--temperature", min=0, help="4.3: 0.8.", panel=opt.MODEL)
    ] = 0.8,
    top_p: Annotated[
        float, opt.option("--top-p", min=0, max=1, help="Nucleus sampling.", panel=opt.MODEL)
    ] = 1.0,
    max_tokens: Annotated[
        int, opt.option("--max-tokens", min=1, help="4.1: 32,768.", panel=opt.MODEL)
    ] = 32_768,
    ask: opt.Ask,
    seed: opt.Seed = 0,
    rows: opt.Rows,
    out: opt.Out,
    models: opt.Models,
    budget: opt.Budget,
    batch: opt.Batch,
    run: opt.Run,
) -> None:
    """Draw reasoning paths from a model: N for each problem (RLKD, 4.3).

    Reads problems, writes a path record for each sample with `path`, `sample`, `finish_reason`, `model`, `tokens`.
    """
    settings = {
        "model": model,
        "n": n,
        "temperature": temperature,
        "top_p": top_p,
        "max_tokens": max_tokens,
        "template": ask.prompt_template,
        "system": ask.system,
        "seed": seed,
    }
    inputs, batches = rows.input(source, Problem, copies=n), batch.options(out.output)
    job = Job("sample", inputs, settings, out, run, ledger=budget.ledger([model]), grows="n")
    if run.dry_run:
        name = batched(model) if batches else model
        return job.dry_run(
            lambda raw: [
                Call(name, len(question(raw, ask.prompt_template)), max_tokens / 2, max_tokens)
            ]
        )
    writer = models.open(model, batches)
    job.used, job.concurrency = [writer], IN_BATCHES if batches else models.in_flight(writer)
    finish(
        job.run(
            Sampler(
                writer,
                Sampling(temperature, top_p, max_tokens, seed),
                ask.prompt_template,
                ask.system,
            )
        )
    )
