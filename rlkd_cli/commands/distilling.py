"""What `rlkd distill` puts together: the teacher's records, what is evaluated on, the reward."""

from dataclasses import replace
from functools import partial
from typing import Any

from rlkd_cli import console, ranks
from rlkd_cli.commands import training
from rlkd_cli.commands.common import opened
from rlkd_cli.errors import ModelError, UsageError
from rlkd_cli.models import HttpOptions, runs_in_vllm
from rlkd_cli.models.spec import engine_of, model_of, shown
from rlkd_cli.records.manifest import contents, load_manifest
from rlkd_cli.records.schema import Raw
from rlkd_cli.reward.grading import Grader
from rlkd_cli.reward.segmenter import Segmenter
from rlkd_cli.reward.structured import Structure, open_gsrm
from rlkd_cli.training.launcher import processes
from rlkd_cli.training.machines import machines
from rlkd_cli.training.methods import METHODS
from rlkd_cli.training.methods.options import Distillation

DRY_WAIT = 2.0  # seconds that a dry run waits for a server
LOW_PARSE_RATE = 0.8  # ours: below it a GSRM's own failures weigh more than the student's


def begun_from(options: Any) -> tuple[Any, list[Any]]:
    """The options with the run of `--from` for a student, and the settings of the stages before.

    UsageError where that is no finished run with a whole model.
    """
    run = options.begin_from
    if run is None:
        return options, []
    if options.student not in (Distillation.student, str(run)):
        raise UsageError(f"--from {run} is the student: it goes without --student")
    if not (run / "run.json").is_file() or run.resolve() == options.output.resolve():
        raise UsageError(f"--from {run}: name the folder of another run of distill")
    manifest = load_manifest(run / "run.json")
    if not manifest.get("finished"):
        raise UsageError(f"--from {run}: it has not finished")
    if (run / "adapter_config.json").exists():
        raise UsageError(f"--from {run}: it holds an adapter (--keep-adapter), not a whole model")
    return replace(options, student=str(run)), [*manifest.get("stages", []), manifest["settings"]]


def check_engines(options: Any) -> None:
    """UsageError where several processes would each start a vLLM of their own on one device, or
    several machines a model of their own: rewards are found over addresses alone there.
    """
    for spec in options.asked if machines(options).count > 1 else ():
        if engine_of(spec) in ("vllm", "hf", "any"):
            raise UsageError(
                f"{spec}: on several machines, serve it once (`vllm serve {model_of(spec)}`) and "
                "name its address, http://HOST:PORT/v1"
            )
    if processes(options.launch, options.num_processes) == 1:
        return
    for spec in options.asked:
        if runs_in_vllm(spec):
            raise UsageError(
                f"{spec}: every process would start it on its own device; serve it once, "
                f"`vllm serve {model_of(spec)} --port 8001`, and name http://127.0.0.1:8001/v1"
            )


def chosen(options: Any, records: list[Raw]) -> list[Raw]:
    """The teacher's paths to learn from; says how many were chosen."""
    from rlkd_cli.reward.chosen import chosen_paths

    found = chosen_paths(records, options.teacher_paths)
    if len(found) < len(records) and not options.quiet and not ranks.is_launched():
        said = f"{len(found)} of {len(records)} teacher paths"
        console.message(f"{said} are taken (--teacher-paths {options.teacher_paths})")
    return found


def usable(options: Any, records: list[Raw], lost: training.Lost) -> Any:
    """The records that can be used; says what the student is asked. UsageError where none is
    left.
    """
    from rlkd_cli.training import distillation

    found = distillation.sort_records(options, records)
    try:
        distillation.check_enough(options, found.records)
    except UsageError as error:
        raise training.nothing_left(options, found.rejected + lost, str(error)) from None
    facts = distillation.facts(options, found)
    if options.is_structured:
        facts += _gsrm_facts(options, found.records[0])
    training.show_facts(f"distill {options.method}", facts, options.quiet)
    return found


def _gsrm_facts(options: Any, record: Raw) -> list[tuple[str, str]]:
    """How well the GSRM did where it was trained, and one real segmentation of a teacher's path.

    Not where it runs in vLLM in this process, which does not give its memory back.
    """
    if options.gsrm is None or ranks.is_launched():
        return []
    from rlkd_cli.training.gsrm.held_out import parse_rate
    from rlkd_cli.training.preflight import segmentation

    facts, rate = [], parse_rate(options.gsrm)
    if rate is not None:
        low = ": low, most of its replies will be worth nothing" if rate < LOW_PARSE_RATE else ""
        facts.append((f"parse rate of {shown(options.gsrm)} held out", f"{rate:.2f}{low}"))
    if runs_in_vllm(options.gsrm):
        return facts
    gsrm = open_gsrm(options, partial(_opened, options))
    return [*facts, (f"{shown(options.gsrm)} on the first path", segmentation(gsrm, record))]


