"""The structured reward (RLKD, Algorithm 1), computed from verdicts; no model is asked here."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Normalize = Literal["none", "teacher", "shorter"]


class Verdict(NamedTuple):
    """Whether a step's M, Q and A match the teacher's; None if not asked or not answered."""

    meta_reasoning: bool | None = None
    sub_problem: bool | None = None
    answer: bool | None = None


def step_reward(verdict: Verdict) -> float:
    """The body of Algorithm 1's loop: 1 if M matches, halved for a wrong Q and for a wrong A."""
    if not verdict.meta_reasoning:
        return 0.0
    return (1.0 if verdict.sub_problem else 0.5) * (1.0 if verdict.answer else 0.5)


def walk(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The steps that Algorithm 1 counts: all before the first M that does not match."""
    matched: list[Verdict] = []
    for verdict in verdicts:
        if not verdict.meta_reasoning:
            break
        matched.append(verdict)
    return matched


def structured_reward(
    verdicts: Sequence[Verdict],
    teacher_steps: int,
    student_steps: int,
    normalize: Normalize = "none",
) -> float | None:
    """Algorithm 1: the sum of the step rewards up to the first M that does not match.

    `verdicts` are those of steps 1 … min(n, m), or of as many as were asked. Returns None if a
    verdict that the reward needs is missing: a reward that could not be computed is missing, never
    0.

    The paper and its release use the plain sum ("none", the default). Our additions: "teacher"
    divides by n, so that a full match is 1, and "shorter" divides by min(n, m).

    >>> structured_reward([Verdict(True, True, False), Verdict(False)], 3, 2)
    0.5
    """
    steps = min(teacher_steps, student_steps)
    visited = walk(verdicts[:steps])
    if any(None in verdict for verdict in visited):
        return None
    if len(visited) < steps and (
        len(visited) == len(verdicts) or verdicts[len(visited)].meta_reasoning is None
    ):
        return None
    total = sum(map(step_reward, visited))
    divisor = {"none": 1, "teacher": teacher_steps, "shorter": steps}[normalize]
    return total / divisor if divisor else 0.0
