"""`segment`: what it would ask, before it asks. The work on a record is `reward.segmenter`."""

from rlkd_cli.models.spec import batched
from rlkd_cli.pipeline.estimate import Call
from rlkd_cli.records.schema import Raw
from rlkd_cli.reward.segmenter import VERIFIER_TOKENS, segment_prompt, verify_prompt

REPLY_SHARE = 0.5  # ours: steps are taken to be half as long as their path


def segment_calls(
    raw: Raw,
    model: str,
    verifier: str | None,
    prompt: str | None,
    max_tokens: int,
    in_batches: bool,
) -> list[Call]:
    """The calls that a record needs where its first attempt is accepted."""
    reply = len(raw["path"]) / 4 * REPLY_SHARE
    asked, written = len(segment_prompt(raw, prompt)), min(reply, max_tokens)
    calls = [Call(batched(model) if in_batches else model, asked, written, max_tokens)]
    if verifier:
        asked = len(verify_prompt(raw, "")) + round(4 * reply)
        calls.append(Call(verifier, asked, 32, VERIFIER_TOKENS))
    return calls
