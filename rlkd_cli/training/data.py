"""What a student is asked, and what a teacher's record says of it."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from rlkd_cli.core.question import question
from rlkd_cli.core.thinking import OPEN
from rlkd_cli.errors import ModelError, RecordError
from rlkd_cli.models import user
from rlkd_cli.models.chat import opens_thinking
from rlkd_cli.records.atomic import atomic_write
from rlkd_cli.records.schema import Raw
from rlkd_cli.records.write import dumps, objects
from rlkd_cli.reward.segmenter import Segmenter
from rlkd_cli.reward.structured import segmented
from rlkd_cli.training.methods.options import Distillation


def prompt_of(raw: Raw, options: Distillation, chat: bool) -> Any:
    """A problem as the student is asked it: messages, or plain text for a base model without a chat template."""
    asked = question(raw, options.prompt_template)
    messages = [dict(message) for message in user(asked, options.system)]
    return messages if chat else "\n\n".join(message["content"] for message in messages)


def decoder(student: str) -> Callable[[list[int]], str]:
    """From completion ids to paths. Not TRL's own text: a response template could split the thinking off.

    Thinking that the chat template opens is opened in the path too: one that never closes it has no answer.
    """
    tokenizer = AutoTokenizer.from_pretrained(student)
    start = f"{OPEN}\n" if opens_thinking(tokenizer) else ""
    return lambda ids: start + str(tokenizer.decode(ids, skip_special_tokens=True))


def with_steps(
    records: Sequence[Raw], open_gsrm: Callable[[], Segmenter], file: Path
) -> tuple[list[Raw], list[tuple[Raw, RecordError]]]:
    """Records whose teacher has steps, and those of which none could be made, with the reason.

    Missing steps are asked for once, and what came of it is kept in `file`, a line a record, for a resumed run
    and for the other processes; the GSRM is opened where it is needed. ModelError where no teacher path has steps.
    """
    if all(raw.get("steps") for raw in records):
        return list(records), []
    if not file.exists():
        found = asyncio.run(_segment_all(records, open_gsrm()))
        with atomic_write(file) as out:
            for raw, own in zip(records, found, strict=True):
                out.write(dumps({"id": raw["id"], **own}) + "\n")
    pairs = list(zip(records, objects(file), strict=True))
    done = [{**raw, "steps": own["steps"]} for raw, own in pairs if own["steps"]]
    if not done:
        raise ModelError("no teacher path could be segmented")
    failed = [(raw, own) for raw, own in pairs if not own["steps"]]
    return done, [(raw, RecordError(own["error"], own["detail"])) for raw, own in failed]


async def _segment_all(records: Sequence[Raw], gsrm: Segmenter) -> list[Raw]:
    """The steps of each record, or why there are none."""

    async def one(raw: Raw) -> Raw:
        if raw.get("steps"):
            return {"steps": raw["steps"]}
        try:
            return {"steps": [step.model_dump() for step in await segmented(gsrm, raw)]}
        except RecordError as error:
            return {"steps": [], "error": error.code, "detail": error.detail}

    try:
        return list(await asyncio.gather(*map(one, records)))
    finally:
        await gsrm.model.close()
