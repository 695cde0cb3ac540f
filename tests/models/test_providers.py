"""The table of providers: addresses, keys, prices."""

import pytest

from rlkd_cli.errors import UsageError
from rlkd_cli.models.masks import hide_keys
from rlkd_cli.models.providers import PROVIDERS, address_of, hosted, key_of


def test_an_address_in_the_environment_goes_before_the_table(monkeypatch) -> None:
    monkeypatch.delenv("GROQ_BASE_URL", raising=False)
    assert address_of("groq") == PROVIDERS["groq"].address
    monkeypatch.setenv("GROQ_BASE_URL", " http://h:1/v1\n")
    assert address_of("groq") == "http://h:1/v1"


def test_a_key_is_stripped_and_hidden_from_then_on(monkeypatch) -> None:
    monkeypatch.setenv("XAI_API_KEY", " xai-of-mine\n")
    assert key_of("xai", "xai/m") == "xai-of-mine"
    monkeypatch.delenv("XAI_API_KEY")
    assert hide_keys("wrong key xai-of-mine!") == "wrong key ***!"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "xai/m needs a key in XAI_API_KEY"),
        ("a\nb", "XAI_API_KEY contains characters"),
        ("ключ", "XAI_API_KEY contains characters"),
    ],
)
def test_a_key_that_is_none(monkeypatch, key: str, said: str) -> None:
    monkeypatch.setenv("XAI_API_KEY", key)
    with pytest.raises(UsageError, match=said):
        key_of("xai", "xai/m")


def test_retired_names_have_successors_that_are_in_the_table() -> None:
    models = [(name, row) for name, p in PROVIDERS.items() for row in p.models.values()]
    retired = [(name, row) for name, row in models if row.successor]
    assert retired and all(row.successor in PROVIDERS[name].models for name, row in retired)
    assert hosted("deepseek/deepseek-reasoner").extra == {"thinking": {"type": "enabled"}}
    assert all(row.price[0] <= row.price[1] for _, row in models if row.price)


def test_an_unknown_model_has_an_empty_row() -> None:
    for spec in ("openai/not-listed", "nobody/x", "hf/x"):
        assert hosted(spec).price is None and hosted(spec).context is None
