"""What a reward for other trainers is opened with: the options of `score` and `distill`."""

from dataclasses import dataclass
from typing import Annotated, Any

from rlkd_cli.errors import UsageError
from rlkd_cli.models import Asking
from rlkd_cli.option import (
    REWARD,
    Field,
    argument,
    check_choices,
    check_limits,
    fields_of,
    option,
)
from rlkd_cli.records.read import Columns, Input
from rlkd_cli.records.schema import StepsOrPath
from rlkd_cli.reward.chosen import TEACHER_PATHS, ChosenPaths
from rlkd_cli.reward.compared import TeacherPaths
from rlkd_cli.reward.structured import Matching
from rlkd_cli.reward.total import Weighing, Weights


@dataclass(frozen=True, kw_only=True)
class Rewarding(Asking, Columns, ChosenPaths, TeacherPaths, Weighing, Matching):
    """How rewards are computed; names and defaults are those of `rlkd score` and `rlkd distill`;
    where the two differ, those of `rlkd score`.
    """

    teacher: Annotated[
        str,
        argument(
            "TEACHER", "The teacher's segmentations (paths too, with --gsrm).", free=True, file="in"
        ),
    ]
    # All of them, whatever their marks, as `rlkd score` compares; `distill` trains on others
    teacher_paths: Annotated[str, TEACHER_PATHS] = "all"
    deadline: Annotated[
        float,
        option(
            "--deadline",
            min=0.1,
            help="Seconds after which a reward is missing, whatever it waits for (ours).",
            panel=REWARD,
            free=True,
        ),
    ] = 600.0

    def check(self, probabilities: bool = False) -> None:
        """UsageError for values that are not allowed, or do not go together."""
        check_choices(self)
        check_limits(self)
        super().check(probabilities)
        if not any(vars(self.weights).values()):
            raise UsageError("--structure-weight 0 and --outcome-weight 0: nothing is rewarded")
        if self.structure_weight and not self.gsrm:
            raise UsageError("--gsrm is missing: completions come without steps")

    @property
    def weights(self) -> Weights:
        """What each part of the total weighs."""
        return Weights(self.structure_weight, self.outcome_weight, self.format_weight)

    def source(self) -> Input:
        """The teacher's records."""
        return self.whole(self.teacher, StepsOrPath)

    @classmethod
    def of(cls, **given: Any) -> "Rewarding":
        """The options of these names, whose values may be texts, as files and environments have
        them.

        UsageError for a name or a value that is none, and without a teacher.
        """
        known = {field.name: field for field in fields_of(cls)}
        for name in given:
            if name not in known:
                raise UsageError(f"{name}: no such option; one of {', '.join(sorted(known))}")
        if not given.get("teacher"):
            raise UsageError("no teacher: name the file of the teacher's segmentations")
        return cls(**{name: _typed(known[name], value) for name, value in given.items()})


def _typed(field: Field, value: Any) -> Any:
    """A value as the option's own type."""
    from pydantic import TypeAdapter, ValidationError

    if isinstance(value, str) and "list" in str(field.type):
        value = value.split()
    try:
        return TypeAdapter(field.type).validate_python(value)
    except ValidationError as error:
        raise UsageError(f"{field.name}: {value!r}: {error.errors()[0]['msg']}") from None
