from tests.zoo.conftest import zoo  # noqa: F401  # the zoo's models serve these tests too
