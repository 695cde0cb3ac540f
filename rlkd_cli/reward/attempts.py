"""The rewards of one completion, its parts at the same time: what `distill` trains with and what
other trainers are given.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from rlkd_cli.errors import RecordError
from rlkd_cli.records.schema import Raw, Step
from rlkd_cli.reward.compared import Compared, compare
from rlkd_cli.reward.grading.grader import Grader
from rlkd_cli.reward.patience import is_away
from rlkd_cli.reward.structured import Structure
from rlkd_cli.reward.total import Parts, Weights, format_reward, tag_reward, total_reward

Timed = Callable[[str], AbstractContextManager[None]]  # what takes the time of a part, by name


@dataclass
class Attempt:
    """What came of one completion; `failure` says why its structured part is missing."""

    parts: Parts = field(default_factory=Parts)
    compared: Compared | None = None
    failure: RecordError | None = None

    @property
    def steps(self) -> list[Step]:
        return list(self.compared.student) if self.compared else []

    @property
    def verdicts(self) -> list[Raw]:
        score = self.compared.score if self.compared else None
        return [verdict._asdict() for verdict in score.verdicts] if score else []

    @property
    def server_failed(self) -> bool:
        """Whether a server's absence is why a part is missing, which may pass."""
        return self.failure is not None and is_away(self.failure)

    @property
    def unsegmentable(self) -> bool:
        """Whether the GSRM answered, and found no steps."""
        if self.failure:
            return self.failure.code == "unparsable_steps"
        return self.compared is not None and not self.compared.student


class Attempts:
    """Computes the parts of rewards. `structure` is None where the outcome alone is rewarded."""

    def __init__(
        self, weights: Weights, grader: Grader, structure: Structure | None, samples: str = "first"
    ) -> None:
        self.weights, self.grader, self.structure = weights, grader, structure
        self._samples = samples

    async def __call__(
        self,
        path: str,
        record: Raw,
        references: Sequence[Sequence[Step]],
        timed: Timed = lambda part: nullcontext(),
    ) -> Attempt:
        """A completion against a teacher's record and its step sequences."""
        outcome, attempt = await asyncio.gather(
            self._outcome(path, record, timed), self._structure(path, record, references, timed)
        )
        attempt.parts.outcome, attempt.parts.format = outcome, format_reward(path)
        attempt.parts.tags = tag_reward(path)
        return attempt

    def total(self, attempt: Attempt, record: Raw) -> float | None:
        """The weighted sum of the parts; None where one that weighs is missing."""
        return total_reward(attempt.parts, self.weights.of(record))

    async def _outcome(self, path: str, record: Raw, timed: Timed) -> float | None:
        if not self.weights.of(record).outcome:
            return None
        with timed("outcome"):
            grade = await self.grader.grade(path, str(record["answer"]))
        return None if grade.verdict == "timeout" else float(grade.verdict == "correct")

    async def _structure(
        self, path: str, record: Raw, references: Sequence[Sequence[Step]], timed: Timed
    ) -> Attempt:
        if self.structure is None:
            return Attempt()
        asked = {name: value for name, value in record.items() if name != "steps"}
        try:
            with timed("segmenting"):
                steps = await self.structure.steps({**asked, "path": path})
            with timed("judging"):
                found = await compare(self.structure, references, steps, self._samples)
        except RecordError as error:
            return Attempt(failure=error)
        return Attempt(Parts(structure=found.reward), found)

    async def close(self) -> None:
        """Closes the connections to servers, and the grader."""
        if self.structure:
            await self.structure.close()
        await self.grader.close()
