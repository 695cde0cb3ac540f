"""Rewards in place of the structured one, which need no GSRM: how near a path is to the teacher's.

They are there to know whether the structured reward earns its price. Both read the reasoning, as
the structured reward does, without the answer behind it.
"""

import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

import numpy as np

from rlkd_cli.core.thinking import split
from rlkd_cli.models.local.embedders import Embedder, open_embedder

Similarity = Callable[[Sequence[str], Sequence[str]], list[float]]  # teacher's and student's paths
_STEP_ENDS = re.compile(r"\n+|(?<=[.!?])\s+")


def open_similarity(reward: str, embedder: str) -> Similarity:
    """`embedding` or `sequence`. UsageError and ModelError where the embedder cannot be had."""
    if reward == "sequence":
        return lambda teachers, students: [
            step_similarity(_thoughts(teacher), _thoughts(student))
            for teacher, student in zip(teachers, students, strict=True)
        ]
    model = open_embedder(embedder)
    return lambda teachers, students: cosines(
        model, list(map(_thoughts, teachers)), list(map(_thoughts, students))
    )


def _thoughts(path: str) -> str:
    """What stands between the tags of thinking; all of a path without them."""
    thinking, text = split(path)
    return thinking or text


def cosines(embedder: Embedder, teachers: Sequence[str], students: Sequence[str]) -> list[float]:
    """The cosine of each pair's embeddings (RLSR, 2510.14200); 0 for a text without any feature."""
    vectors = np.asarray(embedder.embed([*teachers, *students]), dtype=float)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    found: list[float] = (unit[: len(teachers)] * unit[len(teachers) :]).sum(axis=1).tolist()
    return found


def step_similarity(teacher: str, student: str) -> float:
    """How alike two paths are step by step, from 0 to 1: 2M / T words of each pair of steps (M
    words match in order, of T in both), a mean over the steps of the longer path.

    The measure of two steps is SRL's (2510.25992), by Python's difflib as there. Ours: a step is a
    line or a sentence, the i-th of one path is compared with the i-th of the other, and the whole
    path is the student's, where SRL has it write one step behind the teacher's.
    """
    ours, theirs = (
        list(filter(None, _STEP_ENDS.split(text.strip()))) for text in (student, teacher)
    )
    alike = [
        SequenceMatcher(None, a.split(), b.split(), autojunk=False).ratio()
        for a, b in zip(theirs, ours, strict=False)
    ]
    return sum(alike) / max(len(ours), len(theirs), 1)
