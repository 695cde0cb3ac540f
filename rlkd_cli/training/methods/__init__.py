"""The methods of `rlkd distill` by name: RLKD, its baselines and its rivals on one budget (RLKD,
3.2 and 4.1).

A method is a file here with `build(options, records, reward, setting)`, which gives a trainer of
transformers and its tokenizer, and a row of the table.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from rlkd_cli.errors import UsageError
from rlkd_cli.models.spec import addresses_of, engine_of, shown
from rlkd_cli.records.schema import PathRecord, Problem, Record


@dataclass(frozen=True)
class Method:
    """What a method is told apart by.

    `module` is its file; `schema` what it needs of a teacher's record; `rewards`: whether the
    student writes and is rewarded; `writes`: whether it writes and something else grades it;
    `structure`: whether the structured reward is part of that; `needs`: options without which it
    cannot run, by field and flag; `groups`: whether rewards are compared within the completions of
    a problem; `teacher`: whether it asks a teacher's weights, where `--teacher` names them; `data`:
    what it needs, in words.
    """

    summary: str
    module: str
    schema: type[Record] = Problem
    rewards: bool = True
    structure: bool = False
    needs: tuple[tuple[str, str], ...] = ()
    groups: bool = True
    writes: bool = False
    teacher: bool = False
    data: str = ""

    def build(self, options: Any, records: Any, reward: Any, setting: Any) -> tuple[Any, Any]:
        """(trainer, tokenizer); see `methods/grpo.py`."""
        module = import_module(f"rlkd_cli.training.methods.{self.module}")
        return module.build(options, records, reward, setting)  # type: ignore[no-any-return]

    def check(self, options: Any) -> None:
        """UsageError where an option is missing without which the method cannot run."""
        for field, flag in self.needs:
            if getattr(options, field) is None:
                raise UsageError(f"--method {options.method} needs {flag}")
        if options.is_structured and options.gsrm is None:
            raise UsageError(
                f"--method {options.method} needs --gsrm MODEL, which segments the student's paths "
                "(see train-gsrm), or another --reward"
            )
        if options.teacher_asked and engine_of(options.teacher_asked) == "http":
            _check_served(options)
        if options.aggregate == "normalize" and self.rewards and not self.groups:
            raise UsageError(f"--aggregate normalize: {options.method} has no groups")


def _check_served(options: Any) -> None:
    """UsageError for what a server's log-probabilities of single tokens are not enough for."""
    if options.method == "opd":
        raise UsageError(
            "--method opd compares whole distributions, which a server does not give: name the "
            "teacher's weights, or use kdrl"
        )
    if len(addresses_of(options.teacher_asked)) > 1:
        raise UsageError(f"--teacher {shown(options.teacher_asked)}: a teacher has one address")
    if options.temperature != 1:
        raise UsageError(
            f"--temperature {options.temperature:g}: a server gives a teacher's log-probabilities "
            "at temperature 1 only, which the student has to be sampled at too"
        )


_GRADES = ("teacher_model", "--teacher MODEL, which grades the student's tokens")
_WEIGHTS = "a teacher's weights with the student's vocabulary"

METHODS: dict[str, Method] = {
    "rlkd": Method(
        "GRPO, structured and outcome reward (RLKD, 3.2); with --teacher, minus that teacher's KL",
        "rlkd",
        schema=PathRecord,
        structure=True,
        teacher=True,
        data="the teacher's paths, --gsrm (or another --reward), answers if outcomes are to count",
    ),
    "grpo": Method("GRPO, outcome reward alone (RLKD, 4.1)", "grpo", data="answers"),
    "ppo": Method(
        "the same with a critic and GAE (RLKD, 4.1)", "ppo", groups=False, data="answers"
    ),
    "sft": Method(
        "the teacher's paths, imitated (RLKD, 4.1)",
        "sft",
        schema=PathRecord,
        rewards=False,
        data="the teacher's paths",
    ),
    "rlad": Method(
        "GRPO with a ratio anchored at a teacher's weights (RLAD, 2602.22495)",
        "rlad",
        needs=(("teacher_model", "--teacher MODEL, whose log-probabilities anchor the ratio"),),
        teacher=True,
        data=f"{_WEIGHTS}, answers",
    ),
    "kdrl": Method(
        "GRPO minus beta times the KL from a teacher, beta annealed (KDRL, 2506.02208)",
        "kdrl",
        needs=(_GRADES,),
        teacher=True,
        data=f"{_WEIGHTS}, answers",
    ),
    "opd": Method(
        "the student writes, a teacher's probabilities grade every token (GKD, 2306.13649)",
        "opd",
        rewards=False,
        writes=True,
        needs=(_GRADES,),
        teacher=True,
        data=f"{_WEIGHTS}, problems; the teacher's paths with --teacher-share",
    ),
    "self": Method(
        "the student writes, and grades itself having read the teacher's path (OPSD, 2601.18734)",
        "own",
        schema=PathRecord,
        rewards=False,
        writes=True,
        data="the teacher's paths",
    ),
}
