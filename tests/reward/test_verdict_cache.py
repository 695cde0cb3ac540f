"""Verdicts on disk."""

from pathlib import Path

import pytest

from rlkd_cli.errors import OutputError, UsageError
from rlkd_cli.reward.verdict_cache import VerdictCache


def test_another_process_reads_what_one_has_written(tmp_path: Path) -> None:
    one, other = (VerdictCache(tmp_path / "new" / "v.sqlite") for _ in range(2))
    assert one.get(b"k") is None and other.get(b"k") is None
    one.put(b"k", 0.0)
    assert other.get(b"k") == 0.0 and other.get(b"l") is None
    one.close()
    other.close()
    assert VerdictCache().get(b"k") is None


def test_a_judge_that_changed_is_refused_until_it_begins_anew(tmp_path: Path) -> None:
    cache = VerdictCache(tmp_path / "v.sqlite")
    cache.check_judge("m", "first")
    cache.check_judge("m", "first")
    cache.check_judge("other", "second")
    with pytest.raises(UsageError, match=r"v\.sqlite holds verdicts of m, which changed"):
        cache.check_judge("m", "second")
    cache.check_judge("m", "second", overwrite=True)
    cache.check_judge("m", "second")
    cache.check_judge("m", None)  # a server says nothing of its weights
    cache.close()


def test_a_file_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("precious " * 100)
    with pytest.raises(OutputError, match=r"notes\.txt: not a verdict cache"):
        VerdictCache(tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "precious " * 100
