"""What a run would ask and cost, from a sample of its records, before anything is asked
(`--dry-run`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlkd_cli.models.spec import model_of, shown, unbatched
from rlkd_cli.models.usage import Bill, Spent, cost
from rlkd_cli.records.schema import Raw

SAMPLE = 200  # records that are looked at; the rest are counted
CHARACTERS = 4.0  # a token's, of a model whose tokenizer is not at hand


@dataclass(frozen=True)
class Call:
    """One request that a record needs.

    Characters of its prompt, tokens of its reply (likely, and at most).
    """

    model: str
    prompt: int
    likely: float
    at_most: int


def estimate(
    records: Iterable[Any], calls_of: Callable[[Raw], list[Call]], price: tuple[float, float] | None
) -> list[tuple[str, str]]:
    """Rows for people: records, calls, tokens, cost.

    `records` are items of an Input, read to their end.

    Tokens are counted by the model's own tokenizer where it is in a folder or in the hub's cache.
    """
    count, seen, calls, texts = 0, 0, list[Call](), list[str]()
    for item in records:
        count += 1
        if seen < SAMPLE and item.fault is None:
            seen += 1
            calls += calls_of(item.raw)
            texts += [str(item.raw.get(name, "")) for name in ("problem", "path")]
    rows = [("records", f"{count:,}")]
    scale = count / seen if seen else 0.0
    likely: Bill = {}
    most: Bill = {}
    for model in dict.fromkeys(call.model for call in calls):
        mine = [call for call in calls if call.model == model]
        length = characters_per_token(model, texts)
        requests = round(len(mine) * scale)
        read = round(sum(call.prompt for call in mine) / length * scale)
        likely[model] = Spent(requests, 0, read, round(sum(call.likely for call in mine) * scale))
        most[model] = Spent(requests, 0, read, round(sum(call.at_most for call in mine) * scale))
        rows += [
            (f"calls of {shown(model)}", f"{requests:,}"),
            ("  tokens read, about", f"{read:,}"),
            ("  tokens written, about", f"{likely[model].tokens_out:,}"),
            ("  tokens written, at most", f"{most[model].tokens_out:,}"),
        ]
    dollars, ceiling = cost(likely, price), cost(most, price)
    known = (
        "not known (--price-in, --price-out)"
        if dollars is None
        else f"${dollars:,.2f}, at most ${ceiling:,.2f}"
    )
    return [*rows, ("cost, about", known)]


def characters_per_token(model: str, texts: Sequence[str]) -> float:
    """How many characters of these texts make a token of the model; 4 where that is not known."""
    file = _tokenizer_file(model_of(unbatched(model)[0]))
    text = "\n".join(texts)
    if file is None or not text.strip():
        return CHARACTERS
    try:
        from tokenizers import Tokenizer

        return len(text) / max(1, len(Tokenizer.from_file(str(file)).encode(text).ids))
    except Exception:  # the library raises bare exceptions on files that it does not know
        return CHARACTERS


def _tokenizer_file(name: str) -> Path | None:
    """A model's tokenizer.json: in its folder, or in the hub's cache."""
    file = Path(name, "tokenizer.json")
    if file.is_file():
        return file
    if name.count("/") != 1 or name.startswith((".", "/")):
        return None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(name, "tokenizer.json")
    except HFValidationError:
        return None
    return Path(cached) if isinstance(cached, str) else None
