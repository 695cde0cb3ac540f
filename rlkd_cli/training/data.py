"""What a student is asked, what a teacher's record says of it, and which records a training can
use.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlkd_cli import prompts
from rlkd_cli.core.question import question
from rlkd_cli.errors import ModelError, RecordError
from rlkd_cli.models import Message, user
from rlkd_cli.models.chat import encode_chat, fitting
from rlkd_cli.records.atomic import atomic_write
from rlkd_cli.records.schema import Raw
from rlkd_cli.records.write import dumps, objects
from rlkd_cli.reward.patience import is_away_code, patiently
from rlkd_cli.reward.segmenter import Segmenter
from rlkd_cli.reward.structured import segmented
from rlkd_cli.reward.total import Weights
from rlkd_cli.training.methods import METHODS
from rlkd_cli.training.methods.options import Distillation
from rlkd_cli.training.methods.recipes import RECIPES
from rlkd_cli.training.replies import encode_reply

Lost = list[tuple[Raw, RecordError]]


def messages_of(raw: Raw, options: Distillation, tokenizer: Any) -> list[Message]:
    """A problem as the student is asked it, in the form that its template takes. Errors as of
    `render_chat`.
    """
    system = options.system or RECIPES[options.recipe].system
    return fitting(tokenizer, user(question(raw, options.prompt_template), system))


def informed_messages(raw: Raw, options: Distillation, tokenizer: Any) -> list[Message]:
    """The same with the teacher's path in it, as the student is asked to grade itself."""
    *before, asked = messages_of(raw, options, tokenizer)
    text = prompts.fill(prompts.load("informed"), question=asked["content"], path=raw["path"])
    return [*before, *user(text)]


def weights_of(options: Distillation) -> Weights:
    """What each part of the total reward weighs; without a structured part in the method, that is
    0.
    """
    structure = options.structure_weight if METHODS[options.method].structure else 0.0
    recipe = RECIPES[options.recipe]
    form = options.format_weight if recipe.format is None else recipe.format
    return Weights(structure, options.outcome_weight, form, recipe.tags)


@dataclass
class Usable:
    """The records that a training can use, and what they ask of the student's context, in
    tokens.
    """

    records: list[Raw] = field(default_factory=list)
    rejected: Lost = field(default_factory=list)
    longest_prompt: int = 0
    needed: int = 0  # the longest prompt and reply together
    long_paths: int = 0  # teacher's paths longer than a reply may be


def usable(options: Distillation, records: Iterable[Raw], tokenizer: Any) -> Usable:
    """Sorts the records; one that is too long, or that nothing could be learnt from, is a
    reject.
    """
    found = Usable()
    for raw in records:
        try:
            prompt, reply = _lengths(raw, options, tokenizer)
        except RecordError as error:
            found.rejected.append((raw, error))
            found.long_paths += error.code == "path_too_long"
            continue
        found.records.append(raw)
        found.longest_prompt = max(found.longest_prompt, prompt)
        found.needed = max(found.needed, prompt + reply)
    return found


def _lengths(raw: Raw, options: Distillation, tokenizer: Any) -> tuple[int, int]:
    """Tokens of the prompt and of the reply; RecordError where the record cannot be used."""
    method, messages = METHODS[options.method], messages_of(raw, options, tokenizer)
    prompt, reply = len(encode_chat(tokenizer, messages)), options.max_tokens
    if options.reads_path and not (raw.get("path") or "").strip():
        raise RecordError("empty_path", "there is nothing in it to learn")
    if method.rewards:
        if not any(vars(weights_of(options).of(raw)).values()):
            raise RecordError("no_answer", "without an answer there is nothing to reward")
    elif options.reads_path and options.method != "self":  # which reads it in its prompt
        length = _path_length(raw, messages, options, tokenizer)
        reply = reply if method.writes else length
    if prompt > options.max_prompt_length:
        said = f"{prompt} tokens, more than --max-prompt-length {options.max_prompt_length}"
        raise RecordError("prompt_too_long", said)
    if options.method == "self":  # the longer of its two prompts
        prompt = len(encode_chat(tokenizer, informed_messages(raw, options, tokenizer)))
    return prompt, reply


def _path_length(
    raw: Raw, messages: Sequence[Message], options: Distillation, tokenizer: Any
) -> int:
    """Tokens of the teacher's path. RecordError where it is too long."""
    ids, prompt = encode_reply(tokenizer, messages, raw["path"])
    if len(ids) - prompt > options.max_tokens:
        said = f"{len(ids) - prompt} tokens, more than --max-tokens {options.max_tokens}"
        raise RecordError("path_too_long", said)
    return len(ids) - prompt


def with_steps(
    records: Sequence[Raw],
    open_gsrm: Callable[[], Segmenter],
    file: Path,
    timeout: float = 0.0,
    tell: Callable[[str], None] = lambda text: None,
) -> tuple[list[Raw], Lost]:
    """Records whose teacher has steps, and those of which none could be made, with the reason.

    Missing steps are asked for once, and what came of it is kept in `file`, a line a record, for a
    resumed run and for the other processes; the GSRM is opened where it is needed. A server that is
    away is waited for, `timeout` seconds, and its failure is kept nowhere. ModelError where it
    stays away, and where no teacher path has steps.
    """
    if all(raw.get("steps") for raw in records):
        return list(records), []
    kept = {own["row"]: own for own in objects(file)} if file.exists() else {}
    if len(kept) < len(records):
        found = asyncio.run(_segment_all(records, kept, open_gsrm(), timeout, tell))
        kept = {row: own for row, own in enumerate(found) if not is_away_code(own.get("error", ""))}
        with atomic_write(file) as out:
            for row, own in kept.items():
                out.write(dumps({"row": row, "id": records[row]["id"], **own}) + "\n")
        if len(kept) < len(records):
            raise ModelError(
                f"the GSRM's server does not answer: {len(records) - len(kept)} teacher paths wait "
                "(--reward-timeout); run the same command again to go on"
            )
    pairs = [(raw, kept[row]) for row, raw in enumerate(records)]
    done = [{**raw, "steps": own["steps"]} for raw, own in pairs if own["steps"]]
    if not done:
        raise ModelError("no teacher path could be segmented")
    failed = [(raw, own) for raw, own in pairs if not own["steps"]]
    return done, [(raw, RecordError(own["error"], own["detail"])) for raw, own in failed]


async def _segment_all(
    records: Sequence[Raw],
    kept: dict[int, Raw],
    gsrm: Segmenter,
    timeout: float,
    tell: Callable[[str], None],
) -> list[Raw]:
    """The steps of each record, or why there are none."""

    async def one(row: int) -> Raw:
        raw = records[row]
        if raw.get("steps"):
            return {"steps": raw["steps"]}
        if row in kept:
            return {k: v for k, v in kept[row].items() if k not in ("row", "id")}
        try:
            return {"steps": [step.model_dump() for step in await segmented(gsrm, raw)]}
        except RecordError as error:
            return {"steps": [], "error": error.code, "detail": error.detail}

    def failed(own: Raw) -> bool:
        return is_away_code(own.get("error", ""))

    try:
        return await patiently(one, len(records), failed, timeout, tell)
    finally:
        await gsrm.model.close()
