"""What `distill` is told of a teacher's weights, free of torch."""

from dataclasses import dataclass
from typing import Annotated

from rlkd_cli.option import MODEL, TRAINING, fields_of, option

_WEIGHTED = {"teacher_model", "teacher_weight", "teacher_weight_end"}
_USED = {
    "rlkd": _WEIGHTED,
    "kdrl": _WEIGHTED,
    "rlad": {"teacher_model", "trrd_alpha"},
    "opd": {"teacher_model", "divergence", "teacher_share"},
    "self": {"divergence"},
}


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """Which teacher's probabilities are used, and how."""

    teacher_model: Annotated[
        str | None,
        option(
            "--teacher",
            metavar="MODEL",
            help="rlad, kdrl, opd, rlkd: whose log-probabilities grade the student's tokens; "
            "weights, or (not opd) a vLLM server's address.",
            panel=MODEL,
        ),
    ] = None
    teacher_weight: Annotated[
        float,
        option(
            "--teacher-weight",
            min=0,
            help="kdrl, rlkd: beta, the weight of the teacher's KL, at first (KDRL: 5e-3).",
            panel=TRAINING,
        ),
    ] = 5e-3
    teacher_weight_end: Annotated[
        float,
        option(
            "--teacher-weight-end",
            min=0,
            help="kdrl, rlkd: what beta falls to, linearly, by the last step (KDRL: 1e-3).",
            panel=TRAINING,
        ),
    ] = 1e-3
    divergence: Annotated[
        str,
        option(
            "--divergence",
            help="opd, self: KL of the student from the teacher (reverse), of the teacher from the "
            "student (forward), or half and half through their mean (jsd).",
            choices=("forward", "reverse", "jsd"),
            panel=TRAINING,
        ),
    ] = "reverse"
    teacher_share: Annotated[
        float,
        option(
            "--teacher-share",
            min=0,
            max=1,
            help="opd: share of the steps that learn from the teacher's paths instead of the "
            "student's own (GKD: 1 - lambda).",
            panel=TRAINING,
        ),
    ] = 0.0
    trrd_alpha: Annotated[
        float,
        option("--trrd-alpha", min=0, max=1, help="rlad: 1 is GRPO (RLAD: 0.5).", panel=TRAINING),
    ] = 0.5
    method: str  # which of these have an effect

    @property
    def unused(self) -> set[str]:
        """Options without effect beside the method."""
        used = _USED.get(self.method, set())
        if self.method == "rlkd" and self.teacher_model is None:
            used = {"teacher_model"}
        return {field.name for field in fields_of(Teaching)} - used
