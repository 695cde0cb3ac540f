"""What outputs with a journal share: which records are done, what they cost, a record more."""

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlkd_cli.errors import InputError, RecordError, UsageError
from rlkd_cli.records.done import Done, is_among
from rlkd_cli.records.journal import Journal
from rlkd_cli.records.manifest import Settings
from rlkd_cli.records.read import Input, Item
from rlkd_cli.records.rejects import reject
from rlkd_cli.records.schema import Raw
from rlkd_cli.records.shards import NO_RUN
from rlkd_cli.records.write import Result, Usage


class Journalled(ABC):
    """An output whose finished records go at once into a journal.

    `source` has been scanned, or is a stream. The journal's first line holds the settings, and what
    runs that it continues spent; each further one a record (`r`) or a reject (`x`) by its index
    among all items of the input (`i`), or the codes that are asked again from there on (`again`).
    """

    def __init__(
        self,
        path: Path,
        journal: Path,
        settings: Settings,
        source: Input,
        again: Sequence[str],
    ) -> None:
        self.path, self._settings, self._source = path, dict(settings), source
        self._again, self._started = again, time.monotonic()
        self._journal = Journal(journal)
        self._done = Done(self._journal)
        self.complete = False

    @property
    def usage(self) -> dict[str, list[int]]:
        """What earlier runs spent, by model."""
        return self._done.usage

    @property
    def seconds(self) -> float:
        """How long earlier runs ran."""
        return self._done.seconds

    @property
    def codes(self) -> "Counter[str]":
        """Rejects of earlier runs, by error."""
        return Counter(self._done.lost.values())

    @property
    def rejected(self) -> int:
        return len(self._done.lost)

    @property
    def is_done(self) -> bool:
        """Whether earlier runs have finished every record, so that no model is to be opened."""
        if self._source.is_stream:
            return False
        first, step = self._source.place(0), self._source.place(1) - self._source.place(0)
        return all(self._is_same(place) for place in range(first, self._source.items, step))

    def _is_same(self, place: int) -> bool:
        digest = self._source.digests[place // (self._source.copies or 1)]
        return place in self._done and self._done.digests[place] == digest

    def is_full(self, index: int) -> bool:
        return False

    def has(self, index: int, item: Item) -> bool:
        place = self._source.place(index)
        if place not in self._done:
            return False
        if self._done.digests[place] != item.digest:
            reason = f"is not the record that {self.path} was created with; --overwrite starts over"
            raise InputError(item.where, "", reason)
        return True

    def add(self, index: int, item: Item, result: Result, usage: Usage) -> None:
        entry: Raw = {"i": self._source.place(index), "h": item.digest, "u": usage, "t": self._time}
        if isinstance(result, RecordError):
            entry["x"] = reject(item.raw, result)
        else:
            entry["r"] = result
        self._done.note(entry, self._journal.append(entry))

    @property
    def _time(self) -> float:
        """How long all runs ran until now."""
        return round(self.seconds + time.monotonic() - self._started, 3)

    def bind(self, contents: Settings) -> None:
        """Fingerprints that were not known before the models were opened go into the manifest."""
        self._settings |= {
            name: value for name, value in contents.items() if self._settings.get(name) is None
        }

    def close(self) -> None:
        for journal in self._done.journals:
            journal.close()
        self._journal.close()

    def _continue(self) -> None:
        """Notes where each finished record stands in a journal that an earlier run left."""
        try:
            self._read_journal()
        except (KeyError, TypeError, AttributeError, IndexError):
            raise UsageError(f"{self._journal.path}: {NO_RUN}") from None

    @abstractmethod
    def _read_journal(self) -> None:
        """Notes it; UsageError where it belongs to other settings."""

    @property
    def _input(self) -> Raw:
        """What the output was made from, for its manifest."""
        return {"records": len(self._source.digests), "digest": self._source.fingerprint()}

    @property
    def _known_input(self) -> Raw:
        """The same, where it is known when a run begins."""
        return {} if self._source.is_stream else {"input": self._input}

    def _check_input(self, manifest: Raw) -> None:
        """UsageError where an output was made from other records than the first ones."""
        self._source.hold()
        count, before = len(self._source.digests), manifest["input"]
        is_same_so_far = self._source.fingerprint(before["records"]) == before["digest"]
        source = self._source.source
        if count < before["records"]:
            raise UsageError(
                f"{source} gives {count} records with these options, {self.path} was made from "
                f"{before['records']}; --overwrite starts over"
            )
        if not is_same_so_far:
            raise UsageError(
                f"{source}: its records changed since {self.path} was created; "
                "--overwrite starts over"
            )

    def _is_asked_again(self, manifest: Raw) -> bool:
        return any(is_among(code, self._again) for code in manifest.get("rejects", {}))

    def _is_same_input(self, manifest: Raw) -> bool:
        return bool(self._input == manifest["input"] and manifest["settings"] == self._settings)

    def _check_length(self, is_over: bool = False) -> None:
        """UsageError where the input ends before the journal does; a stream's end is known when it
        is over.
        """
        is_read = not self._source.is_stream or is_over
        if is_read and self._source.items < len(self._done.offsets):
            raise UsageError(
                f"{self._source.source} holds {self._source.items} records, "
                f"{self._journal.path} has finished number {len(self._done.offsets)}: "
                "it was shortened; --overwrite starts over"
            )

    @abstractmethod
    def finish(self, facts: Mapping[str, Any]) -> None: ...
