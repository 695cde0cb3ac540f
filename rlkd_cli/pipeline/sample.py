"""`sample`: reasoning paths from a model, and what `eval` grades."""

from dataclasses import dataclass, replace

from rlkd_cli.core.question import PAPERS, question
from rlkd_cli.core.seeds import draw_seed
from rlkd_cli.core.thinking import join, split
from rlkd_cli.models import Sampling, TextModel, user
from rlkd_cli.records.schema import Raw


@dataclass
class Sampler:
    """Draws one path for a problem record; `sample` in the record says which of several it is."""

    model: TextModel
    sampling: Sampling
    template: str | None = None
    system: str | None = None
    protocol: str = PAPERS  # whose prompt is used where there is no template
    kind: str | None = None  # of answer that the benchmark expects; by default the reference says

    async def __call__(self, raw: Raw) -> Raw:
        """The path record. Its random numbers depend on seed, id and sample only, so that a resumed
        run agrees.
        """
        seed = draw_seed(self.sampling.seed or 0, raw["id"], raw.get("sample", 0))
        messages = user(question(raw, self.template, self.protocol, self.kind), self.system)
        reply = await self.model.reply(messages, replace(self.sampling, seed=seed))
        path = join(reply.thinking, reply.text)
        own = {"path": path, "finish_reason": reply.finish_reason, "model": self.model.name}
        tokens = {"tokens": reply.completion_tokens}
        thought, answer = split(path)
        if (
            thought and answer
        ):  # engines count the whole; the thinking's share is that of its characters
            tokens["thinking_tokens"] = round(reply.completion_tokens * len(thought) / len(path))
        return {**raw, **own, **tokens}
