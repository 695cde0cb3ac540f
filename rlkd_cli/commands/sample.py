"""`rlkd sample`."""

from dataclasses import dataclass
from typing import Annotated

from rlkd_cli.commands.common import Boxes, Running, Seeded, Stopping, in_flight, opened, status_of
from rlkd_cli.commands.job import Job, Opened
from rlkd_cli.commands.slices import Slicing
from rlkd_cli.core.question import Prompting, question
from rlkd_cli.errors import UsageError
from rlkd_cli.models import Asking, Sampling
from rlkd_cli.models.options import Batching
from rlkd_cli.models.server.batch_api import IN_BATCHES
from rlkd_cli.models.spec import batched
from rlkd_cli.option import MODEL, RUN, option
from rlkd_cli.pipeline.estimate import Call
from rlkd_cli.pipeline.ledger import Budget
from rlkd_cli.pipeline.sample import Sampler
from rlkd_cli.records.open import kept_at
from rlkd_cli.records.read import In, Rows
from rlkd_cli.records.schema import Problem
from rlkd_cli.records.write import Continued


@dataclass(frozen=True, kw_only=True)
class Options(
    Slicing, Running, Stopping, Budget, Batching, Asking, Continued, Rows, Seeded, Prompting
):
    source: In
    model: Annotated[str, option("--model", help="Writes the paths.", panel=MODEL)] = ""
    n: Annotated[int, option("--n", min=1, help="Paths of each problem (4.3: 16).", panel=RUN)] = 16
    temperature: Annotated[float, option("--temperature", min=0, help="4.3: 0.8.", panel=MODEL)] = (
        0.8
    )
    top_p: Annotated[
        float, option("--top-p", min=0, max=1, help="Nucleus sampling.", panel=MODEL)
    ] = 1.0
    max_tokens: Annotated[int, option("--max-tokens", min=1, help="4.1: 32,768.", panel=MODEL)] = (
        32_768
    )


def run(options: Options) -> int | None:
    """Reads problems, writes a path record for each sample.

    It adds `path`, `sample`, `finish_reason`, `model` and `tokens`.
    """
    if not options.model:
        raise UsageError("--model: name the model that writes the paths")
    source, batches = (
        options.read(options.source, Problem, options.n),
        options.batches(kept_at(options)),
    )
    stops, boxes = options.stops, Boxes(lambda raw: question(raw, options.prompt_template))
    job = Job("sample", options, source, [options.model], grows="n", on_record=boxes.add)
    if options.dry_run:
        name, limit = batched(options.model) if batches else options.model, options.max_tokens
        template = options.prompt_template
        return job.dry_run(lambda raw: [Call(name, len(question(raw, template)), limit / 2, limit)])

    def open_work() -> Opened:
        model = opened(options, options.model, batches)
        drawn = (options.temperature, options.top_p, options.max_tokens, options.seed)
        sampling = Sampling(*drawn, stop=stops)
        work = Sampler(model, sampling, options.prompt_template, options.system)
        return Opened(work, IN_BATCHES if batches else in_flight(options, model), [model])

    outcome = job.run(open_work)
    if not options.quiet:
        boxes.say()
    return status_of(outcome.rejected)
