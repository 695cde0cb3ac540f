"""How a model is named: `ENGINE/NAME`, `PROVIDER/NAME`, a server's address, or a bare name or
folder.

Several addresses of one model stand with commas between them:
`http://a:8000/v1,http://b:8000/v1#NAME`.

An address may lack its scheme (`localhost:8000#NAME`, `gpu7:8000/v1`), its `/v1`, or end in
`/chat/completions`; the scheme may be in capitals, `user:password@` stand before the host. Azure's
servers are addresses too: `https://RESOURCE.openai.azure.com/openai/v1#DEPLOYMENT`, or in their
older form
`https://RESOURCE.openai.azure.com/openai/deployments/DEPLOYMENT?api-version=DATE#DEPLOYMENT`, with
the key in RLKD_API_KEY.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from rlkd_cli.errors import UsageError
from rlkd_cli.models.providers import PROVIDERS

LOCAL = ("vllm", "hf", "replay")  # engines of this process, and recorded replies
_BATCH = "#batch"
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_HOST_PORT = re.compile(
    r"([\w.-]+@|[\w.-]+:[^@/#\s]*@)?([\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}(?=[/?#]|$)"
)
_HOST = re.compile(r"(localhost|[\w-]+(\.[\w-]+)+)(?=[/#])")
# Between two addresses: a password may hold a comma, but not one before another address
_NEXT = re.compile(
    r",(?=https?://|([^/?#,@\s:]+:[^/?#,@\s]*@)?([\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}([/?#,]|$))",
    re.IGNORECASE,
)
_USER = re.compile(r"(?<=//)[^/?#]*@|^[^/?#]*@|(?<=,)[^/?#,]*@")
_SECRET = re.compile(
    r"(?<=[?&])((?:[\w-]*[-_])?(?:key|token|sig|signature|secret|password|code|apikey)=)([^&#,]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Address:
    """A server: `base` is what `/chat/completions` and `/models` are put behind, `query` what
    follows.

    `model` is the name after #, "" where there is none; `user` is USER:PASSWORD, "" where none is
    given.
    """

    base: str
    model: str = ""
    query: str = ""
    user: str = ""

    def at(self, path: str) -> str:
        return f"{self.base}{path}{'?' if self.query else ''}{self.query}"

    @property
    def secrets(self) -> list[str]:
        """Its password, and the keys in its query."""
        keys = [unquote(found[2]) for found in _SECRET.finditer(f"?{self.query}")]
        return [self.user.partition(":")[2], *keys]


def is_address(spec: str) -> bool:
    """Whether a spec is a server's address, or several, with or without its scheme."""
    spec = _addresses(spec)[0]
    if _SCHEME.match(spec) or _HOST_PORT.match(spec):
        return True
    return "#" in spec and bool(_HOST.match(spec))  # no name on the hub holds a #


def parse_address(spec: str) -> Address:
    """The parts of an address, whatever form it is written in; the spec need not be one of a
    model. UsageError where it names no host."""
    place, _, model = spec.partition("#")
    place, _, query = place.partition("?")
    if scheme := _SCHEME.match(place):
        place = scheme.group().lower() + place[scheme.end() :]
    else:
        plain = bool(_HOST_PORT.match(place)) or place.startswith("localhost")
        place = ("http://" if plain else "https://") + place
    user = found.group()[:-1] if (found := _USER.search(place)) else ""
    base = re.sub(r"/+$", "", _USER.sub("", place, count=1))
    if not re.match(r"https?://[^/:\s]+(?=[:/]|$)", base):
        raise UsageError(f"{shown(spec)}: an address without a host")
    base = re.sub(r"(/chat)?/completions$|/models$", "", base).rstrip("/")
    if "/" not in base.partition("//")[2]:
        base += "/v1"
    return Address(base, model.strip(), query, unquote(user))


def addresses_of(spec: str) -> list[str]:
    """The addresses that a spec names, each with the model's name; one where it names one.

    UsageError where what stands between commas is no address, or more than one name is given.

    >>> addresses_of("http://a/v1,http://b/v1#m")
    ['http://a/v1#m', 'http://b/v1#m']
    """
    own, model = _addresses(spec), spec.partition("#")[2]
    places = [_USER.sub("", one.partition("#")[0].partition("?")[0], count=1) for one in own]
    if any(not place or "," in place for place in places) or "," in model:
        raise UsageError(
            f"{shown(spec)}: several addresses of one model are written "
            "http://HOST:PORT/v1,http://HOST:PORT/v1#NAME, with one NAME at the end"
        )
    return own


def _addresses(spec: str) -> list[str]:
    places, hash_, model = _trimmed(spec).partition("#")
    starts = [0, *(found.end() for found in _NEXT.finditer(places))]
    ends = [*(start - 1 for start in starts[1:]), len(places)]
    own = [places[start:end] for start, end in zip(starts, ends, strict=True)]
    return [f"{place}{hash_}{model}" for place in own]


def _trimmed(spec: str) -> str:
    return re.sub(r"\s*,\s*", ",", spec.strip())


def shown(spec: str) -> str:
    """A spec as it may be printed and written: addresses without user, password and keys.

    >>> shown("http://me:secret@gpu7:8000/v1?key=secret#m")
    'http://gpu7:8000/v1?key=***#m'
    """
    if is_address(spec):
        spec = _trimmed(spec)
    elif "://" not in spec:
        return spec
    return _SECRET.sub(r"\1***", _USER.sub("", spec))


def engine_of(spec: str) -> str:
    """Who answers for a spec: "http", a provider's or an engine's name; "any" for a bare name or
    folder. UsageError for addresses that cannot be right."""
    if is_address(spec):
        addresses_of(spec)
        return "http"
    if "://" in spec:
        raise UsageError(f"{shown(spec)}: a server's address begins with http:// or https://")
    engine, slash, _ = spec.partition("/")
    if slash and engine in (*PROVIDERS, *LOCAL):
        return engine
    return "any"


def model_of(spec: str) -> str:
    """The name or folder without its engine; an address stays as it is."""
    return spec if engine_of(spec) in ("http", "any") else spec.partition("/")[2]


def is_paid(spec: str) -> bool:
    """Whether asking the model may cost money: everything that is not in this process."""
    return engine_of(spec) in (*PROVIDERS, "http")


def batched(spec: str) -> str:
    """What a model is called on a bill when it is asked through the Batch API, which has its own
    price."""
    return spec + _BATCH


def unbatched(name: str) -> tuple[str, bool]:
    """(spec, whether it was asked through the Batch API) of a name on a bill."""
    return name.removesuffix(_BATCH), name.endswith(_BATCH)
