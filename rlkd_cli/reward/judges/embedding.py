"""Texts as vectors."""

from typing import Any, Self

from rlkd_cli.core.recent import Recent
from rlkd_cli.core.steps import Part
from rlkd_cli.models.local.batching import Batcher
from rlkd_cli.models.local.embedders import Embedder, open_embedder
from rlkd_cli.reward.grading.grader import Grader
from rlkd_cli.reward.judges.base import Judge, Means, is_formula, same_or_hollow

REMEMBERED = 20_000  # texts, whose vectors may be of 14 KB


class EmbeddingJudge(Judge):
    """The cosine of the two texts' embeddings, 0 where it is negative.

    Two answers that are mathematics are compared as such first: their letters say little of it
    ("x=3/4" lies at 0.98 of "x=4/3"). Only where the grader cannot read them does the cosine
    decide.
    """

    summary = "the cosine of embeddings; answers as mathematics first"
    uses = "embedder"
    threshold = 0.9  # ours
    is_graded = True

    def __init__(self, embedder: Embedder, grader: Grader) -> None:
        self._embedder, self._grader = embedder, grader
        self.name = f"embedding:{embedder.name}+math"
        self._vectors: Recent[str, Any] = Recent(REMEMBERED)
        self._batcher: Batcher[str, Any] = Batcher(self._embed, 256, len)

    @classmethod
    def open(cls, means: Means) -> Self:
        return cls(open_embedder(means.embedder), means.grader)

    def settle(self, part: Part, teacher: str, student: str) -> float | None:
        return same_or_hollow(part, teacher, student)

    async def ask(self, part: Part, teacher: str, student: str) -> float:
        if part == "answer" and is_formula(teacher) and is_formula(student):
            verdict = await self._grader.compare(student, teacher)
            if verdict in ("correct", "wrong"):
                return float(verdict == "correct")
        a, b = [await self._vector(text) for text in (teacher, student)]
        lengths = float((a @ a) ** 0.5 * (b @ b) ** 0.5)
        return max(0.0, float(a @ b) / lengths) if lengths else 0.0

    async def _vector(self, text: str) -> Any:
        vector = self._vectors.get(text)
        if vector is None:
            vector = self._vectors[text] = await self._batcher(text)
        return vector

    def _embed(self, texts: Any) -> list[Any]:
        return list(self._embedder.embed(list(texts)))
