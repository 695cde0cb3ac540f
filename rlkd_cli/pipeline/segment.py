"""From a reasoning path to steps (RLKD, section 3.1, dataset construction).

A model writes the steps, the parser reads them, a verifier judges them against the instruction. What either
finds wrong goes back to the model; after the last attempt the record is discarded.
"""

import re
from dataclasses import dataclass, replace

from rlkd_cli import prompts
from rlkd_cli.core.steps import ParseError, parse, render
from rlkd_cli.errors import RecordError
from rlkd_cli.models import Message, Sampling, TextModel, user
from rlkd_cli.records.schema import Raw

VERIFIER_TOKENS = 1024


@dataclass
class Segmenter:
    """Turns paths into steps. `prompt` is a GSRM's own short prompt; None means instruction and worked examples.

    `max_attempts` counts the first generation: the paper's three re-generations make 4.
    """

    model: TextModel
    sampling: Sampling
    prompt: str | None = None
    verifier: TextModel | None = None
    max_attempts: int = 4

    async def __call__(self, raw: Raw) -> list[Raw]:
        """The record with `steps`, `segmenter`, `attempts` and `verified`. RecordError where no attempt passed."""
        path, problem = raw["path"], raw.get("problem", "")
        messages = user(segment_prompt(raw, self.prompt))
        sampling, feedback, code = self.sampling, "", ""
        for attempt in range(1, self.max_attempts + 1):
            reply = await self.model.reply(messages, sampling)
            if reply.finish_reason == "length":
                code, feedback = "cut_off", f"the reply was cut off at {sampling.max_tokens} tokens"
                if sampling.max_tokens > self.sampling.max_tokens:
                    break  # a second time is no accident
                sampling = replace(sampling, max_tokens=2 * sampling.max_tokens)
                continue
            try:
                steps = parse(reply.text)
            except ParseError as error:
                code, feedback = "unparsable_steps", str(error)
            else:
                accepted = await self._verify(problem, path, render(steps)) if self.verifier else ""
                if not accepted:
                    done = {
                        "steps": [step._asdict() for step in steps],
                        "segmenter": self.model.name,
                    }
                    return [
                        {**raw, **done, "attempts": attempt, "verified": self.verifier is not None}
                    ]
                code, feedback = "not_verified", accepted
            if self.prompt and sampling.temperature == 0:
                break  # a GSRM knows no feedback, and would only write the same again
            messages = self._again(messages, reply.text, feedback)
        raise RecordError(code, feedback)

    def _again(self, messages: list[Message], reply: str, feedback: str) -> list[Message]:
        if self.prompt:
            return messages
        request = prompts.fill(prompts.load("feedback"), feedback=feedback)
        return [
            *messages[:1],
            {"role": "assistant", "content": reply},
            {"role": "user", "content": request},
        ]

    async def _verify(self, problem: str, path: str, steps: str) -> str:
        """The verifier's feedback, empty where it accepts. RecordError where its reply cannot be read, twice."""
        assert self.verifier is not None
        question = verify_prompt(problem, path, steps)
        for seed in (self.sampling.seed, (self.sampling.seed or 0) + 1):
            sampling = Sampling(max_tokens=VERIFIER_TOKENS, seed=seed)
            text = (await self.verifier.reply(user(question), sampling)).text
            match = re.search(
                r"\bverdict\b\W*(pass|fail)\b[\s.*]*(.*)", text, re.IGNORECASE | re.DOTALL
            )
            if match:
                passed = match.group(1).lower() == "pass"
                return "" if passed else match.group(2).strip() or "the verifier gave no reason"
        raise RecordError("unreadable_verdict", f"the verifier wrote {text[:80]!r}")


def segment_prompt(raw: Raw, prompt: str | None = None) -> str:
    """What a model is asked for a path record: a GSRM's own prompt, else the instruction with examples of its domain."""
    problem = raw.get("problem", "")
    if prompt:
        return prompts.fill(prompt, path=raw["path"], problem=problem)
    examples = prompts.load(f"segment_{raw.get('domain', 'math')}")
    return prompts.fill(
        prompts.load("segment"), examples=examples, problem=problem, path=raw["path"]
    )


def verify_prompt(problem: str, path: str, steps: str) -> str:
    """What the verifier is asked."""
    return prompts.fill(prompts.load("verify"), problem=problem, path=path, steps=steps)
