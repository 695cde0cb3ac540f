"""`OUT` from its parts: every record that slices have finished, in the input's order."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rlkd_cli.errors import UsageError
from rlkd_cli.records import shards
from rlkd_cli.records.digests import combined
from rlkd_cli.records.done import Done
from rlkd_cli.records.forms import is_stream
from rlkd_cli.records.journal import Journal
from rlkd_cli.records.manifest import check_places, finished, load_manifest, manifest_of
from rlkd_cli.records.output import spent_before
from rlkd_cli.records.rejects import check_rejects
from rlkd_cli.records.schema import Raw
from rlkd_cli.records.whole import check_rejects_name, journal_of, settle, write_whole

Facts = Callable[[Done, Mapping[str, Any]], Mapping[str, Any]]


class Missing(UsageError):
    """A part is missing or not finished."""


def merge(
    path: Path,
    rejects: str | None,
    facts: Facts,
    patience: float = 0.0,
    again: Sequence[str] = (),
) -> tuple[Done, str] | None:
    """Writes `path`, its rejects and its manifest as one run over the whole would have; what went
    into them, and where the rejects are. None where that was done before: see rejected_before.

    Slices whose rejects with the codes `again` were asked again less often than those of others are
    not finished. Without `rejects` they go where the parts say, else beside `path`.

    `facts` makes what the manifest says of all runs from what they did and a part's header.
    UsageError where there are no parts, or they were made differently; Missing where one is not
    there or not finished: it is named. Busy where one is being written.
    """
    settle(path)
    if not shards.found(path):
        return _nothing_to_do(path)
    journal = Journal(journal_of(path))
    journal.lock(patience)
    done = Done(journal)
    try:
        parts = shards.found(path)
        if not parts:  # another process has merged them, while this one waited
            journal.leave()
            return _nothing_to_do(path)
        made_from, header = _read(path, done, parts, again)
        rejects = rejects or header.get("rejects") or f"{path}.rejects.jsonl"
        _check_rejects(rejects, path, header, parts)
        _begin(path, journal, made_from["settings"])
        write_whole(path, rejects, done, lambda record: None, made_from, facts(done, header))
    finally:
        _leave(done)
    return done, rejects


def _check_rejects(rejects: str, path: Path, header: Raw, parts: Sequence[shards.Shard]) -> None:
    """UsageError where the rejects would replace an input, the output, or what is no reject."""
    outputs = {str(path): str(path), "the manifest": str(manifest_of(path))}
    outputs |= {"the journal": str(journal_of(path))}
    outputs |= {f"shard {shard}": str(shard.journal) for shard in parts}
    check_places(header.get("inputs", ()), outputs | {"--rejects": rejects})
    if not is_stream(rejects):
        check_rejects(Path(rejects), path, overwrite=False)
    check_rejects_name(rejects)


def _nothing_to_do(path: Path) -> None:
    """UsageError where without parts the file is not finished, or was changed since."""
    if not is_finished(path):
        raise UsageError(f"{path}: no parts in {shards.folder_of(path)}/")
    finished(path, load_manifest(manifest_of(path))["settings"])


def rejected_before(path: Path) -> int | None:
    """How many records of a file that is finished were rejected; None where it is not."""
    if shards.found(path) or not is_finished(path):
        return None
    return int(load_manifest(manifest_of(path)).get("rejected", 0))


def is_finished(path: Path) -> bool:
    """Whether there is a file with its manifest, and no run at work on it."""
    return path.exists() and manifest_of(path).exists() and not Journal(journal_of(path)).is_begun


def _begin(path: Path, journal: Journal, settings: Raw) -> None:
    """Begins the journal of the whole, so that a merge that is killed is seen to be unfinished."""
    if journal.is_begun and not journal.is_blank:
        return
    before = load_manifest(manifest_of(path)) if is_finished(path) else {}
    journal.begin({"settings": settings, **spent_before(before)})


def _leave(done: Done) -> None:
    """Closes the journals; that of the whole goes where it binds nobody."""
    done.journals[0].leave()
    for journal in done.journals:
        journal.close()


def _read(
    path: Path, done: Done, parts: Sequence[shards.Shard], again: Sequence[str]
) -> tuple[Raw, Raw]:
    """Notes all that is finished; (settings and input, a part's header)."""
    own = done.journals[0]
    settings, since = None, 0.0
    if own.is_begun and not own.is_blank:
        before = done.absorb(own)[0]
        settings, since = before["settings"], before.get("t", 0.0)
    elif is_finished(path):
        before = load_manifest(manifest_of(path))
        done.carry_over(spent_before(finished(path, before["settings"])))
        since = done.seconds
    seconds, done.seconds = done.seconds, 0.0
    read = shards.absorb(done, parts, settings)
    done.seconds = max(seconds, since + done.seconds)  # slices ran after what was finished before
    ends = [(end, shard) for shard, (_, end) in zip(parts, read, strict=True) if end]
    last, _ = max(ends, key=lambda one: int(one[0]["items"]), default=(None, None))
    _drop_late(done, ends, again)
    _check_all_there(path, done, parts, last)
    if last is None:
        return {}, {}
    _check_input(path, done, ends, last)
    return {"settings": last["settings"], "input": last["input"]}, read[-1][0]


def _drop_late(done: Done, ends: Sequence[tuple[Raw, shards.Shard]], again: Sequence[str]) -> None:
    """Takes rejects for not done that are to be asked again, as those of other slices were."""
    most = max((end.get("rounds", 0) for end, _ in ends), default=0)
    for end, shard in ends:
        if end.get("rounds", 0) < most:
            done.drop(again, shard.is_mine)


def _check_input(
    path: Path, done: Done, ends: Sequence[tuple[Raw, shards.Shard]], last: Raw
) -> None:
    """UsageError where the records that are done are not those of one input, the longest read."""
    again = f"`rlkd merge {path} --discard` starts over"
    if len(done.offsets) > last["items"]:
        read = f"one shard read {last['items']} records, others read more"
        raise UsageError(f"{path}: {read}: the input was shortened; {again}")
    others = (end["input"] for end, _ in ends if end["items"] == last["items"])
    copies = last["items"] // (last["input"]["records"] or 1)
    finished = (combined(done.digests[copy::copies]) for copy in range(copies))
    is_one = all(one == last["input"] for one in others)
    if not (is_one and all(one == last["input"]["digest"] for one in finished)):
        raise UsageError(
            f"{path}: its shards read other records than one another: the input changed in "
            f"between; {again}"
        )


def _check_all_there(
    path: Path, done: Done, parts: Sequence[shards.Shard], last: Raw | None
) -> None:
    """UsageError that names the slices without which the file is not whole."""
    count = parts[-1].count
    wanted = range(last["items"]) if last else range(count)
    lacking = sorted({place % count + 1 for place in wanted if last is None or place not in done})
    if not lacking:
        return
    begun = {shard.index for shard in parts if shard.count == count}
    names = ", ".join(
        f"{index}/{count}{' (not finished)' if index in begun else ''}" for index in lacking
    )
    is_one = len(lacking) == 1
    raise Missing(
        f"{path}: shard{'' if is_one else 's'} {names} {'is' if is_one else 'are'} missing; "
        f"run {'it' if is_one else 'them'} (the same command with --shard "
        f"{lacking[0]}/{count}), then `rlkd merge {path}`"
    )
