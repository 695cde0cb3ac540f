"""The teacher's records as a reward looks them up: by id, by a label that holds one, by problem."""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rlkd_cli.errors import InputError, RecordError
from rlkd_cli.records.read import Item
from rlkd_cli.records.schema import Raw
from rlkd_cli.reward.chosen import chosen_paths
from rlkd_cli.reward.rewarding import Rewarding

KEPT = ("id", "problem", "domain", "answer", "sample", "steps", "path")  # of a teacher's record
Id = str | int


@dataclass
class Entry:
    """One problem: its teacher's paths, in the order of the file, and why others were left out."""

    rows: list[Raw] = field(default_factory=list)
    left_out: str | None = None

    @property
    def record(self) -> Raw:
        """What is the same for all of its paths."""
        return self.rows[0] if self.rows else {}


class Teacher:
    """The teacher's records, checked; InputError for a text that stands for two problems."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._entries: dict[Id, Entry] = {}
        self._texts: dict[bytes, tuple[Id, str]] = {}  # id and place, by the problem's digest
        self._names: dict[str, Id | None] = {}  # the id by how it is written; None for two
        self._same: list[tuple[Id, Id, Item]] = []  # ids of one text, and where the second is
        for item in items:
            self._add(item)
        self._check_same()
        self._same.clear()

    @classmethod
    def read(cls, options: Rewarding) -> "Teacher":
        """The records of the options' file. InputError where one cannot be used as they say,
        UsageError where none is left.
        """
        source = options.source()
        source.hold()
        items = list(map(_usable, source) if options.gsrm is None else source)
        raws = [item.raw for item in items if not item.fault]
        if not raws:
            raise InputError(options.teacher, "", "holds no record to compare with")
        kept = {id(raw) for raw in chosen_paths(raws, options.teacher_paths)}
        return cls(item for item in items if item.fault or id(item.raw) in kept)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, id: Any = None, problem: str | None = None, label: Any = None) -> Entry:
        """The entry of an id or of a label that is a JSON object with an `id`, else of a problem.

        RecordError where there is none, where the id and the problem are of two, or where none of
        its paths could be read.
        """
        name = id if id is not None else id_of(label)
        known = None if problem is None else self._texts.get(digest(problem))
        named, asked = self._by_name(name), self._entries[known[0]] if known else None
        if named and asked and _content(named.record) != _content(asked.record):
            other = asked.record["id"]
            reason = f"the id {name!r} is not the problem's, whose id is {other!r} at the teacher"
            raise RecordError("other_problem", reason)
        entry = named or asked
        if entry is None:
            raise RecordError("no_teacher", self._unknown(name, problem))
        if not entry.rows:
            reason = f"the teacher's row of id {name!r} could not be used: {entry.left_out}"
            raise RecordError("teacher_unusable", reason)
        return entry

    def _by_name(self, name: Any) -> Entry | None:
        if not isinstance(name, str | int) or isinstance(name, bool):
            name = _plain(name)
        if name is None:
            return None
        if name in self._entries:
            return self._entries[name]
        known = self._names.get(str(name))
        return None if known is None else self._entries[known]

    def _unknown(self, name: Any, problem: str | None) -> str:
        if name is not None:
            return f"the teacher's file has no steps for id {name!r}"
        if problem is not None:
            return f"the teacher's file has no steps for the problem {problem[:80]!r}"
        return "neither an id nor a problem is given"

    def _add(self, item: Item) -> None:
        name = item.raw.get("id")
        if not isinstance(name, str | int):
            return
        entry = self._entries.setdefault(name, Entry())
        written = str(name)
        self._names[written] = name if self._names.get(written, name) == name else None
        if item.fault:
            entry.left_out = str(item.fault)
            return
        unread = "path" if item.raw.get("steps") else "steps"
        entry.rows.append({k: item.raw[k] for k in KEPT if k in item.raw and k != unread})
        self._note(entry, name, item)

    def _note(self, entry: Entry, name: Id, item: Item) -> None:
        """The problem's text as a name; two problems of one text are one where nothing differs."""
        text, first = item.raw.get("problem"), entry.record.get("problem")
        if not isinstance(text, str) or not text.strip():
            return
        if isinstance(first, str) and digest(first) != digest(text):
            raise InputError(item.where, "problem", f"another than the first of id {name!r}")
        other, _ = self._texts.setdefault(digest(text), (name, item.where))
        if other != name:
            self._same.append((other, name, item))

    def _check_same(self) -> None:
        """InputError where two ids of one text differ in any of their rows."""
        for other, name, item in self._same:
            ours, theirs = (list(map(_content, self._entries[i].rows)) for i in (name, other))
            if ours != theirs:
                where = self._texts[digest(item.raw["problem"])][1]
                said = f"ids {other!r} ({where}) and {name!r} are other records of the same problem"
                raise InputError(item.where, "problem", f"{said}; leave one of them out")


def _usable(item: Item) -> Item:
    """A record with steps, or one that is left out anyhow; InputError for a path alone."""
    if not item.fault and not item.raw.get("steps"):
        reason = "missing: the record is a path without steps; --gsrm MODEL segments it"
        raise InputError(item.where, "steps", reason)
    return item


def _content(row: Raw) -> Raw:
    return {name: value for name, value in row.items() if name not in ("id", "sample")}


def _plain(name: Any) -> Any:
    """A number of numpy's or of torch's as Python's own."""
    return name.item() if hasattr(name, "item") else None


def id_of(label: Any) -> Any:
    """The `id` of a label that is a JSON object, or such an object; None for any other label."""
    if isinstance(label, str) and label.lstrip().startswith("{"):
        try:
            label = json.loads(label)
        except (ValueError, RecursionError):
            return None
    return label.get("id") if isinstance(label, Mapping) else None


def digest(problem: str) -> bytes:
    """What names a problem's text, whatever its spacing and how its letters are composed."""
    text = " ".join(unicodedata.normalize("NFC", problem).split())
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
