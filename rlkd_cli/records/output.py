"""The file of a run: a journal until the last record is in, then the file, whole.

Each finished record goes at once into `OUT.journal`. When all are done the journal is put in order,
`OUT` appears, and `OUT.run.json` keeps the settings and what the run spent. After a `kill -9` the
same command reads the journal and asks only for what is missing. A finished `OUT` whose input grew,
or whose rejects are to be asked again, becomes a journal again, and the rest is added.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rlkd_cli import __version__
from rlkd_cli.errors import InputError, OutputError, RecordError, UsageError
from rlkd_cli.records.atomic import write_json
from rlkd_cli.records.done import INVALID, Done, is_among
from rlkd_cli.records.forms import check_form, is_stream, objects, written
from rlkd_cli.records.journal import Journal
from rlkd_cli.records.manifest import Settings, check_same, describe, finished, manifest_of
from rlkd_cli.records.read import Input, Item
from rlkd_cli.records.rejects import kept_rejects, place_of, reject, write_rejects
from rlkd_cli.records.schema import Raw, key_of
from rlkd_cli.records.write import OnRecord, Result, Usage

LARGEST = 1 << 32  # no input has so many records: an index beyond is damage


class FileOutput:
    """A journal until the last record is in, then the file.

    `source` has been scanned, or is a stream.

    `grows` names a setting (how many copies of each record) that may be larger than in a finished
    run. `again` are error codes (or `all`) whose rejects are asked again. The journal's first line
    holds the settings, and what runs that it continues spent; each further one a record (`r`) or a
    reject (`x`) by its index (`i`), or the codes that are asked again from there on (`again`).
    """

    def __init__(
        self,
        path: Path,
        rejects: str,
        settings: Settings,
        source: Input,
        on_record: OnRecord = lambda record: None,
        overwrite: bool = False,
        grows: str | None = None,
        again: Sequence[str] = (),
    ) -> None:
        self.path, self._rejects_name, self._on_record = path, rejects, on_record
        self._settings, self._source, self._grows = dict(settings), source, grows
        self._again, self._started = again, time.monotonic()
        self._journal = Journal(path.with_name(path.name + ".journal"))
        self.complete = False
        self._done, self._manifest_before = Done(), dict[str, Any]()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not is_stream(rejects):
                check_form(rejects)
                Path(rejects).parent.mkdir(parents=True, exist_ok=True)
            self._open(overwrite)
        except OSError as error:
            raise OutputError(f"{error.filename or path}: {error.strerror}") from None

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
        if self.complete:
            return Counter(self._manifest_before.get("rejects", {}))
        return Counter(self._done.lost.values())

    @property
    def rejected(self) -> int:
        return int(self._manifest_before["rejected"]) if self.complete else len(self._done.lost)

    def _open(self, overwrite: bool) -> None:
        if not overwrite and not self._journal.is_begun and self.path.exists():
            self._open_finished(finished(self.path, self._settings, self._grows))
            return
        self._journal.lock()
        if overwrite or not self._journal.is_begun:
            self._journal.begin({"settings": self._settings})
        else:
            self._continue()

    def _continue(self) -> None:
        """Notes where each finished record stands in a journal that an earlier run left."""
        try:
            self._read_journal()
        except (KeyError, TypeError, AttributeError, IndexError):
            reason = "holds what no run wrote; remove it, or start over with --overwrite"
            raise UsageError(f"{self._journal.path}: {reason}") from None

    def _read_journal(self) -> None:
        entries = self._journal.entries()
        header = next(entries)[1]
        check_same(self.path, header["settings"], self._settings)
        self._done.carry_over(header)
        asked = set(header.get("again", ()))
        copied = 0
        for offset, entry in entries:
            if "again" in entry:
                asked |= set(entry["again"])
                self._done.drop(entry["again"])
            else:
                copied += 1
                if not 0 <= entry["i"] < LARGEST:
                    raise IndexError(entry["i"])
                self._done.note(entry, offset)
                self._done.carry_over(entry)
        if copied < header.get("copied", 0):
            # it died while a finished file was taken over
            self._done = Done()
            self._take_over(
                finished(self.path, self._settings, self._grows), header.get("again", ())
            )
        elif set(self._again) - asked:
            self._journal.append({"again": list(self._again)})
            self._done.drop(self._again)
        self._check_length()

    def _open_finished(self, manifest: Raw) -> None:
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
        is_same = count == before["records"] and manifest["settings"] == self._settings
        is_asked_again = any(is_among(code, self._again) for code in manifest.get("rejects", {}))
        self.complete = is_same and not is_asked_again and self._are_rejects_there(manifest)
        self._manifest_before = manifest
        if not self.complete:
            self._journal.lock()
            self._take_over(manifest, self._again)

    def _are_rejects_there(self, manifest: Raw) -> bool:
        """Whether the rejects, if any, are where this run wants them; lost ones are asked again."""
        if not manifest.get("rejected") or is_stream(self._rejects_name):
            return True
        file = kept_rejects(manifest, self.path)
        return file is not None and file.resolve() == Path(self._rejects_name).resolve()

    def _take_over(self, manifest: Raw, again: Sequence[str]) -> None:
        """Makes a journal of the finished file, without the rejects that are asked again.

        The file and its rejects are in the input's order, so that they are read along with it.
        """
        file = kept_rejects(manifest, self.path)
        count = sum(1 for _ in objects(self.path)) + sum(1 for _ in _staying(file, again))
        header: Raw = {"settings": self._settings, "copied": count}
        spent = manifest.get("models", {})
        header["u"] = {name: [*numbers.values()] for name, numbers in spent.items()}
        header |= {"t": manifest.get("seconds", 0.0)} | ({"again": list(again)} if again else {})
        self._journal.begin(header)
        self._done.carry_over(header)
        ahead = {"r": objects(self.path), "x": _staying(file, again)}
        nearest = {kind: next(records, None) for kind, records in ahead.items()}
        for index, item in enumerate(self._source):
            for kind, record in nearest.items():
                if record and not item.fault and key_of(record) == key_of(item.raw):
                    entry = {"i": index, "h": item.digest, kind: record}
                    self._done.note(entry, self._journal.append(entry))
                    nearest[kind] = next(ahead[kind], None)
                    break

    def _check_length(self, is_over: bool = False) -> None:
        """UsageError where the input ends before the journal does; a stream's end is known when it
        is over.
        """
        items = len(self._source.digests) * (self._source.copies or 1)
        is_read = not self._source.is_stream or is_over
        if is_read and items < len(self._done.offsets):
            raise UsageError(
                f"{self._source.source} holds {items} records, {self._journal.path} has finished "
                f"number {len(self._done.offsets)}: it was shortened; --overwrite starts over"
            )

    def has(self, index: int, item: Item) -> bool:
        if index >= len(self._done.offsets) or self._done.offsets[index] < 0:
            return False
        if self._done.digests[index] != item.digest:
            reason = f"is not the record that {self.path} was created with; --overwrite starts over"
            raise InputError(item.where, "", reason)
        return True

    def is_full(self, index: int) -> bool:
        return False

    def add(self, index: int, item: Item, result: Result, usage: Usage) -> None:
        seconds = round(self.seconds + time.monotonic() - self._started, 3)
        entry: Raw = {"i": index, "h": item.digest, "u": usage, "t": seconds}
        if isinstance(result, RecordError):
            entry["x"] = reject(item.raw, result)
        else:
            entry["r"] = result
        self._done.note(entry, self._journal.append(entry))

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Puts the journal in order. Files appear whole or not at all, the journal goes last."""
        self._check_length(is_over=True)
        try:
            with written(self.path) as write:
                for index, offset in enumerate(self._done.offsets):
                    if index not in self._done.lost:
                        record = self._journal.read(offset)["r"]
                        write(record)
                        self._on_record(record)
            lost = (self._done.offsets[index] for index in sorted(self._done.lost))
            write_rejects((self._journal.read(offset)["x"] for offset in lost), self._rejects_name)
            write_json(manifest_of(self.path), self._manifest(facts))
            self._journal.remove()
        except OSError as error:
            advice = "nothing is lost: free disk space, then run it again"
            raise OutputError(f"{self.path}: {error.strerror}; {advice}") from None

    def _manifest(self, facts: Mapping[str, Any]) -> Raw:
        digests = self._source.digests
        return {
            "rlkd": __version__,
            "settings": self._settings,
            "input": {"records": len(digests), "digest": self._source.fingerprint()},
            "output": describe(self.path),
            "records": len(self._done.offsets),
            "rejected": self.rejected,
            **(place_of(self._rejects_name, self.path) if self._done.lost else {}),
            **facts,
        }

    def bind(self, contents: Settings) -> None:
        """Fingerprints that were not known before the models were opened go into the manifest."""
        self._settings |= {
            name: value for name, value in contents.items() if self._settings.get(name) is None
        }

    def show(self) -> int:
        """Shows the records of a finished file to `on_record`; how many there are."""
        count = 0
        for count, record in enumerate(objects(self.path), start=1):
            self._on_record(record)
        return count

    def close(self) -> None:
        self._journal.close()


def _staying(file: Path | None, again: Sequence[str]) -> Iterator[Raw]:
    """The rejects of a finished output that stay; invalid records are judged anew."""
    for record in objects(file) if file else ():
        error = record.get("error")
        if error and error != INVALID and not is_among(error, again):
            yield record
