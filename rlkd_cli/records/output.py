"""The file of a run: a journal until the last record is in, then the file, whole.

Each finished record goes at once into `OUT.journal`. When all are done the journal is put in order, `OUT`
appears, and `OUT.run.json` keeps the settings and what the run spent. After a `kill -9` the same command
reads the journal and asks only for what is missing. A finished `OUT` whose input grew becomes a journal
again, and the rest is added.
"""

import sys
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rlkd_cli import __version__
from rlkd_cli.errors import InputError, OutputError, RecordError, UsageError
from rlkd_cli.records.atomic import atomic_write, write_json
from rlkd_cli.records.journal import Journal
from rlkd_cli.records.manifest import Settings, check_same, file_digest, load_manifest, manifest_of
from rlkd_cli.records.read import Input, Item
from rlkd_cli.records.schema import Raw, key_of
from rlkd_cli.records.write import (
    OnRecord,
    Out,
    Output,
    Result,
    StreamOutput,
    Usage,
    dumps,
    objects,
    reject,
)


def open_output(
    command: str,
    out: Out,
    settings: Settings,
    source: Input,
    on_record: OnRecord = lambda record: None,
    grows: str | None = None,
    discard: bool = False,
) -> Output:
    """Where a command's records go: a journalled file, or a stream where `-o` names none or a device.

    With `discard` the records are seen by `on_record` alone. UsageError and OutputError: see FileOutput.
    """
    rejects = out.rejects_of(command)
    if out.output in (None, "-"):
        return StreamOutput(None if discard else sys.stdout, rejects, on_record)
    path = Path(str(out.output))
    if path.exists() and not path.is_file():  # /dev/stdout, a pipe
        if path.is_dir():
            raise UsageError(f"{path}: a folder; name a file")
        return StreamOutput(path.open("w", encoding="utf-8"), rejects, on_record)
    return FileOutput(path, rejects, settings, source, on_record, out.overwrite, grows)


