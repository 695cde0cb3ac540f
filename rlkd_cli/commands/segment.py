"""`rlkd segment`."""

from dataclasses import dataclass
from typing import Annotated

from rlkd_cli import prompts
from rlkd_cli.commands.common import Job, Opened, Running, Seeded, finish, in_flight, opened
from rlkd_cli.models import Asking, Sampling
from rlkd_cli.models.batch_api import IN_BATCHES, Batching
from rlkd_cli.models.fingerprint import gsrm_prompt
from rlkd_cli.option import MODEL, option
from rlkd_cli.pipeline.ledger import Budget
from rlkd_cli.pipeline.segment import segment_calls
from rlkd_cli.records.manifest import contents
from rlkd_cli.records.read import In, Rows
from rlkd_cli.records.schema import PathRecord
from rlkd_cli.records.write import Continued
from rlkd_cli.reward.segmenter import Segmenter


@dataclass(frozen=True, kw_only=True)
class Options(Running, Budget, Batching, Asking, Continued, Rows, Seeded):
    source: In
    model: Annotated[
        str, option("--model", help="Writes the steps (3.1: GPT-4o).", panel=MODEL)
    ] = "openai/gpt-4o"
    verifier: Annotated[
        str | None,
        option(
            "--verifier",
            help="Judges the steps (3.1: DeepSeek-V3). Default deepseek/deepseek-chat, by now its "
            "successor; none for a GSRM folder.",
            panel=MODEL,
        ),
    ] = None
    no_verify: Annotated[bool, option("--no-verify", help="Take what parses.", panel=MODEL)] = False
    max_attempts: Annotated[
        int,
        option(
            "--max-attempts", min=1, help="Generations before a record is discarded (3.1: 1 + 3)."
        ),
    ] = 4
    gsrm_format: Annotated[
        bool,
        option(
            "--gsrm-prompt",
            help="Use a GSRM's short prompt (for a GSRM behind a server).",
            panel=MODEL,
        ),
    ] = False
    temperature: Annotated[
        float, option("--temperature", min=0, help="0 is greedy (our choice).", panel=MODEL)
    ] = 0.0
    top_p: Annotated[
        float, option("--top-p", min=0, max=1, help="Nucleus sampling.", panel=MODEL)
    ] = 1.0
    max_tokens: Annotated[
        int,
        option(
            "--max-tokens",
            min=1,
            help="Tokens of a reply; doubled once for a reply cut off.",
            panel=MODEL,
        ),
    ] = 4096


def run(options: Options) -> None:
    """Reads paths, adds `steps`, `segmenter`, `attempts` and `verified`."""
    model = options.model
    prompt = prompts.load("gsrm") if options.gsrm_format else gsrm_prompt(model)
    is_checked = not options.no_verify and (options.verifier or prompt is None)
    verifier = options.verifier or "deepseek/deepseek-chat" if is_checked else None
    source, batches = options.read(options.source, PathRecord), options.batches(options.output)
    asked = [model, *([verifier] if verifier else [])]
    texts = prompts.group("segment") if prompt is None else [prompt]
    version = prompts.version(*texts, prompts.load("verify"), prompts.load("feedback"))
    settings = {"verifier": verifier, **contents({"the prompt": version})}
    job = Job("segment", options, source, asked, settings=settings)
    if options.dry_run:
        limit = options.max_tokens
        return job.dry_run(
            lambda raw: segment_calls(raw, model, verifier, prompt, limit, bool(batches))
        )

    def open_work() -> Opened:
        writer = opened(options, model, batches)
        judge = opened(options, verifier, batches) if verifier else None
        sampling = Sampling(options.temperature, options.top_p, options.max_tokens, options.seed)
        work = Segmenter(writer, sampling, prompt, judge, options.max_attempts)
        return Opened(work, IN_BATCHES if batches else in_flight(options, writer), [writer, judge])

    finish(job.run(open_work))
