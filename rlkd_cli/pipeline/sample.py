"""`sample`: reasoning paths from a model, and what `eval` grades."""

import hashlib
from dataclasses import dataclass, replace

from rlkd_cli import prompts
from rlkd_cli.models import Sampling, TextModel, user
from rlkd_cli.records.schema import Raw

# The instruction that DeepSeek-R1's authors recommend for mathematics; the paper prints none.
PROMPT = "{problem}\n\nPlease reason step by step, and put your final answer within \\boxed{}."
CHOICE_PROMPT = '{problem}\n\nPlease reason step by step, and end with a line "Answer: LETTER".'


@dataclass
class Sampler:
    """Draws one path for a problem record; `sample` in the record says which of several it is."""

    model: TextModel
    sampling: Sampling
    template: str | None = None
    system: str | None = None

    async def __call__(self, raw: Raw) -> list[Raw]:
        """The path record. Its random numbers depend on seed, id and sample only, so that a resumed run agrees."""
        seed = draw_seed(self.sampling.seed or 0, raw["id"], raw.get("sample", 0))
        messages = user(question(raw, self.template), self.system)
        reply = await self.model.reply(messages, replace(self.sampling, seed=seed))
        path = reply.text
        if reply.thinking:  # a server that parses the thinking out gives it apart
            path = f"<think>\n{reply.thinking}" + (
                f"\n</think>\n\n{reply.text}" if reply.text else ""
            )
        own = {"path": path, "finish_reason": reply.finish_reason, "model": self.model.name}
        tokens = {"tokens": reply.completion_tokens}
        thought, closed, _ = path.partition("</think>")
        if closed:  # engines count the whole; the share of the thinking is that of its characters
            tokens["thinking_tokens"] = round(reply.completion_tokens * len(thought) / len(path))
        return [{**raw, **own, **tokens}]


def question(raw: Raw, template: str | None = None) -> str:
    """What the model is asked: the template filled with the problem."""
    letter = (
        isinstance(raw.get("answer"), str)
        and len(raw["answer"]) == 1
        and raw["answer"] in "ABCDEFGHIJ"
    )
    return prompts.fill(template or (CHOICE_PROMPT if letter else PROMPT), problem=raw["problem"])


def draw_seed(seed: int, identity: str | int, sample: int) -> int:
    """A seed of its own for each (id, sample)."""
    text = f"{seed}|{identity!r}|{sample}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest(), "big") >> 1
