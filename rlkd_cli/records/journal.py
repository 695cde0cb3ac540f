"""The journal of a run: what is finished, from the first record to the file that appears whole.

Each finished record goes at once into `OUT.journal`. When all are done the journal is put in order, `OUT` appears
whole, and `OUT.run.json` keeps the settings and what the run spent. After a `kill -9` the same command reads the
journal and asks only for what is missing.
"""

import fcntl
import hashlib
import json
import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rlkd_cli import __version__
from rlkd_cli.errors import InputError, OutputError, RecordError, UsageError
from rlkd_cli.models.usage import Bill, add
from rlkd_cli.records.read import Item, dumps, reject
from rlkd_cli.records.schema import Raw, key_of

Settings = Mapping[str, Any]
OnRecord = Callable[[Raw], None]


class FileOutput:
    """A journal until the last record is in, then the file."""

    def __init__(self, path: Path, rejects: Path, settings: Settings, overwrite: bool) -> None:
        self.path, self.rejects_file, self.rejected = path, rejects, 0
        self.manifest = path.with_name(path.name + ".run.json")
        self.journal = path.with_name(path.name + ".journal")
        self._settings = json.loads(json.dumps(dict(settings)))
        self._offsets, self._digests = array("q"), array("Q")
        self.bill: Bill = {}  # what an unfinished run before this one spent, and what it rejected
        self.rejects: Counter[str] = Counter()
        self._end, self._broken = 0, False
        self.complete = False  # an earlier run of the same command has finished it
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if overwrite:
                for old in (path, rejects, self.manifest, self.journal):
                    old.unlink(missing_ok=True)
            self._check_finished()
            if not self.complete:
                self._open_journal()
        except OSError as error:
            raise OutputError(f"{error.filename or path}: {error.strerror}") from None

    def _check_finished(self) -> None:
        if not self.path.exists():
            return
        if not self.manifest.exists():
            raise UsageError(
                f"{self.path} exists and was not made by this command; --overwrite replaces it"
            )
        manifest = json.loads(self.manifest.read_text("utf-8"))
        check_same(self.path, manifest["settings"], self._settings)
        self.complete, self.rejected = True, manifest["rejected"]
        self._digests = array("Q", [manifest["input_digest"]])

    def _open_journal(self) -> None:
        self._file = self.journal.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(f"{self.journal}: another run is writing it") from None
        self._file.seek(0)
        first = self._file.readline()
        if first.endswith(b"\n"):
            check_same(self.path, json.loads(first)["settings"], self._settings)
            self._load()
        else:
            self._file.truncate(0)
            self._append(json.dumps({"settings": self._settings}).encode() + b"\n")

    def _load(self) -> None:
        """Notes where each finished record stands; a line that death cut short is dropped."""
        end = self._file.tell()
        for line in iter(self._file.readline, b""):
            if not line.endswith(b"\n"):
                break
            entry = json.loads(line)
            self._note(entry["i"], entry["h"], end)
            self._carry_over(entry)
            end += len(line)
        self._file.truncate(end)
        self._end = end

    def _carry_over(self, entry: Raw) -> None:
        add(self.bill, entry.get("u", {}))
        if "x" in entry:
            self.rejected += 1
            self.rejects[entry["x"]["error"]] += 1

    def _note(self, index: int, digest: int, offset: int) -> None:
        while len(self._offsets) <= index:
            self._offsets.append(-1)
            self._digests.append(0)
        self._offsets[index], self._digests[index] = offset, digest

    def has(self, index: int, item: Item) -> bool:
        if index >= len(self._offsets) or self._offsets[index] < 0:
            return False
        if self._digests[index] != item.digest:
            raise InputError(
                item.where,
                "",
                f"is not the record that {self.path} was begun with; --overwrite starts afresh",
            )
        return True

    def backlog(self, index: int) -> int:
        return 0

    def add(self, index: int, item: Item, result: list[Raw] | RecordError, bill: Bill) -> None:
        entry: Raw = {"i": index, "h": item.digest, "u": bill}
        entry |= (
            {"x": reject(item.raw, result)} if isinstance(result, RecordError) else {"r": result}
        )
        self._note(index, item.digest, self._append(json.dumps(entry).encode() + b"\n"))
        self.rejected += "x" in entry

    def _append(self, line: bytes) -> int:
        """Writes a whole line or nothing, and says where; OutputError where the disk is full, now and ever after."""
        start, reason = self._end, "the disk is full"
        try:
            written = 0 if self._broken else os.write(self._file.fileno(), line)
        except OSError as error:
            written, reason = 0, str(error.strerror)
        if written == len(line):
            self._end += written
            return start
        if not self._broken:
            self._broken = True
            with suppress(OSError):
                os.ftruncate(self._file.fileno(), start)
        raise OutputError(
            f"{self.journal}: {reason}; what is finished is kept: make room, then run it again"
        )

    def same_input(self, digest: int) -> bool:
        """Whether a finished output was made from the input with this digest."""
        return self._digests[0] == digest

    def finish(self, on_record: OnRecord, facts: Settings) -> None:
        """Puts the journal in order. The files appear whole or not at all, the journal goes last."""
        try:
            self._finish(on_record, facts)
        except OSError as error:
            raise OutputError(
                f"{self.path}: {error.strerror}; nothing is lost: make room, then run it again"
            ) from None

    def _finish(self, on_record: OnRecord, facts: Settings) -> None:
        partial, partial_rejects = (
            f.with_name(f.name + ".partial") for f in (self.path, self.rejects_file)
        )
        with (
            partial.open("w", encoding="utf-8") as out,
            partial_rejects.open("w", encoding="utf-8") as rejects,
        ):
            for offset in self._offsets:
                self._file.seek(offset)
                entry = json.loads(self._file.readline())
                for record in entry.get("r", []):
                    out.write(dumps(record) + "\n")
                    on_record(record)
                if "x" in entry:
                    rejects.write(dumps(entry["x"]) + "\n")
            for file in (out, rejects):
                file.flush()
                os.fsync(file.fileno())
        manifest = {
            "rlkd": __version__,
            "settings": self._settings,
            "input_digest": combined(self._digests),
            "records": len(self._offsets),
            "rejected": self.rejected,
            **facts,
        }
        self.manifest.write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
        if self.rejected:
            partial_rejects.replace(self.rejects_file)
        else:
            partial_rejects.unlink()
            self.rejects_file.unlink(missing_ok=True)
        partial.replace(self.path)
        self.journal.unlink()

    def close(self) -> None:
        if not self.complete:
            with suppress(OSError):
                self._file.close()


