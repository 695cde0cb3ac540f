"""A model asked whether two texts match (RLKD, section 3.1)."""

import re
from typing import Self

from rlkd_cli import prompts
from rlkd_cli.core.steps import PARTS, Part
from rlkd_cli.core.thinking import split
from rlkd_cli.errors import ModelError, RecordError
from rlkd_cli.models import Sampling, TextModel, user
from rlkd_cli.reward.grading.grader import Grader
from rlkd_cli.reward.judges.base import Judge, Means, is_formula, same_or_hollow


class ModelJudge(Judge):
    """A model asked for one word, or, with `probabilities`, for how probable its yes is."""

    summary = "a model's yes or no"
    uses = "model"
    is_graded = True

    def __init__(self, model: TextModel, grader: Grader, probabilities: bool = False) -> None:
        self._model, self._grader = model, grader
        self._sampling = Sampling(max_tokens=4, choices=("yes", "no"), probabilities=probabilities)
        version = prompts.version(*(prompts.load(f"match_{part}") for part in PARTS))
        self.name = f"{model.name}@{version}{'+p' if probabilities else ''}"

    @classmethod
    def open(cls, means: Means) -> Self:
        return cls(means.open_model(means.spec), means.grader, means.probabilities)

    def settle(self, part: Part, teacher: str, student: str) -> float | None:
        return same_or_hollow(part, teacher, student)

    async def ask(self, part: Part, teacher: str, student: str) -> float:
        formulas = part == "answer" and is_formula(teacher) and is_formula(student)
        if formulas and await self._grader.compare(student, teacher) == "correct":
            return 1.0
        texts = {"first": shielded(teacher), "second": shielded(student)}
        reply = await self._model.reply(
            user(prompts.fill(prompts.load(f"match_{part}"), **texts)), self._sampling
        )
        if reply.probabilities:
            return reply.probabilities[0]
        if self._sampling.probabilities:
            raise ModelError(
                f"{self._model.name} gives no probabilities; "
                "leave out --threshold and --probabilities"
            )
        word = split(reply.text)[1].strip().strip(".*").lower()
        if word not in self._sampling.choices:
            reason = f"the judge wrote {reply.text[:40]!r}"
            raise RecordError("unreadable_verdict", reason, reply.text)
        return float(word == "yes")

    async def close(self) -> None:
        await self._model.close()


def shielded(text: str) -> str:
    """A text that cannot close the tags it is put between."""
    return re.sub(r"<(?=\s*/?\s*(?:first|second)\b)", "<\u200b", text, flags=re.IGNORECASE)
