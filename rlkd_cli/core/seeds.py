"""Seeds of single draws, so that a resumed run draws what an uninterrupted one would have drawn."""

import hashlib


def draw_seed(seed: int, identity: str | int, sample: int, attempt: int = 1) -> int:
    """A seed (31 bits) of its own for each attempt at each (id, sample)."""
    text = f"{seed}|{identity!r}|{sample}" + (f"|{attempt}" if attempt > 1 else "")
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1
