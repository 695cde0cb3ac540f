"""The file of a run: a journal until the last record is in, then the file, whole.

Each finished record goes at once into `OUT.journal`. When all are done the journal is put in order,
`OUT` appears, and `OUT.run.json` keeps the settings and what the run spent. After a `kill -9` the
same command reads the journal and asks only for what is missing. A finished `OUT` whose input grew,
or whose rejects are to be asked again, becomes a journal again, and the rest is added. What slices
of the input have left in `OUT.shards/` (`parts`) is finished as well.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rlkd_cli.errors import OutputError, RlkdError
from rlkd_cli.records import shards
from rlkd_cli.records.done import INVALID, Done, add_up, is_among
from rlkd_cli.records.forms import is_stream, objects
from rlkd_cli.records.journalled import Journalled
from rlkd_cli.records.manifest import Settings, check_same, finished
from rlkd_cli.records.read import Input
from rlkd_cli.records.rejects import kept_rejects
from rlkd_cli.records.schema import Raw, key_of
from rlkd_cli.records.whole import check_rejects_name, journal_of, settle, write_whole
from rlkd_cli.records.write import OnRecord


class FileOutput(Journalled):
    """A journal until the last record is in, then the file.

    `grows` names a setting (how many copies of each record) that may be larger than in a finished
    run. `again` are error codes (or `all`) whose rejects are asked again; with `by_parts` it is
    slices that ask them, into journals of their own. OutputError where the file cannot be written,
    or another run writes it.
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
        by_parts: bool = False,
    ) -> None:
        super().__init__(path, journal_of(path), settings, source, again)
        self._rejects_name, self._on_record, self._grows = rejects, on_record, grows
        self._by_parts = by_parts
        self._asked = set[str]()  # codes that the journal's records were asked again for
        self._manifest_before = dict[str, Any]()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            check_rejects_name(rejects)
            settle(path)
            self._open(overwrite)
        except OSError as error:
            raise OutputError(f"{error.filename or path}: {error.strerror}") from None
        except RlkdError:
            self._journal.leave()  # what is refused changes nothing
            raise

    @property
    def codes(self) -> "Counter[str]":
        """Rejects of earlier runs, by error."""
        return Counter(self._manifest_before.get("rejects", {})) if self.complete else super().codes

    @property
    def rejected(self) -> int:
        return int(self._manifest_before["rejected"]) if self.complete else super().rejected

    def _open(self, overwrite: bool) -> None:
        parts = shards.found(self.path)
        if not overwrite:
            shards.check(self.path, self._settings)
        is_begun = self._journal.is_begun and not overwrite
        if not overwrite and not is_begun and self.path.exists():
            before = finished(self.path, self._settings, self._grows)
            if self._open_finished(before, bool(parts)):
                return
        else:
            self._journal.lock()
            is_begun = is_begun and not self._journal.is_blank
            if is_begun:
                self._continue()
            else:
                self._journal.begin({"settings": self._settings} | self._known_input)
        if overwrite:
            shards.discard(self.path)
        else:
            self._absorb(parts)
        if is_begun or parts:
            self._ask_again()
        self._check_length()

    def _absorb(self, parts: Sequence[shards.Shard]) -> None:
        """Adds what parts have finished; nobody may be writing them meanwhile."""
        # tasks of a launch that was killed end soon after it
        patience = shards.PATIENCE if self._by_parts else 0.0
        shards.absorb(self._done, parts, self._settings, patience)

    def read_anew(self) -> None:
        """Looks again at what is done, after slices have run."""
        self._done = Done(self._journal)
        self._continue()
        self._absorb(shards.found(self.path))
        self._check_length()

    @property
    def count(self) -> int:
        """How many records are done."""
        return sum(offset >= 0 for offset in self._done.offsets)

    def usage_beside(self, count: int) -> dict[str, list[int]]:
        """What was spent by all but the parts of so many slices."""
        own = {shard.journal for shard in shards.found(self.path) if shard.count == count}
        pairs = zip(self._done.journals, self._done.bills, strict=True)
        return add_up({}, *(bill for journal, bill in pairs if journal.path not in own))

    def release(self) -> None:
        """Lets slices write their parts; the output itself stays this run's."""
        for journal in self._done.journals[1:]:
            journal.close()

    def _read_journal(self) -> None:
        entries = self._journal.entries()
        header = next(entries)[1]
        check_same(self.path, header["settings"], self._settings)
        if "input" in header and not self._source.is_stream:
            self._check_input(header)
        self._done.carry_over(header)
        self._asked = set(header.get("again", ()))
        copied = 0
        for offset, entry in entries:
            if "again" in entry:
                self._asked |= set(entry["again"])
                self._done.drop(entry["again"])
            else:
                copied += 1
                self._done.note(entry, offset)
                self._done.carry_over(entry)
        if copied < header.get("copied", 0):
            # it died while a finished file was taken over
            self._done = Done(self._journal)
            self._take_over(
                finished(self.path, self._settings, self._grows), header.get("again", ())
            )

    def _ask_again(self) -> None:
        """Takes rejects for not done, once; slices do that in their own journals."""
        if set(self._again) - self._asked and not self._by_parts:
            self._journal.append({"again": list(self._again)})
            self._done.drop(self._again)

    def _open_finished(self, manifest: Raw, has_parts: bool) -> bool:
        """Whether there is nothing to do; else a journal has been made of the finished file."""
        self._check_input(manifest)
        is_same = self._is_same_input(manifest) and not has_parts
        is_whole = not self._is_asked_again(manifest) and self._are_rejects_there(manifest)
        self.complete = is_same and is_whole
        self._manifest_before = manifest
        if not self.complete:
            self._journal.lock()
            self._take_over(manifest, self._again)
            self._asked = set(self._again)
        return self.complete

    def _are_rejects_there(self, manifest: Raw) -> bool:
        """Whether the rejects, if any, are where this run wants them; lost ones are asked again."""
        if not manifest.get("rejected") or is_stream(self._rejects_name):
            return True
        file = kept_rejects(manifest, self.path)
        return file is not None and file.resolve() == Path(self._rejects_name).resolve()

    def _take_over(self, manifest: Raw, again: Sequence[str]) -> None:
        """Makes a journal of the finished file, without the rejects that are asked again."""
        file = kept_rejects(manifest, self.path)
        count = sum(1 for _ in objects(self.path)) + sum(1 for _ in _staying(file, again))
        header: Raw = {"settings": self._settings, "copied": count} | self._known_input
        header |= spent_before(manifest) | ({"again": list(again)} if again else {})
        self._journal.begin(header)
        self._done.carry_over(header)
        for entry in entries_of(self.path, manifest, again, self._source):
            self._done.note(entry, self._journal.append(entry))

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Puts the journal in order. Files appear whole or not at all, the journal goes last."""
        self._check_length(is_over=True)
        write_whole(
            self.path,
            self._rejects_name,
            self._done,
            self._on_record,
            {"settings": self._settings, "input": self._input},
            facts,
        )

    def show(self) -> int:
        """Shows the records of a finished file to `on_record`; how many there are."""
        count = 0
        for count, record in enumerate(objects(self.path), start=1):
            self._on_record(record)
        return count


def spent_before(manifest: Raw) -> Raw:
    """What a finished run spent, as a journal says it."""
    models = manifest.get("models", {})
    bill = {name: [*numbers.values()] for name, numbers in models.items()}
    nodes = manifest.get("nodes", {})
    return {"u": bill, "t": manifest.get("seconds", 0.0)} | ({"nodes": nodes} if nodes else {})


def entries_of(path: Path, manifest: Raw, again: Sequence[str], source: Input) -> Iterator[Raw]:
    """The entries that a finished output had in its journal, without what is asked again.

    The file and its rejects are in the input's order, so that they are read along with it.
    """
    ahead = {"r": objects(path), "x": _staying(kept_rejects(manifest, path), again)}
    nearest = {kind: next(records, None) for kind, records in ahead.items()}
    for index, item in enumerate(source):
        for kind, record in nearest.items():
            if record and not item.fault and key_of(record) == key_of(item.raw):
                yield {"i": index, "h": item.digest, kind: record}
                nearest[kind] = next(ahead[kind], None)
                break


def _staying(file: Path | None, again: Sequence[str]) -> Iterator[Raw]:
    """The rejects of a finished output that stay; invalid records are judged anew."""
    for record in objects(file) if file else ():
        error = record.get("error")
        if error and error != INVALID and not is_among(error, again):
            yield record
