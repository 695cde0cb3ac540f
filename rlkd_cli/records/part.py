"""The part of an output that one slice of its input makes: a journal in `OUT.shards/`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlkd_cli import ranks
from rlkd_cli.errors import OutputError, RlkdError
from rlkd_cli.records import shards
from rlkd_cli.records.done import end_after
from rlkd_cli.records.journal import Journal
from rlkd_cli.records.journalled import Journalled
from rlkd_cli.records.manifest import Settings, check_same, finished
from rlkd_cli.records.output import entries_of
from rlkd_cli.records.read import Input
from rlkd_cli.records.schema import Raw
from rlkd_cli.records.whole import journal_of, settle


class PartOutput(Journalled):
    """A journal that says at its end that the slice is finished; `rlkd merge` makes the file.

    `source` is the slice. What other runs have finished of it is not asked again: runs over the
    whole, and slices of another number of slices. `about` goes into the journal's first line.
    """

    def __init__(
        self,
        path: Path,
        settings: Settings,
        source: Input,
        grows: str | None = None,
        again: Sequence[str] = (),
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self._shard = shards.Shard(path, *source.shard)
        super().__init__(path, self._shard.journal, settings, source, again)
        self._grows, self._about = grows, dict(about or {})
        self._end: Raw | None = None  # what the journal says at its end, where it is finished
        self._asked = set[str]()  # codes that the journal's records were asked again for
        self._rounds = 0  # how often they were
        try:
            self._open()
        except OSError as error:
            raise OutputError(f"{error.filename or path}: {error.strerror}") from None
        except RlkdError:
            self._leave()  # what is refused changes nothing
            raise

    def _open(self) -> None:
        settle(self.path)
        shards.check(self.path, self._settings)
        self._journal.lock(shards.PATIENCE)
        before = self._finished()
        if self.complete:
            self._leave()
            return
        is_begun = self._journal.is_begun and not self._journal.is_blank
        self._note_others()
        node = {"node": ranks.machine()}
        if is_begun:
            self._continue()
            self._journal.append(node)
        else:
            self._journal.begin({"settings": self._settings, **node, **self._about})
            if before and self._again:  # of the finished file, what is asked again is left out
                self._note_again()
                self._asked = set(self._again)
        if before:
            self._take_over(before)
        self._ask_again()
        self._check_length()

    def _leave(self) -> None:
        self._journal.leave()
        shards.remove(self.path, ())

    def _finished(self) -> Raw | None:
        """The manifest of the whole file, where an earlier run has finished it: `complete` where
        nothing is to be added.
        """
        if not self.path.exists() or Journal(journal_of(self.path)).is_begun:
            return None
        manifest = finished(self.path, self._settings, self._grows)
        self._check_input(manifest)
        is_same = self._is_same_input(manifest) and not shards.found(self.path)
        self.complete = is_same and not self._is_asked_again(manifest)
        return manifest

    def _note_others(self) -> None:
        """Notes what a run over the whole, and slices of another number, have finished of this."""
        others = [one.journal for one in shards.found(self.path) if one.count != self._shard.count]
        for file in (journal_of(self.path), *others):
            journal = Journal(file)
            if header := journal.bound():
                check_same(self.path, header["settings"], self._settings)
                journal.look()
                self._done.absorb(journal, self._source.is_mine, is_billed=False)

    def _read_journal(self) -> None:
        entries = self._journal.entries()
        header = next(entries)[1]
        check_same(self.path, header["settings"], self._settings)
        for offset, entry in entries:
            self._end = end_after(entry, self._end)
            if "again" in entry:
                self._asked |= set(entry["again"])
                self._rounds += 1
                self._done.drop(entry["again"])
            if "i" in entry:
                self._done.note(entry, offset)
            self._done.carry_over(entry)

    def _take_over(self, manifest: Raw) -> None:
        """Copies what the finished file holds of the slice, so that the parts make up the whole."""
        whole = self._source.unsliced()
        for entry in entries_of(self.path, manifest, self._again, whole):
            if self._source.is_mine(entry["i"]) and entry["i"] not in self._done:
                self._done.note(entry, self._journal.append(entry))

    def _ask_again(self) -> None:
        """Takes rejects for not done: once, and again after the slice was finished. A slice without
        rejects notes it too: the others' are to be waited for.
        """
        is_new = self._end is not None or set(self._again) - self._asked
        if self._again and is_new:
            self._note_again()
            self._done.drop(self._again)

    def _note_again(self) -> None:
        self._journal.append({"again": list(self._again)})
        self._end, self._rounds = None, self._rounds + 1

    @property
    def rejects(self) -> str:
        """Where the rejects are, until the parts are put together."""
        return str(self._shard.journal)

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Says in the journal that the slice is finished, and what was read to its end."""
        self._check_length(is_over=True)
        end = {"settings": self._settings, "input": self._input, "items": self._source.items}
        end["rounds"] = self._rounds
        if end != self._end:
            self._journal.append({"end": end, "t": self._time})

    def show(self) -> int:
        """Nothing: the records are those of the whole; how many of them are the slice's."""
        return len(range(self._shard.index - 1, self._source.items, self._shard.count))
