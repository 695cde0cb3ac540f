"""Every JSONL record as a pydantic model.

The models check; they do not carry. A command keeps the record as the dictionary that it read, so
that fields which it does not know pass through unchanged and in place, and adds its own to it.
"""

from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rlkd_cli.errors import InputError

Raw = dict[str, Any]
Key = tuple[str | int, int]
T = TypeVar("T", bound="Record")


class Record(BaseModel):
    """Strict (no string is taken for a number) and open (unknown fields are no error)."""

    model_config = ConfigDict(strict=True, extra="allow")

    numbered: ClassVar[bool] = False  # a record without an id may have its row's number for one


class Step(BaseModel):
    """One (meta-reasoning, sub-problem, answer) triple: M, Q and A in the paper."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    meta_reasoning: str
    sub_problem: str
    answer: str


class Problem(Record):
    numbered = True

    id: Annotated[str | int, Field(description="string or integer")]
    problem: str
    answer: str | int | float | None = None
    domain: Literal["math", "code", "science", "puzzle"] = "math"


class PathRecord(Problem):
    path: str
    sample: int = Field(default=0, ge=0)
    finish_reason: Literal["stop", "length"] | None = None
    model: str | None = None


class Segmentation(PathRecord):
    steps: list[Step]


class Steps(Record):
    """The least that `score` and `diversity` need of a segmentation."""

    id: str | int
    sample: int = Field(default=0, ge=0)
    steps: list[Step] = Field(min_length=1)


class StepsOrPath(Record):
    """A segmentation, or a path that a GSRM will turn into one."""

    id: str | int
    sample: int = Field(default=0, ge=0)
    steps: Annotated[list[Step], Field(min_length=1)] | None = None
    path: str | None = None

    @model_validator(mode="after")
    def one_of_them(self) -> "StepsOrPath":
        if self.steps is None and self.path is None:
            raise ValueError("neither steps nor path")
        return self


class GradedSample(PathRecord):
    """A path whose problem has a reference answer."""

    answer: str | int | float


class GradedPath(Record):
    """What `eval` writes, as far as its other readings need it."""

    id: str | int
    sample: int = Field(default=0, ge=0)
    correct: bool
    verdict: str = "correct"
    prediction: str | None = None


class Task(Problem):
    """A problem with a reference answer: a line of a benchmark."""

    answer: str | int | float


def check(model: type[T], raw: Raw, where: str) -> T:
    """`raw` as a `model`; InputError names place, field and reason of the first fault."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        faults = [(_place(fault["loc"]), fault["msg"]) for fault in error.errors()]
        place = faults[0][0]
        raise InputError(where, place, _reason([msg for p, msg in faults if p == place])) from None


def _place(location: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in location if part not in ("str", "int", "float"))


def _reason(messages: list[str]) -> str:
    """What is wrong with a field; of a field with several types, all that it may be."""
    before = "Input should be a valid "
    kinds = [message.removeprefix(before) for message in messages]
    is_kind = all(message.startswith(before) for message in messages)
    return before + " or ".join(kinds) if is_kind else messages[0].removeprefix("Value error, ")


def key_of(raw: Raw) -> Key:
    """(id, sample), which names a path."""
    return raw["id"], raw.get("sample") or 0


# What is said of a path and not of its problem
OF_PATH = (
    *("path", "sample", "finish_reason", "model", "tokens", "thinking_tokens"),
    *("steps", "segmenter", "attempts", "verified", "prediction", "correct", "verdict"),
)
OPTIONAL = (*OF_PATH, "id", "answer", "domain")  # where null is as if the field were not there
OF_REJECT = ("error", "detail", "reply")  # why an earlier run could not do a record


def settled(raw: Raw, of_problem: bool = False) -> Raw:
    """A record without nulls in optional fields, and without the reasons of a run that rejected it.

    With `of_problem` also without what belongs to a path of the problem.
    """
    was_rejected = isinstance(raw.get("error"), str) and isinstance(raw.get("detail"), str)
    left_out = {name for name in OPTIONAL if raw.get(name, "") is None}
    left_out |= {*OF_REJECT} if was_rejected else set()
    left_out |= {*OF_PATH} if of_problem else set()
    return {name: value for name, value in raw.items() if name not in left_out}
