"""What a journal says of earlier runs: which records are done, where they are, and their cost."""

from array import array
from collections.abc import Sequence

from rlkd_cli.records.schema import Raw

ALL = "all"
INVALID = "invalid_input"  # the reject of an input that is still the same


class Done:
    """Finished records by their index: 16 bytes each, and the error's code for those rejected."""

    def __init__(self) -> None:
        self.offsets, self.digests = array("q"), array("Q")  # -1: not done
        self.lost: dict[int, str] = {}  # rejected records, and why
        self.usage: dict[str, list[int]] = {}
        self.seconds = 0.0

    def note(self, entry: Raw, offset: int) -> None:
        """Where a record stands; one that was asked again stands for what was there before."""
        index = entry["i"]
        while len(self.offsets) <= index:
            self.offsets.append(-1)
            self.digests.append(0)
        self.offsets[index], self.digests[index] = offset, entry["h"]
        self.lost.pop(index, None)
        if "x" in entry:
            self.lost[index] = entry["x"]["error"]

    def drop(self, codes: Sequence[str]) -> None:
        """Takes rejects with these codes for not done."""
        for index in [i for i, code in self.lost.items() if is_among(code, codes)]:
            self.offsets[index] = -1
            del self.lost[index]

    def carry_over(self, entry: Raw) -> None:
        """What an earlier run spent, in requests and in time."""
        self.seconds = max(self.seconds, entry.get("t", 0.0))
        for model, spent in entry.get("u", {}).items():
            so_far = self.usage.get(model, [0] * len(spent))
            self.usage[model] = [a + b for a, b in zip(so_far, spent, strict=True)]


def is_among(code: str, codes: Sequence[str]) -> bool:
    """Whether a reject of this code is to be asked again; an invalid record stays what it is."""
    return code != INVALID and (ALL in codes or code in codes)
