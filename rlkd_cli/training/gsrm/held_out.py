"""How well a model segments paths that it was not trained on, against their reference
segmentations.

The models are those on disk, loaded as anyone would: the base model before there is a training (and
before there are several processes of it), the finished folder after it.
"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from rlkd_cli.core.steps import render
from rlkd_cli.errors import RecordError
from rlkd_cli.models.base import Sampling
from rlkd_cli.models.local.hf import HfModel
from rlkd_cli.models.spec import model_of
from rlkd_cli.records.atomic import write_json
from rlkd_cli.records.schema import Raw, Step
from rlkd_cli.reward.segmenter import Segmenter


def agreement(
    references: Sequence[Sequence[Raw]], found: Sequence[Sequence[Raw] | None]
) -> dict[str, float]:
    """Shares over paths: that parse, and that have as many steps as the reference; over the
    reference's steps: exact.

    A step is exact where its three texts are the reference's of the same number; None is a reply
    that does not parse.
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
    """Measures a model before and after; kept in held_out.json, so that a resumed run and other
    processes know the first.
    """

    def __init__(self, records: Sequence[Raw], prompt: str, folder: Path) -> None:
        self._records, self._prompt, self._file = records, prompt, folder / "held_out.json"

    @property
    def facts(self) -> dict[str, float]:
        """What was measured, by name."""
        found: dict[str, float] = {}
        if self._file.exists():
            found = json.loads(self._file.read_text("utf-8"))
        return found

    def has(self, when: str) -> bool:
        """Whether it was measured, or there is nothing to measure it on."""
        return not self._records or any(fact.endswith(when) for fact in self.facts)

    def measure(self, when: str, name: str) -> None:
        """Adds "parse rate held out before" and its like, of the model `name`, to `facts`."""
        if self.has(when):
            return
        references = [[Step(**step).model_dump() for step in raw["steps"]] for raw in self._records]
        found = asyncio.run(
            self._segment(name, [render([Step(**step) for step in steps]) for steps in references])
        )
        facts = self.facts | {
            f"{fact} held out {when}": value for fact, value in agreement(references, found).items()
        }
        write_json(self._file, facts)

    async def _segment(self, name: str, references: list[str]) -> list[list[Raw] | None]:
        """The steps of each path, None where the reply does not parse; no reply may be much longer
        than the longest reference.
        """
        model = HfModel(model_of(name), batch_size=32)
        limit = max(map(model.count_tokens, references)) + 32
        segmenter = Segmenter(model, Sampling(max_tokens=limit), self._prompt, None, max_attempts=1)

        async def one(raw: Raw) -> list[Raw] | None:
            try:
                return (await segmenter(raw))["steps"]  # type: ignore[no-any-return]
            except RecordError:
                return None

        try:
            return list(await asyncio.gather(*map(one, self._records)))
        finally:
            await model.close()


def parse_rate(spec: str) -> float | None:
    """The share of held-out replies that parsed, of a GSRM in a folder; None where it is not
    known.
    """
    file = Path(model_of(spec), "held_out.json")
    if not file.is_file():
        return None
    facts: dict[str, float] = json.loads(file.read_text("utf-8"))
    return facts.get("parse rate held out after")