class FileOutput:
    """A journal until the last record is in, then the file. `source` has been scanned, unless it is a stream.

    `grows` names a setting (how many copies of each record) that may be larger than in a finished run.
    """

    def __init__(
        self,
        path: Path,
        rejects: Path,
        settings: Settings,
        source: Input,
        on_record: OnRecord = lambda record: None,
        overwrite: bool = False,
        grows: str | None = None,
    ) -> None:
        self.path, self._rejects_file, self._on_record = path, rejects, on_record
        self._settings, self._source, self._grows = dict(settings), source, grows
        self._offsets, self._digests = array("q"), array("Q")
        self.rejected, self.complete = 0, False
        self.usage: dict[
            str, list[int]
        ] = {}  # what runs before this one spent, and what they rejected
        self.codes: Counter[str] = Counter()
        self._journal = Journal(path.with_name(path.name + ".journal"))
        try:
            for file in (path, rejects):
                file.parent.mkdir(parents=True, exist_ok=True)
            self._open(overwrite)
        except OSError as error:
            raise OutputError(f"{error.filename or path}: {error.strerror}") from None

    def _open(self, overwrite: bool) -> None:
        if not overwrite and not self._journal.is_begun and self.path.exists():
            self._open_finished(self._finished())
            return
        self._journal.lock()
        if overwrite or not self._journal.is_begun:
            self._journal.begin({"settings": self._settings})
        else:
            self._continue()

    def _continue(self) -> None:
        """Notes where each finished record stands in a journal that an earlier run left."""
        entries = self._journal.entries()
        header = next(entries)[1]
        check_same(self.path, header["settings"], self._settings)
        for offset, entry in entries:
            self._note(entry["i"], entry["h"], offset)
            self._carry_over(entry)
        if len(self._offsets) < header.get(
            "copied", 0
        ):  # it died while a finished file was taken over
            self._forget()
            self._take_over(self._finished())
        self._check_length()

    def _finished(self) -> Raw:
        """The manifest of a finished file. UsageError where it is not one that this command made, and left so."""
        manifest_file = manifest_of(self.path)
        if not manifest_file.exists():
            raise UsageError(
                f"{self.path} exists and was not made by this command; --overwrite replaces it"
            )
        manifest = load_manifest(manifest_file)
        before, now = manifest["settings"], dict(self._settings)
        if self._grows and before.get(self._grows, 0) < now[self._grows]:
            now[self._grows] = before[self._grows]
        check_same(self.path, before, now)
        is_as_left = manifest["output"] == describe(self.path)
        if not is_as_left:
            raise UsageError(
                f"{self.path} was changed after it was finished; --overwrite starts afresh"
            )
        return manifest

    def _open_finished(self, manifest: Raw) -> None:
        self._source.hold()
        count, before = len(self._source.digests), manifest["input"]
        is_same_so_far = self._source.fingerprint(before["records"]) == before["digest"]
        source = self._source.source
        if count < before["records"]:
            raise UsageError(
                f"{source} holds {count} records, {self.path} was made from {before['records']}; "
                "--overwrite starts afresh"
            )
        if not is_same_so_far:
            raise UsageError(
                f"{source}: its records changed since {self.path} was created; --overwrite starts afresh"
            )
        self.complete = count == before["records"] and manifest["settings"] == self._settings
        self.rejected = manifest["rejected"]
        if not self.complete:
            self._journal.lock()
            self._take_over(manifest)

    def _take_over(self, manifest: Raw) -> None:
        """Makes a journal of the finished file, record by record of the input that has grown since."""
        done = {key_of(record): ("r", record) for record in objects(self.path)}
        if self._rejects_file.exists():
            lost = (r for r in objects(self._rejects_file) if "id" in r and "error" in r)
            done |= {key_of(record): ("x", record) for record in lost}
        kept = [(i, item, done[key_of(item.raw)]) for i, item in self._known(done)]
        self._journal.begin({"settings": self._settings, "copied": kept[-1][0] + 1 if kept else 0})
        usage = {name: list(spent.values()) for name, spent in manifest.get("models", {}).items()}
        self.rejected = 0
        for index, item, (kind, record) in kept:
            entry = {"i": index, "h": item.digest, "u": usage, kind: record}
            self._note(index, item.digest, self._journal.append(entry))
            self._carry_over(entry)
            usage = {}  # what they all cost stands with the first of them

    def _known(self, done: Mapping[Any, Any]) -> Iterator[tuple[int, Item]]:
        for index, item in enumerate(self._source):
            if not item.fault and key_of(item.raw) in done:
                yield index, item

    def _forget(self) -> None:
        self._offsets, self._digests = array("q"), array("Q")
        self.rejected, self.usage, self.codes = 0, {}, Counter()

    def _check_length(self) -> None:
        """UsageError where the input ends before the journal does."""
        items = len(self._source.digests) * (self._source.copies or 1)
        if not self._source.is_stream and items < len(self._offsets):
            raise UsageError(
                f"{self._source.source} holds {items} records, {self._journal.path} has finished "
                f"number {len(self._offsets)}: it was cut; --overwrite starts afresh"
            )

    def _carry_over(self, entry: Raw) -> None:
        for model, spent in entry.get("u", {}).items():
            so_far = self.usage.get(model, [0] * len(spent))
            self.usage[model] = [a + b for a, b in zip(so_far, spent, strict=True)]
        if "x" in entry:
            self.rejected += 1
            self.codes[entry["x"]["error"]] += 1

    def _note(self, index: int, digest: int, offset: int) -> None:
        while len(self._offsets) <= index:
            self._offsets.append(-1)
            self._digests.append(0)
        self._offsets[index], self._digests[index] = offset, digest

    def has(self, index: int, item: Item) -> bool:
        if index >= len(self._offsets) or self._offsets[index] < 0:
            return False
        if self._digests[index] != item.digest:
            reason = (
                f"is not the record that {self.path} was created with; --overwrite starts afresh"
            )
            raise InputError(item.where, "", reason)
        return True

    def is_full(self, index: int) -> bool:
        return False

    def add(self, index: int, item: Item, result: Result, usage: Usage) -> None:
        entry: Raw = {"i": index, "h": item.digest, "u": usage}
        if isinstance(result, RecordError):
            entry["x"] = reject(item.raw, result)
        else:
            entry["r"] = result
        self._note(index, item.digest, self._journal.append(entry))
        self.rejected += "x" in entry

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Puts the journal in order. The files appear whole or not at all, the journal goes last."""
        self._check_length()
        try:
            with atomic_write(self.path) as out, atomic_write(self._rejects_file) as rejects:
                for offset in self._offsets:
                    entry = self._journal.read(offset)
                    if "x" in entry:
                        rejects.write(dumps(entry["x"]) + "\n")
                    else:
                        out.write(dumps(entry["r"]) + "\n")
                        self._on_record(entry["r"])
            if not self.rejected:
                self._rejects_file.unlink()
            write_json(manifest_of(self.path), self._manifest(facts))
            self._journal.remove()
        except OSError as error:
            reason = f"{self.path}: {error.strerror}; nothing is lost: make room, then run it again"
            raise OutputError(reason) from None

    def _manifest(self, facts: Mapping[str, Any]) -> Raw:
        digests = self._source.digests
        return {
            "rlkd": __version__,
            "settings": self._settings,
            "input": {"records": len(digests), "digest": self._source.fingerprint()},
            "output": describe(self.path),
            "records": len(self._offsets),
            "rejected": self.rejected,
            **facts,
        }

    def show(self) -> int:
        """Shows the records of a finished file to `on_record`; how many there are."""
        count = 0
        for count, record in enumerate(objects(self.path), start=1):
            self._on_record(record)
        return count

    def close(self) -> None:
        self._journal.close()


def describe(file: Path) -> dict[str, Any]:
    """What tells a file from one that was changed or cut."""
    return {"bytes": file.stat().st_size, "digest": file_digest(file)}
