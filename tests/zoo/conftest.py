"""The zoo's models, made once a session, on first use."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.zoo.families import make


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's model."""
    folder = tmp_path_factory.mktemp("zoo")

    def of(name: str) -> Path:
        return folder / name if (folder / name).is_dir() else make(name, folder / name)

    return of
