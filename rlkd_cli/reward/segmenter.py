"""From a reasoning path to steps (RLKD, section 3.1, dataset construction).

A model writes the steps, the parser reads them, a verifier judges them against the instruction.
What either finds wrong goes back to the model; after the last attempt the record is discarded.
"""

import re
from dataclasses import dataclass, replace

from rlkd_cli import prompts
from rlkd_cli.core.seeds import draw_seed
from rlkd_cli.core.steps import ParseError, StepText, parse, render
from rlkd_cli.core.thinking import CLOSE, begins, reasoning, split
from rlkd_cli.errors import RecordError
from rlkd_cli.models import Message, Reply, Sampling, TextModel, user
from rlkd_cli.records.schema import Raw

VERIFIER_TOKENS = 4096  # ours: one that thinks needs more than its verdict
RETRY_TEMPERATURE = 0.7  # ours: a GSRM that is asked again must not write the same again


class Rejected(Exception):
    """An attempt that cannot be taken: a short code, and what to tell the model."""

    def __init__(self, code: str, feedback: str) -> None:
        self.code, self.feedback = code, feedback
        super().__init__(feedback)


@dataclass
class Segmenter:
    """Turns paths into steps.

    `prompt` is a GSRM's own short prompt; None means instruction and worked examples.
    `max_attempts` counts the first generation: the paper's three re-generations make 4.
    """

    model: TextModel
    sampling: Sampling
    prompt: str | None
    verifier: TextModel | None
    max_attempts: int

    async def __call__(self, raw: Raw) -> Raw:
        """The record with `steps`, `segmenter`, `attempts` and `verified`.

        RecordError where no attempt passed.
        """
        messages, tokens = user(segment_prompt(raw, self.prompt)), self.sampling.max_tokens
        failure, wrote = Rejected("not_asked", "no attempt was made"), ""
        for attempt in range(1, self.max_attempts + 1):
            try:
                reply = await self._ask(messages, self._sampling(raw, attempt, tokens))
                wrote = reply.thinking + reply.text
                steps = self._read(reply, tokens)
                await self._verify(raw, render(steps), attempt)
            except Rejected as rejected:
                failure = rejected
            else:
                own = {"steps": [step._asdict() for step in steps], "segmenter": self.model.name}
                return {**raw, **own, "attempts": attempt, "verified": self.verifier is not None}
            if failure.code == "cut_off":
                if tokens > self.sampling.max_tokens:
                    break  # a second time is no accident
                tokens *= 2
            elif self.prompt is None:  # a GSRM knows no feedback
                messages = _again(messages, reply.text, failure.feedback)
        raise RecordError(failure.code, failure.feedback, wrote)

    async def _ask(self, messages: list[Message], sampling: Sampling) -> Reply:
        """The model's reply; a GSRM that writes nothing has answered, and found no steps."""
        try:
            return await self.model.reply(messages, sampling)
        except RecordError as error:
            if error.code != "empty_reply" or self.prompt is None:
                raise
            raise Rejected("unparsable_steps", "the reply is empty") from None

    def _sampling(self, raw: Raw, attempt: int, tokens: int) -> Sampling:
        """How an attempt is drawn: a seed of its own for each record and attempt, where there is a
        draw.
        """
        temperature = self.sampling.temperature
        if self.prompt is not None and attempt > 1:
            temperature = max(temperature, RETRY_TEMPERATURE)
        identity, sample = raw.get("id", ""), raw.get("sample") or 0
        seed = (
            draw_seed(self.sampling.seed or 0, identity, sample, attempt) if temperature else None
        )
        drawn = replace(self.sampling, temperature=temperature, max_tokens=tokens, seed=seed)
        return replace(drawn, whole=self.prompt is not None)

    def _read(self, reply: Reply, tokens: int) -> list[StepText]:
        """The steps in a reply. Rejected where there are none, or it was cut off."""
        if reply.finish_reason == "length":
            raise Rejected("cut_off", f"the reply was cut off at {tokens} tokens")
        texts = [split(reply.text)[1]] if self.prompt is None else _of_gsrm(reply)
        failures = []
        for text in texts:
            try:
                return parse(text)
            except ParseError as error:
                failures.append(str(error))
        raise Rejected("unparsable_steps", failures[0])

    async def _verify(self, raw: Raw, steps: str, attempt: int) -> None:
        """Rejected with the verifier's feedback. RecordError where no reply of two can be read."""
        if self.verifier is None:
            return
        question = verify_prompt(raw, steps)
        for repeat in (0, 1):
            seed = draw_seed((self.sampling.seed or 0) + repeat, raw.get("id", ""), 0, attempt)
            reply = await self.verifier.reply(
                user(question), Sampling(max_tokens=VERIFIER_TOKENS, seed=seed)
            )
            text = split(reply.text)[1]
            match = _last(_LINE, text) or _last(_VERDICT, text)
            if match and match[1].lower() == "pass":
                return
            if match:
                feedback = text[match.end() :].strip() or text[: match.start()].strip()
                raise Rejected("not_verified", feedback or "the verifier gave no reason")
        raise RecordError("unreadable_verdict", f"the verifier wrote {text[:80]!r}", reply.text)


def _of_gsrm(reply: Reply) -> list[str]:
    """The texts that may be a GSRM's steps, likeliest first.

    A GSRM does not think: a closing tag is part of a step, and what its chat template or its server
    takes for thinking may be its steps. A model that was only asked like one may think first: steps
    in the thinking that it opens are a draft.
    """
    thought, text = split(reply.text)
    if not text.strip():
        return [thought or reply.thinking, reply.text]
    if begins(reply.text):
        return [text, reply.text[len(reasoning(reply.text)) :]]
    if reply.thinking:
        return [reply.text, f"{reply.thinking}{CLOSE}{reply.text}"]
    return [reply.text, text]


_VERDICT = re.compile(
    r"\bverdict\b\W*(?:is\b\W*)?(pass|fail)\b(?!\W{0,3}(?:or\W{0,3})?(?:pass|fail)\b)[\s.*]*",
    re.IGNORECASE,
)
# A line of its own goes before a verdict that is only spoken of
_LINE = re.compile(rf"^\W*{_VERDICT.pattern}", re.IGNORECASE | re.MULTILINE)


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The last match: a verifier that changes its mind means the later verdict."""
    return max(pattern.finditer(text), key=re.Match.start, default=None)


def _again(messages: list[Message], reply: str, feedback: str) -> list[Message]:
    """The question, the last reply, and what is wrong with it."""
    request = prompts.fill(prompts.load("feedback"), feedback=feedback)
    answered: list[Message] = [
        {"role": "assistant", "content": reply},
        {"role": "user", "content": request},
    ]
    return [*messages[:1], *answered]


def segment_prompt(raw: Raw, prompt: str | None = None) -> str:
    """What a model is asked for a path record: a GSRM's own prompt, else the instruction with
    examples of its domain.
    """
    problem = raw.get("problem", "")
    if prompt is not None:
        return prompts.fill(prompt, path=raw["path"], problem=problem)
    examples = prompts.load(f"segment_{raw.get('domain') or 'math'}")
    text = prompts.load("segment")
    return prompts.fill(text, examples=examples, problem=problem, path=raw["path"])


def verify_prompt(raw: Raw, steps: str) -> str:
    """What the verifier is asked."""
    own = {"problem": raw.get("problem", ""), "path": raw["path"], "steps": steps}
    return prompts.fill(prompts.load("verify"), **own)