def check_same(path: Path, before: Settings, now: Settings) -> None:
    """UsageError that names a setting which is not what the file was begun with."""
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if names:
        name = names[0]
        raise UsageError(
            f"{path} was begun with {name} = {before.get(name)!r}, now it is {now.get(name)!r}"
            f"{f' ({len(names)} settings differ)' if len(names) > 1 else ''}; --overwrite starts afresh"
        )


def reopen(
    path: Path, rejects: Path, settings: Settings, grows: str, items: Iterable[Item]
) -> None:
    """Makes a journal of a finished output whose setting `grows` was smaller, so that a run adds what is missing.

    Nothing happens where there is no such output. What was rejected is asked for again.
    """
    manifest_file = path.with_name(path.name + ".run.json")
    if not (path.exists() and manifest_file.exists()):
        return
    manifest = json.loads(manifest_file.read_text("utf-8"))
    wanted = json.loads(json.dumps(dict(settings)))
    before = manifest["settings"]
    if {**before, grows: 0} != {**wanted, grows: 0} or before[grows] >= wanted[grows]:
        return
    records = {key_of(record): record for record in map(json.loads, path.open("rb"))}
    journal = path.with_name(path.name + ".journal")
    bill: Any = manifest.get("models", {})  # what they cost goes to the first of them
    with journal.open("w", encoding="utf-8") as out:
        out.write(json.dumps({"settings": wanted}) + "\n")
        for index, item in enumerate(items):
            record = None if item.fault else records.get(key_of(item.raw))
            if record is not None:
                spent = {model: list(counts.values()) for model, counts in bill.items()}
                out.write(
                    json.dumps({"i": index, "h": item.digest, "u": spent, "r": [record]}) + "\n"
                )
                bill = {}
        out.flush()
        os.fsync(out.fileno())
    for old in (path, manifest_file, rejects):
        old.unlink(missing_ok=True)


def combined(digests: Iterable[int]) -> int:
    """One digest of all records' digests, in order."""
    digests = digests if isinstance(digests, array) else array("Q", digests)
    return int.from_bytes(hashlib.blake2b(digests.tobytes(), digest_size=8).digest(), "big")
