"""Options as fields of a dataclass."""

from dataclasses import dataclass
from typing import Annotated

import pytest

from rlkd_cli.errors import UsageError
from rlkd_cli.option import argument, check_choices, fields_of, option, settings_of


@dataclass(frozen=True, kw_only=True)
class Group:
    limit: Annotated[int | None, option("--limit", "-l", help="First records.")] = None
    quiet: Annotated[bool, option("--quiet", help="No progress.", free=True)] = False


@dataclass(frozen=True, kw_only=True)
class Options(Group):
    source: Annotated[str, argument("IN", "Records.")]
    form: Annotated[str, option("--form", help="A form.", choices=("a", "b"))] = "a"
    computed: int = 3  # no option


def test_own_fields_come_first_and_plain_fields_are_no_options() -> None:
    names = [field.flag for field in fields_of(Options)]
    assert names == ["IN", "--form", "--limit", "--quiet"]
    limit = next(field for field in fields_of(Options(source="x")) if field.name == "limit")
    assert limit.default is None and limit.type == int | None


def test_an_output_depends_on_all_that_is_not_free() -> None:
    found = settings_of(Options(source="x", limit=2, quiet=True))
    assert found == {"source": "x", "form": "a", "limit": 2}


def test_a_value_that_is_no_choice_is_named_with_those_that_are() -> None:
    check_choices(Options(source="x", form="b"))
    with pytest.raises(UsageError, match="--form c: one of a, b"):
        check_choices(Options(source="x", form="c"))


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_a_number_is_finite(number: float) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Warm:
        temperature: Annotated[float, option("--temperature", help="Degrees.")] = 1.0

    with pytest.raises(UsageError, match=r"--temperature (inf|nan): not a finite number"):
        check_choices(Warm(temperature=number))
