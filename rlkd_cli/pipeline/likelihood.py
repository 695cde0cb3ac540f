"""How likely paths are under a model in this process (`capability --base-model`; 2505.14216)."""

import asyncio
from collections.abc import Sequence
from typing import Any

from rlkd_cli.core.question import Prompting, question
from rlkd_cli.models import HttpOptions, open_model, user
from rlkd_cli.models.spec import model_of

BATCH = 16  # paths at a time; ours


def mean_likelihood(spec: str, paths: Sequence[tuple[str, str]], asked: Prompting) -> float:
    """The mean log-probability per token, over (problem, path) pairs."""
    engine: Any = open_model(f"hf/{model_of(spec)}", HttpOptions(concurrency=BATCH))

    async def one(problem: str, path: str) -> float:
        text = question({"problem": problem}, asked.prompt_template)
        return float(await engine.log_likelihood(user(text, asked.system), path))

    async def every() -> list[float]:
        try:
            return list(await asyncio.gather(*(one(*pair) for pair in paths)))
        finally:
            await engine.close()

    values = asyncio.run(every())
    return sum(values) / len(values)
