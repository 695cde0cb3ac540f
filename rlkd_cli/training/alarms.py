"""Alarms: a line, once, when the metrics of a training look like one that goes wrong."""

from collections import deque
from collections.abc import Callable
from typing import Any

WINDOW = 10  # steps that an alarm looks back on
_PARTS = ("structured_reward", "outcome_reward")
_SHARES = {  # by metric: the share of a step's completions from which on something is wrong
    "unsegmentable": (0.5, "in {:.0%} of the completions the GSRM found no steps"),
    "reward_failures": (0.25, "the rewards of {:.0%} of the completions are missing"),
}


class Alarms:
    """Reads every log entry; `tell` gets a line for each thing that is wrong, the first time
    only.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._told = tell, set[str]()
        self._first: dict[str, float] = {}
        self._seen: dict[str, deque[float]] = {}

    def __call__(self, entry: dict[str, Any]) -> None:
        """One entry of metrics.jsonl."""
        values = {k: float(v) for k, v in entry.items() if isinstance(v, int | float)}
        for name, value in values.items():
            self._first.setdefault(name, value)
            self._seen.setdefault(name, deque(maxlen=WINDOW)).append(value)
        step, clipped = entry.get("step"), values.get("completions/clipped_ratio", 0.0)
        length, entropy = values.get("completions/mean_length"), values.get("entropy")
        self._if(clipped > 0.5, "truncation", f"{clipped:.0%} of the replies were cut off", step)
        if length is not None:
            first = self._first["completions/mean_length"]
            said = f"replies are {length:.0f} tokens long, {first:.0f} at first"
            self._if(length > 2 * first > 0, "length", said, step)
        if entropy is not None:
            first = self._first["entropy"]
            said = f"entropy fell from {first:.3g} to {entropy:.3g}"
            self._if(entropy < first / 10, "entropy", said, step)
        equal = values.get("frac_reward_zero_std", 0.0)
        said = f"in {equal:.0%} of the groups all rewards are equal: nothing is learnt from them"
        self._if(equal >= 0.9, "equal rewards", said, step)
        for name, (most, text) in _SHARES.items():
            share = values.get(name, 0.0)
            self._if(share > most, name, text.format(share), step)
        for part in _PARTS:
            seen = self._seen.get(part, deque())
            is_constant = part in values and len(seen) == WINDOW and min(seen) == max(seen)
            self._if(is_constant, part, f"{part} was the same in {WINDOW} steps", step)

    def _if(self, wrong: bool, name: str, text: str, step: Any) -> None:
        if wrong and name not in self._told:
            self._told.add(name)
            self._tell(f"step {step}: {text}")