def _opened(options: Any, spec: str) -> Any:
    """A model of the reward; its server is waited for as long as its answers are, unless
    --server-timeout says otherwise.
    """
    if options.server_timeout == HttpOptions.server_timeout:
        options = replace(options, server_timeout=options.reward_timeout)
    return opened(options, spec)


def _structure(options: Any, grader: Grader) -> Structure:
    return Structure.open(options, partial(_opened, options), grader, overwrite=options.overwrite)


def teacher(
    options: Any, records: list[Raw], begin: training.Beginning, name: str
) -> tuple[list[Raw], training.Lost]:
    """The teacher's records with steps, and those without; made before there are several
    processes.
    """
    if not options.is_structured:
        return records, []
    from rlkd_cli.training.data import with_steps

    def opened_gsrm() -> Segmenter:
        gsrm = open_gsrm(options, partial(_opened, options))
        begin()  # a model that cannot be opened leaves no folder
        return gsrm

    begin.clear()
    file = options.output / name
    return with_steps(records, opened_gsrm, file, options.reward_timeout, _warn)


def evaluated(options: Any) -> dict[str, Any]:
    """The contents of what is evaluated on, for the manifest."""
    if not options.eval:
        return {}
    source = options.whole(options.eval, METHODS[options.method].schema)
    source.scan()
    return contents({"eval": source.fingerprint()})


def held_out(options: Any, begin: training.Beginning) -> list[Raw]:
    """The usable records of `--eval`. UsageError where there is none."""
    if not options.eval:
        return []
    from rlkd_cli.reward.chosen import chosen_paths
    from rlkd_cli.training import distillation

    records, lost = training.read(options.whole(options.eval, METHODS[options.method].schema))
    own = chosen_paths(records, options.teacher_paths)
    found = distillation.sort_records(options, own)
    if not found.records:
        raise UsageError(f"--eval {options.eval}: no record of it can be used")
    done, refused = teacher(options, found.records, begin, "teacher.eval.jsonl")
    if (unused := len(lost + found.rejected + refused)) and not ranks.is_launched():
        first = str((lost + found.rejected + refused)[0][1])
        _warn(f"--eval {options.eval}: {unused} records cannot be used; the first: {first}")
    return done


def _warn(text: str) -> None:
    console.message(text, "yellow")


def reward(options: Any, records: list[Raw]) -> Any:
    """The reward of the method: with the structured part, what stands in its place, or the outcome
    alone.
    """
    from rlkd_cli.training.data import weights_of
    from rlkd_cli.training.model import load_tokenizer
    from rlkd_cli.training.preflight import generation_settings
    from rlkd_cli.training.replies import decoder, ends_of
    from rlkd_cli.training.reward import Reward
    from rlkd_cli.training.similarity import open_similarity

    grader, tokenizer = Grader(), load_tokenizer(options.student, options.recipe)
    similar = METHODS[options.method].structure and not options.is_structured
    return Reward(
        records=records,
        decode=decoder(tokenizer, ends_of(tokenizer, generation_settings(options.student))),
        weights=weights_of(options),
        grader=grader,
        structure=_structure(options, grader) if options.is_structured else None,
        similarity=open_similarity(options.reward, options.embedder) if similar else None,
        path_reward=f"{options.reward}_reward",
        max_failures=options.max_reward_failures,
        timeout=options.reward_timeout,
        samples=options.output / "completions.jsonl",
        sample_every=options.sample_every,
        tell=_warn,
    )


def dry_run(options: Any, records: list[Raw]) -> None:
    """Prints what would be done, and what a training says before its first step; a server that is
    not there is hardly waited for.
    """
    soon = min(options.server_timeout, options.reward_timeout, DRY_WAIT)
    options = replace(options, server_timeout=soon)
    from rlkd_cli.training import distillation

    method, step = METHODS[options.method], distillation.completions_of(options)
    most = f"{step * options.steps * options.max_tokens:,}"
    writes = method.rewards or method.writes
    written = [("tokens written by the student, at most", most)] if writes else []
    lines = [
        ("problems", f"{len(records):,}"),
        ("method", options.method),
        ("student", options.student),
        ("steps", f"{options.steps:,}"),
        ("completions a step" if writes else "paths a step", f"{step:,}"),
        *written,
    ]
    if options.is_structured:
        asked = step * options.steps + sum(not raw.get("steps") for raw in records)
        lines += [(f"calls of {shown(options.gsrm)}", f"{asked:,}")]
        lines += [("judge", shown(options.judge))]
    try:
        found = distillation.sort_records(options, records)
        lines.append(("records that cannot be used", f"{len(found.rejected):,}"))
        distillation.check_enough(options, found.records)
        lines += distillation.facts(options, found)
        if options.is_structured:
            lines += _gsrm_facts(options, found.records[0])
    except ModelError as error:
        lines.append(("not checked", str(error)))
    console.table("distill (dry run)", lines)
