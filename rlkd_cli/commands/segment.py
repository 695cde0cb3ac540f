"""`rlkd segment`."""

from dataclasses import dataclass
from typing import Annotated, Any

from rlkd_cli import prompts
from rlkd_cli.commands.common import Running, Seeded, in_flight, opened, status_of
from rlkd_cli.commands.job import Job, Opened
from rlkd_cli.commands.slices import Slicing
from rlkd_cli.models import Asking, Sampling
from rlkd_cli.models.fingerprint import gsrm_prompt
from rlkd_cli.models.options import Batching
from rlkd_cli.models.providers import PROVIDERS
from rlkd_cli.models.server.batch_api import IN_BATCHES
from rlkd_cli.models.spec import engine_of, shown
from rlkd_cli.option import MODEL, option
from rlkd_cli.pipeline.ledger import Budget
from rlkd_cli.pipeline.segment import segment_calls
from rlkd_cli.records.manifest import contents
from rlkd_cli.records.open import kept_at
from rlkd_cli.records.read import In, Rows
from rlkd_cli.records.schema import PathRecord
from rlkd_cli.records.write import Continued
from rlkd_cli.reward.segmenter import Segmenter

HOSTED_TOKENS, OTHER_TOKENS = 16_384, 4096


@dataclass(frozen=True)
class Pair:
    """Two models of different makers: one writes the steps, the other judges them."""

    model: str
    verifier: str
    about: str


PRESETS = {
    "today": Pair(
        "openai/gpt-6-luna",
        "deepseek/deepseek-flash",
        "openai/gpt-6-luna and deepseek/deepseek-flash, successors of the paper's; for hard "
        "paths --model openai/gpt-6.1-sol",
    ),
    "paper": Pair(
        "openai/gpt-4o",
        "deepseek/deepseek-chat",
        "3.1: openai/gpt-4o and deepseek/deepseek-chat, as long as they are served",
    ),
    "open": Pair(
        "http://127.0.0.1:8000/v1#Qwen/Qwen3-32B",
        "http://127.0.0.1:8001/v1#openai/gpt-oss-20b",
        "open weights, our choice, behind `vllm serve Qwen/Qwen3-32B --port 8000` "
        "and `vllm serve openai/gpt-oss-20b --port 8001`",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Options(Slicing, Running, Budget, Batching, Asking, Continued, Rows, Seeded):
    source: In
    preset: Annotated[
        str,
        option(
            "--preset",
            help="The pair that writes and judges the steps: "
            + "; ".join(f"`{name}` ({pair.about})" for name, pair in PRESETS.items())
            + ".",
            choices=tuple(PRESETS),
            panel=MODEL,
            free=True,
        ),
    ] = "today"
    model: Annotated[
        str | None,
        option("--model", help="Writes the steps (default: the preset's).", panel=MODEL),
    ] = None
    verifier: Annotated[
        str | None,
        option(
            "--verifier",
            help="Judges the steps (default: the preset's; none for a GSRM folder).",
            panel=MODEL,
        ),
    ] = None
    no_verify: Annotated[
        bool, option("--no-verify", help="Accept steps that parse, unchecked.", panel=MODEL)
    ] = False
    max_attempts: Annotated[
        int,
        option(
            "--max-attempts", min=1, help="Generations before a record is rejected (3.1: 1 + 3)."
        ),
    ] = 4
    gsrm_format: Annotated[
        bool,
        option(
            "--gsrm-prompt",
            help="Use the short prompt of a GSRM (for a GSRM behind a server).",
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
        int | None,
        option(
            "--max-tokens",
            min=1,
            help="Tokens of a reply; doubled once for a reply cut off. Default: "
            f"{HOSTED_TOKENS:,} of a hosted model, which may think first; {OTHER_TOKENS:,} of "
            "others (ours).",
            panel=MODEL,
        ),
    ] = None


def run(options: Options) -> int | None:
    """Reads paths, adds `steps`, `segmenter`, `attempts` and `verified`."""
    pair = PRESETS[options.preset]
    model = options.model or pair.model
    prompt = prompts.load("gsrm") if options.gsrm_format else gsrm_prompt(model)
    is_checked = not options.no_verify and (options.verifier or prompt is None)
    verifier = options.verifier or pair.verifier if is_checked else None
    limit = options.max_tokens or (HOSTED_TOKENS if engine_of(model) in PROVIDERS else OTHER_TOKENS)
    source, batches = options.read(options.source, PathRecord), options.batches(kept_at(options))
    asked = [model, *([verifier] if verifier else [])]
    texts = prompts.group("segment") if prompt is None else [prompt]
    version = prompts.version(*texts, prompts.load("verify"), prompts.load("feedback"))
    settings: dict[str, Any] = {"model": shown(model), "max_tokens": limit}
    settings["verifier"] = shown(verifier) if verifier else None
    settings |= contents({"the prompt": version})
    job = Job("segment", options, source, asked, settings=settings)
    if options.dry_run:
        return job.dry_run(
            lambda raw: segment_calls(raw, model, verifier, prompt, limit, bool(batches))
        )

    def open_work() -> Opened:
        writer = opened(options, model, batches)
        judge = opened(options, verifier, batches) if verifier else None
        sampling = Sampling(options.temperature, options.top_p, limit, options.seed)
        work = Segmenter(writer, sampling, prompt, judge, options.max_attempts)
        return Opened(work, IN_BATCHES if batches else in_flight(options, writer), [writer, judge])

    return status_of(job.run(open_work).rejected)
