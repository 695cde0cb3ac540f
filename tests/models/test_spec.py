"""How models are named: addresses in every form, providers, engines."""

from pathlib import Path

import pytest

from rlkd_cli.errors import UsageError
from rlkd_cli.models import HttpOptions, Sampling, open_model, user
from rlkd_cli.models.providers import PROVIDERS, hosted
from rlkd_cli.models.spec import addresses_of, engine_of, is_paid, parse_address, shown
from tests.commands.test_shards import paths
from tests.conftest import write
from tests.models.server.test_endpoint import ask
from tests.servers.scripted import Response


@pytest.mark.parametrize(
    ("spec", "asked", "model"),
    [
        ("http://h:8000/v1#m", "http://h:8000/v1/chat/completions", "m"),
        ("http://h:8000#m", "http://h:8000/v1/chat/completions", "m"),
        ("http://h:8000/", "http://h:8000/v1/chat/completions", ""),
        ("HTTPS://h/v1/chat/completions#a/b", "https://h/v1/chat/completions", "a/b"),
        ("http://h/v1/chat/completions/", "http://h/v1/chat/completions", ""),
        ("localhost:8000/v1#m", "http://localhost:8000/v1/chat/completions", "m"),
        ("10.0.0.7:8000", "http://10.0.0.7:8000/v1/chat/completions", ""),
        ("[::1]:8000/v1#m", "http://[::1]:8000/v1/chat/completions", "m"),
        ("me:word@gpu7:8000/v1#m", "http://gpu7:8000/v1/chat/completions", "m"),
        ("api.example.org/openai/v1#m", "https://api.example.org/openai/v1/chat/completions", "m"),
        (
            "https://r.openai.azure.com/openai/v1#d",
            "https://r.openai.azure.com/openai/v1/chat/completions",
            "d",
        ),
        (
            "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21#d",
            "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
            "d",
        ),
    ],
)
def test_an_address_in_any_form_is_a_server(spec: str, asked: str, model: str) -> None:
    address = parse_address(spec)
    assert engine_of(spec) == "http" and is_paid(spec)
    assert (address.at("/chat/completions"), address.model) == (asked, model)


@pytest.mark.parametrize("spec", ["http://", "https:///v1", "http://me:word@#m", "http://a b/v1#m"])
def test_an_address_has_a_host(spec: str) -> None:
    with pytest.raises(UsageError, match="an address without a host"):
        parse_address(spec)


@pytest.mark.parametrize(
    "spec",
    [
        "http://a#m,http://b#other",
        "http://a,openai/gpt-4o",
        "http://a,ftp://h/v1#m",
        "http://a,#m",
        "http://a,,http://b#m",
        ",http://a#m",
        "openai/gpt-4o,http://a#m",
        "ftp://h/v1#m",
    ],
)
def test_what_is_no_address_is_not_asked(spec: str) -> None:
    for refuse in (engine_of, open_model):
        with pytest.raises(UsageError) as refused:
            refuse(spec)
        assert str(refused.value).startswith(f"{spec}: ")


def test_spaces_around_commas_are_none_of_an_address() -> None:
    assert addresses_of(" http://a , http://b#m") == ["http://a#m", "http://b#m"]
    assert shown("http://a, http://me:word@b#m") == "http://a,http://b#m"
    assert shown("ftp://me:word@b/v1#m") == "ftp://b/v1#m"


@pytest.mark.parametrize(
    "spec",
    [
        "Qwen/Qwen2.5-7B-Instruct",
        "folder/of.mine",
        "./m",
        "/models/m",
        "m",
        "c:model",
        "deepseek-ai/x",
    ],
)
def test_names_and_folders_are_no_addresses(spec: str) -> None:
    assert engine_of(spec) == "any" and shown(spec) == spec


def test_every_provider_is_known_by_its_name() -> None:
    for provider in ("openrouter", "together", "fireworks", "groq", "mistral", "gemini"):
        assert engine_of(f"{provider}/some/model") == provider
        assert PROVIDERS[provider].address.startswith("https://")
    assert engine_of("hf/localhost:80") == "hf" and engine_of("openai/gpt-oss") == "openai"
    assert hosted("openai/gpt-4o").shutdown == "2027-01-14"
    assert hosted("openai/gpt-6-luna").price and hosted("groq/x").price is None


def test_a_password_is_sent_and_not_shown(server) -> None:
    private = server.url.replace("http://", "http://me:word-of-mine@")
    model = open_model(private)
    assert model.name == shown(private) == server.url
    assert ask(private)[0].text


def test_a_dry_run_shows_no_password(rlkd) -> None:
    write(Path("in.jsonl"), paths(3))
    private = "http://me:word-of-mine@h:1/v1,http://h:2/v1#m"
    dry = rlkd("segment", "in.jsonl", "--model", private, "--no-verify", "--dry-run")
    assert dry.status == 0 and "word-of-mine" not in dry.out + dry.err
    assert "calls of http://h:1/v1,http://h:2/v1#m" in dry.out + dry.err


def test_no_secret_of_an_address_is_shown(server) -> None:
    both = "http://a:one@h:1/v1,http://b:two@h:2/v1?api-version=3&api_key=three#m"
    assert shown(both) == "http://h:1/v1,http://h:2/v1?api-version=3&api_key=***#m"
    server.script = lambda request, number: Response(body=b'{"error": "no key=four"}', status=401)
    (found,) = ask(server.url.replace("#m", "?key=four#m"))
    assert "401" in str(found) and "four" not in str(found)


def test_a_provider_is_asked_at_another_address(server, monkeypatch) -> None:
    bare = server.url.partition("#")[0].removesuffix("/v1")
    monkeypatch.setenv("GROQ_BASE_URL", f" {bare}/v1/chat/completions\n")
    monkeypatch.setenv("GROQ_API_KEY", " gsk-of-mine\n")
    server.script = lambda request, number: Response(
        status=401, body=b'{"error": {"message": "wrong: gsk-of-mine"}}'
    )
    error = ask("groq/llama")[0]
    assert "wrong: ***" in str(error) and server.requests[0]["model"] == "llama"


def test_a_recorded_model_wants_as_many_requests_as_before(server, tmp_path, base) -> None:
    recorded = open_model(f"hf/{base}", record=tmp_path / "r.jsonl")
    assert recorded.in_flight == open_model(f"hf/{base}").in_flight
    served = open_model(server.url, HttpOptions(concurrency=7), tmp_path / "s.jsonl")
    assert served.in_flight == 7


def test_sampling_without_stops_keeps_the_keys_of_recorded_replies() -> None:
    from rlkd_cli.models.base import request_key

    assert request_key(user("x"), Sampling()) == request_key(user("x"), Sampling(stop=()))
    assert request_key(user("x"), Sampling()) != request_key(user("x"), Sampling(stop=("y",)))
