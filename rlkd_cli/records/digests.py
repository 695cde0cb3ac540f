"""What tells records from others, in 64 bits each."""

import hashlib
import json
from array import array
from collections.abc import Iterable

from rlkd_cli.records.schema import Raw


def digest(raw: Raw) -> int:
    """64 bits that change when the record changes."""
    text = json.dumps(raw, sort_keys=True, ensure_ascii=True, default=str)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def combined(digests: Iterable[int]) -> str:
    """One digest of several, in order."""
    numbers = digests if isinstance(digests, array) else array("Q", digests)
    return hashlib.blake2b(numbers.tobytes(), digest_size=8).hexdigest()
