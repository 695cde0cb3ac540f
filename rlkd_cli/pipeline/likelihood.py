"""How likely paths are under a model in this process (`capability --base-model`; 2505.14216)."""

import asyncio
from collections.abc import Sequence

from rlkd_cli.core.question import Prompting, question
from rlkd_cli.models import user
from rlkd_cli.models.spec import model_of


def mean_likelihood(spec: str, paths: Sequence[tuple[str, str]], asked: Prompting) -> float:
    """The mean log-probability per token, over (problem, path) pairs."""
    from rlkd_cli.models.local.hf import HfModel

    engine = HfModel(model_of(spec), batch_size=16)

    async def one(problem: str, path: str) -> float:
        text = question({"problem": problem}, asked.prompt_template)
        return await engine.log_likelihood(user(text, asked.system), path)

    async def every() -> list[float]:
        return list(await asyncio.gather(*(one(*pair) for pair in paths)))

    values = asyncio.run(every())
    return sum(values) / len(values)
