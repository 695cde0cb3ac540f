"""What a reward for other trainers is opened with: the options of `score` and `distill`."""

from dataclasses import dataclass, fields
from typing import Annotated, Any

from rlkd_cli.errors import UsageError
from rlkd_cli.models import Asking
from rlkd_cli.option import REWARD, argument, check_choices, check_limits, option
from rlkd_cli.records.read import Columns, Input
from rlkd_cli.records.schema import StepsOrPath
from rlkd_cli.reward.compared import TeacherPaths
from rlkd_cli.reward.structured import Matching
from rlkd_cli.reward.total import Weighing, Weights


@dataclass(frozen=True, kw_only=True)
class Rewarding(Asking, Columns, TeacherPaths, Weighing, Matching):
    """How rewards are computed; names and defaults are those of `rlkd score` and `rlkd distill`."""

    teacher: Annotated[
        str,
        argument(
            "TEACHER", "The teacher's segmentations (paths too, with --gsrm).", free=True, file="in"
        ),
    ]
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
        """The options of these names; UsageError for a name that is none, or without a teacher."""
        known = {field.name for field in fields(cls)}
        for name in given:
            if name not in known:
                raise UsageError(f"{name}: no such option; one of {', '.join(sorted(known))}")
        if not given.get("teacher"):
            raise UsageError("no teacher: name the file of the teacher's segmentations")
        return cls(**given)
