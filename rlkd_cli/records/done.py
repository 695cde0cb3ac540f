"""What journals say of earlier runs: which records are done, where they are, and their cost."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from rlkd_cli.records.journal import Journal
from rlkd_cli.records.schema import Raw

ALL = "all"
INVALID = "invalid_input"  # the reject of an input that is still the same
LARGEST = 1 << 32  # no input has so many records: an index beyond is damage
Mine = Callable[[int], bool]  # whether a record's index is wanted


def every(index: int) -> bool:
    """Every record is wanted."""
    return True


class Done:
    """Finished records by their index: 18 bytes each, and the error's code for those rejected.

    They stand in a run's own journal and in the journals of `parts`.
    """

    def __init__(self, own: Journal) -> None:
        self.journals = [own]
        self.offsets, self.digests, self._files = array("q"), array("Q"), array("H")  # -1: not done
        self.lost: dict[int, str] = {}  # rejected records, and why
        self.bills: list[dict[str, list[int]]] = [{}]  # by journal, and on it by model
        self.seconds = 0.0
        self.nodes: Counter[str] = Counter()  # seconds that parts ran on each machine

    def __contains__(self, index: int) -> bool:
        return index < len(self.offsets) and self.offsets[index] >= 0

    def note(self, entry: Raw, offset: int, journal: int = 0) -> None:
        """Where a record stands; one that was asked again stands for the reject that was before.

        `journal` is the number of its journal. IndexError for what is no index.
        """
        index = entry["i"]
        if not 0 <= index < LARGEST:
            raise IndexError(index)
        if "x" in entry and index in self and index not in self.lost:
            return  # of two journals, the one in which it succeeded
        while len(self.offsets) <= index:
            self.offsets.append(-1)
            self.digests.append(0)
            self._files.append(0)
        self.offsets[index], self.digests[index] = offset, entry["h"]
        self._files[index] = journal
        self.lost.pop(index, None)
        if "x" in entry:
            self.lost[index] = entry["x"]["error"]

    def entry(self, index: int) -> Raw:
        """What the journal holds of a finished record."""
        return self.journals[self._files[index]].read(self.offsets[index])

    def records(self) -> Iterator[Raw]:
        """The finished records, in order."""
        for index, offset in enumerate(self.offsets):
            if offset >= 0 and index not in self.lost:
                yield self.entry(index)["r"]

    def rejects(self) -> Iterator[Raw]:
        """The rejects, in order."""
        for index in sorted(self.lost):
            yield self.entry(index)["x"]

    def drop(self, codes: Sequence[str], is_mine: Mine = every) -> None:
        """Takes rejects with these codes for not done."""
        for index in [i for i, code in self.lost.items() if is_among(code, codes) and is_mine(i)]:
            self.offsets[index] = -1
            del self.lost[index]

    def carry_over(self, entry: Raw, journal: int = 0) -> None:
        """What an earlier run spent, in requests and in time."""
        self.seconds = max(self.seconds, entry.get("t", 0.0))
        add_up(self.bills[journal], entry.get("u", {}))
        self.nodes.update(entry.get("nodes", {}))

    @property
    def usage(self) -> dict[str, list[int]]:
        """What all runs spent, by model."""
        return add_up({}, *self.bills)

    def absorb(
        self, journal: Journal, is_mine: Mine = every, is_billed: bool = True
    ) -> tuple[Raw, Raw | None]:
        """Adds what another journal holds of the records that are wanted, and what it cost.

        Its header, and its last entry where that says that it is finished.
        """
        number, node, before = len(self.journals), "", 0.0
        header: Raw = {}
        last: Raw | None = None
        self.journals.append(journal)
        self.bills.append({})
        for offset, entry in journal.entries():
            header, node = header or entry, entry.get("node", node)
            last = end_after(entry, last)
            if "again" in entry and entry is not header:
                self.drop(entry["again"], is_mine)
            if "i" in entry and is_mine(entry["i"]):
                self.note(entry, offset, number)
            if is_billed:
                self.carry_over(entry, number)
                now = entry.get("t", before)
                self.nodes.update({node: now - before} if node else {})
                before = now
        return header, last


def add_up(bill: dict[str, list[int]], *more: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """A bill with what stands on others, number by number."""
    for model, spent in (row for other in more for row in other.items()):
        so_far = bill.get(model, [0] * len(spent))
        bill[model] = [a + b for a, b in zip(so_far, spent, strict=True)]
    return bill


def end_after(entry: Raw, before: Raw | None) -> Raw | None:
    """What a part says of its end after this entry; work that follows makes it void."""
    return None if "i" in entry or "again" in entry else entry.get("end", before)


def is_among(code: str, codes: Sequence[str]) -> bool:
    """Whether a reject of this code is to be asked again; an invalid record stays what it is."""
    return code != INVALID and (ALL in codes or code in codes)
