"""The methods of `rlkd distill` by name: RLKD and its baselines on one budget (RLKD, 3.2 and 4.1;
RLAD, 2602.22495).

A method is a file here with `build(options, records, reward, setting)`, which gives a trainer of
transformers and its tokenizer, and a row of the table.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from rlkd_cli.errors import UsageError
from rlkd_cli.records.schema import PathRecord, Problem, Record


@dataclass(frozen=True)
class Method:
    """What a method is told apart by.

    `module` is its file; `schema` what it needs of a teacher's record; `rewards`: whether the
    student writes and is rewarded; `structure`: whether the structured reward is part of that;
    `needs`: options without which it cannot run, by field and flag; `groups`: whether rewards are
    compared within the completions of a problem.
    """

    summary: str
    module: str
    schema: type[Record] = Problem
    rewards: bool = True
    structure: bool = False
    needs: tuple[tuple[str, str], ...] = ()
    groups: bool = True

    def build(self, options: Any, records: Any, reward: Any, setting: Any) -> tuple[Any, Any]:
        """(trainer, tokenizer); see `methods/grpo.py`."""
        module = import_module(f"rlkd_cli.training.methods.{self.module}")
        return module.build(options, records, reward, setting)  # type: ignore[no-any-return]

    def check(self, options: Any) -> None:
        """UsageError where an option is missing without which the method cannot run."""
        for field, flag in self.needs:
            if getattr(options, field) is None:
                raise UsageError(f"--method {options.method} needs {flag}")
        if options.aggregate == "normalize" and self.rewards and not self.groups:
            raise UsageError(f"--aggregate normalize: {options.method} has no groups")


METHODS: dict[str, Method] = {
    "rlkd": Method(
        "GRPO, structured and outcome reward (RLKD, 3.2)",
        "grpo",
        schema=PathRecord,
        structure=True,
        needs=(("gsrm", "--gsrm MODEL, which segments the student's paths (see train-gsrm)"),),
    ),
    "grpo": Method("outcome reward alone (4.1)", "grpo"),
    "ppo": Method("the same with a critic and GAE (4.1)", "ppo", groups=False),
    "sft": Method("the teacher's paths, imitated (4.1)", "sft", schema=PathRecord, rewards=False),
    "rlad": Method(
        "GRPO with a ratio anchored at a teacher's weights (RLAD)",
        "rlad",
        needs=(("teacher_model", "--teacher MODEL, whose log-probabilities anchor the ratio"),),
    ),
}
