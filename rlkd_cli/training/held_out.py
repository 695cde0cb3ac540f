"""How well a model segments paths that it was not trained on, against their reference segmentations."""

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rlkd_cli.core.steps import render
from rlkd_cli.errors import RecordError
from rlkd_cli.models.base import Sampling
from rlkd_cli.models.hf_engine import HfModel
from rlkd_cli.pipeline.segment import Segmenter
from rlkd_cli.records import Raw, Step

if TYPE_CHECKING:
    from rlkd_cli.training.gsrm import GsrmConfig


def agreement(references: Sequence[Sequence[Raw]], found: Sequence[Sequence[Raw] | None]) -> dict[str, float]:
    """Shares over paths: that parse, and that have as many steps as the reference; over the reference's steps: exact.

    A step is exact where its three texts are the reference's of the same number; None is a reply that does not parse.
    """
    total = sum(map(len, references))
    pairs = [(a, b) for a, b in zip(references, found, strict=True) if b is not None]
    exact = sum(x == y for a, b in pairs for x, y in zip(a, b, strict=False))
    return {
        "parse rate": len(pairs) / len(references),
        "same step count": sum(len(a) == len(b) for a, b in pairs) / len(references),
        "exact steps": exact / total,
    }


class HeldOut:
    """Measures a model in training before and after; kept in held_out.json, so that a resumed run knows the first."""

    def __init__(self, records: Sequence[Raw], config: "GsrmConfig") -> None:
        self._records, self._prompt = records, config.prompt
        self._file = config.output / "held_out.json"
        self.facts: dict[str, float] = json.loads(self._file.read_text("utf-8")) if self._file.exists() else {}

    def measure(self, when: str, model: Any, tokenizer: Any) -> None:
        """Adds "parse rate held out before" and its like to `facts`."""
        if any(name.endswith(when) for name in self.facts):
            return
        training = model.training
        references = [[Step(**step).model_dump() for step in raw["steps"]] for raw in self._records]
        longest = max(len(tokenizer(render([Step(**s) for s in steps]))["input_ids"]) for steps in references)
        segmenter = Segmenter(
            HfModel.around(model.eval(), tokenizer, 32), Sampling(max_tokens=longest + 32), self._prompt, None, max_attempts=1
        )

        async def one(raw: Raw) -> list[Raw] | None:
            try:
                return (await segmenter(raw))[0]["steps"]  # type: ignore[no-any-return]
            except RecordError:
                return None

        async def everything() -> list[list[Raw] | None]:
            return list(await asyncio.gather(*map(one, self._records)))

        found = asyncio.run(everything())
        model.train(training)
        self.facts |= {f"{name} held out {when}": value for name, value in agreement(references, found).items()}
        self._file.write_text(json.dumps(self.facts, indent=2) + "\n", "utf-8")
