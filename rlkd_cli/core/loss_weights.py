"""Structured Fine-grained Training (RLKD, section 3.1, equation 1): which tokens count when, and
how much.

Epoch 1 trains the M tokens, epoch 2 the Q&A tokens, epoch 3 both, weighted by a and b. a and b
start as the mean losses of epochs 1 and 2. The paper says that they follow "the ratio of the losses
in two sets every alpha training steps" and prints no rule; the reading here is ours: over the last
alpha steps take the mean loss of each set and set a : b to that ratio, with a + b kept, so that the
harder set weighs more.

One more choice of ours: in the mixed phase the weights are divided by (a + b) / 2, so that the size
of the loss, and with it the learning rate, does not depend on how large the losses of the first
epochs happened to be.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rlkd_cli.core.steps import Span

Phase = Literal["meta", "solving", "mixed", "plain"]
META, SOLVING = 0, 1  # the role of a token; -1 is neither (prompt, padding)
END = 2  # the end-of-sequence token: trained in every phase, so that the model learns to stop


def token_roles(offsets: Sequence[tuple[int, int]], spans: Sequence[Span]) -> list[int]:
    """The role of each token of S, from its character offsets; a token that straddles two parts is
    the later one's.

    A token without characters (offset (k, k)) takes the role of its place. Raises ValueError where
    a token lies outside all spans.
    """
    roles: list[int] = []
    for start, end in offsets:
        last = max(start, end - 1)
        owner = next((span.owner for span in spans if span.start <= last < span.end), None)
        if owner is None:
            raise ValueError(f"characters {start}:{end} belong to no part")
        roles.append(META if owner == "meta" else SOLVING)
    return roles


def phase_weights(phase: Phase, a: float, b: float) -> tuple[float, float]:
    """The factors of the mean losses of the M tokens and of the Q&A tokens."""
    if phase == "mixed":
        return 2 * a / (a + b), 2 * b / (a + b)
    return (1.0, 0.0) if phase == "meta" else (0.0, 1.0)


@dataclass
class LossBalance:
    """a and b through the three phases; its state is plain numbers, to go into a checkpoint."""

    alpha: int = 100
    a: float = 1.0
    b: float = 1.0
    initial: dict[str, list[float]] = field(default_factory=lambda: {"meta": [], "solving": []})
    window: list[tuple[float, float]] = field(default_factory=list)
    updated: bool = False  # whether the mixed phase has begun

    def update(self, phase: Phase, loss_meta: float, loss_solving: float) -> None:
        """Takes one optimiser step's mean losses of the two sets (natural log, per token).

        A set that has had no phase of its own starts from its last loss before the mixed one, which
        is scored though it is not trained; where there was no step before, from the first mixed
        loss.
        """
        if phase in ("meta", "solving") or (phase == "mixed" and not self.updated):
            self.a = self.a if self.initial["meta"] else loss_meta
            self.b = self.b if self.initial["solving"] else loss_solving
        if phase == "meta":
            self.initial["meta"].append(loss_meta)
            self.a = _mean(self.initial["meta"])
        elif phase == "solving":
            self.initial["solving"].append(loss_solving)
            self.b = _mean(self.initial["solving"])
        elif phase == "mixed":
            self.updated = True
            self.window.append((loss_meta, loss_solving))
            if len(self.window) == self.alpha:
                self._rebalance()

    def _rebalance(self) -> None:
        meta, solving = (_mean([pair[i] for pair in self.window]) for i in (0, 1))
        total = self.a + self.b
        if meta + solving > 0:
            self.a, self.b = total * meta / (meta + solving), total * solving / (meta + solving)
        self.window.clear()

    def state(self) -> dict[str, Any]:
        return {
            "alpha": self.alpha,
            "a": self.a,
            "b": self.b,
            "initial": self.initial,
            "window": self.window,
            "updated": self.updated,
        }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
