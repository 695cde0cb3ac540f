"""The parts of an output: a journal in `OUT.shards/` for each slice of its input.

`OUT.shards/2-of-8.journal` is what the second of eight slices has finished. Which records are in it
is said by their index among all items of the input, so that a slice of another number of slices,
or a run over the whole, goes on from there.
"""

import re
import resource
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rlkd_cli.errors import UsageError
from rlkd_cli.records.done import Done
from rlkd_cli.records.journal import Journal
from rlkd_cli.records.manifest import Settings, check_same
from rlkd_cli.records.schema import Raw

_NAME = re.compile(r"(\d+)-of-(\d+)\.journal")
NO_RUN = "holds what no run wrote; remove it, or start over with --overwrite"
MARK = "run-"  # how the file of a launch begins, that every machine must see
PATIENCE = 60.0  # seconds in which a lost machine's process has surely let go of its journal


@dataclass(frozen=True)
class Shard:
    """The `index`-th of `count` slices of the input of `output`, from 1."""

    output: Path
    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def journal(self) -> Path:
        return self.beside(".journal")

    def beside(self, ending: str) -> Path:
        """A file of the slice."""
        return folder_of(self.output) / f"{self.index}-of-{self.count}{ending}"

    def is_mine(self, place: int) -> bool:
        """Whether the item at this place (from 0) among all is one of the slice."""
        return place % self.count == self.index - 1


def folder_of(output: Path) -> Path:
    """Where the parts of an output stand."""
    return output.with_name(output.name + ".shards")


def found(output: Path) -> list[Shard]:
    """The slices of which there is a journal that was begun, in order."""
    folder = folder_of(output)
    names = [_NAME.fullmatch(file.name) for file in folder.iterdir()] if folder.is_dir() else []
    shards = [Shard(output, int(name.group(1)), int(name.group(2))) for name in names if name]
    shards.sort(key=lambda shard: (shard.count, shard.index))
    return [shard for shard in shards if Journal(shard.journal).is_begun]


def _check_same(shard: Shard, before: Settings, now: Settings) -> None:
    way = f"`rlkd merge {shard.output} --discard`"
    check_same(f"shard {shard} of {shard.output}", before, now, way)


def check(output: Path, settings: Settings) -> None:
    """UsageError that names a slice which was made with other settings."""
    for shard in found(output):
        header = Journal(shard.journal).bound()
        if header is None:
            continue
        if not isinstance(header, dict) or "settings" not in header:
            raise UsageError(f"{shard.journal}: {NO_RUN}")
        _check_same(shard, header["settings"], settings)


def absorb(
    done: Done,
    shards: Sequence[Shard],
    settings: Settings | None,
    patience: float = 0.0,
) -> list[tuple[Raw, Raw | None]]:
    """Adds what slices have finished: their headers, and the last entries of those that are
    finished.

    `settings`: those that they must have been made with (None: all the same). UsageError where they
    have others, Busy where one is being written for longer than `patience` seconds.
    """
    _allow_files(len(shards))
    ends = []
    for shard in shards:
        journal = Journal(shard.journal)
        journal.lock(patience)
        try:
            header, end = done.absorb(journal, shard.is_mine)
            if not journal.is_blank:
                settings = header["settings"] if settings is None else settings
                _check_same(shard, header["settings"], settings)
        except (KeyError, TypeError, AttributeError, IndexError):
            raise UsageError(f"{shard.journal}: {NO_RUN}") from None
        ends.append((header, end))
    return ends


class Follower:
    """How many records are finished, while slices write their journals; for people to look at.

    `count` is what was finished before.
    """

    def __init__(self, output: Path, count: int) -> None:
        self.count = count
        self._folder = folder_of(output)
        self._read = {file: file.stat().st_size for file in self._journals()}

    def _journals(self) -> list[Path]:
        return sorted(self._folder.glob("*.journal"))

    def look(self) -> int:
        """The number by now: only what was added since the last look is read."""
        for file in self._journals():
            with file.open("rb") as journal:
                journal.seek(self._read.get(file, 0))
                for line in journal:
                    if line.endswith(b"\n"):
                        self.count += line.startswith(b'{"i": ')
                        self._read[file] = self._read.get(file, 0) + len(line)
        return self.count


def remove(output: Path, shards: Sequence[Shard]) -> None:
    """Removes the parts, what a launch that was killed left, and the folder where it is empty."""
    for shard in shards:
        for file in folder_of(output).glob(f"{shard.index}-of-{shard.count}.*"):
            file.unlink(missing_ok=True)
    for mark in folder_of(output).glob(f"{MARK}*") if shards else ():
        mark.unlink(missing_ok=True)
    with suppress(OSError):  # not there, or another process has put something there
        folder_of(output).rmdir()


def discard(output: Path) -> None:
    """Removes the parts of earlier runs; OutputError where one is being written."""
    shards = found(output)
    for shard in shards:
        journal = Journal(shard.journal)
        journal.lock()
        journal.close()
    remove(output, shards)


def _allow_files(count: int) -> None:
    """Lets this process hold so many files open, beside its others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and count + 256 > soft:
        most = hard if hard != resource.RLIM_INFINITY else count + 256
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count + 256, most), hard))
