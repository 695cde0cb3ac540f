"""A file made whole from its journals: it, its rejects and its manifest, and the journals go."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlkd_cli import __version__
from rlkd_cli.errors import OutputError, UsageError
from rlkd_cli.records import shards
from rlkd_cli.records.atomic import write_json
from rlkd_cli.records.done import Done
from rlkd_cli.records.forms import check_form, is_stream, written
from rlkd_cli.records.journal import Journal
from rlkd_cli.records.manifest import describe, manifest_of
from rlkd_cli.records.rejects import place_of, rejects_before, write_rejects
from rlkd_cli.records.write import OnRecord


def journal_of(output: Path) -> Path:
    """Where the journal of an output stands."""
    return output.with_name(output.name + ".journal")


def settle(path: Path) -> None:
    """Removes what a run left that was killed after the file was whole."""
    journal = Journal(journal_of(path))
    if not (journal.is_over and path.exists()):
        return
    journal.lock(shards.PATIENCE)
    if journal.is_over:
        shards.remove(path, shards.found(path))
        journal.remove()
    journal.leave()


def discard(path: Path) -> None:
    """Removes all that runs have left of a file: parts, journal, the file itself, its rejects and
    its manifest. UsageError where there is nothing, Busy where one is at work.
    """
    journal, manifest = Journal(journal_of(path)), manifest_of(path)
    if not (shards.found(path) or journal.path.exists() or manifest.exists()):
        raise UsageError(f"{path}: no run has left anything")
    journal.lock()
    try:
        shards.discard(path)
        if manifest.exists():
            for file in (rejects_before(path), path, manifest):
                if file:
                    file.unlink(missing_ok=True)
        journal.remove()
    except OSError as error:
        raise OutputError(f"{error.filename or path}: {error.strerror}") from None
    finally:
        journal.close()


def check_rejects_name(name: str) -> None:
    """UsageError where rejects cannot have this name; makes their folder."""
    if not is_stream(name):
        check_form(name)
        Path(name).parent.mkdir(parents=True, exist_ok=True)


def write_whole(
    path: Path,
    rejects: str,
    done: Done,
    on_record: OnRecord,
    made_from: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> None:
    """Writes the file, its rejects and its manifest from the journals, and then removes these.

    `made_from`: the settings and the input, for the manifest; `facts`: what the run has to say.
    OutputError where the disk is full; nothing is lost then.
    """
    before = rejects_before(path)
    try:
        with written(path) as write:
            for record in done.records():
                write(record)
                on_record(record)
        write_rejects(done.rejects(), rejects)
        write_json(
            manifest_of(path),
            {
                "rlkd": __version__,
                **made_from,
                "output": describe(path),
                "records": len(done.offsets),
                "rejected": len(done.lost),
                **(place_of(rejects, path) if done.lost else {}),
                **facts,
                **(
                    {"nodes": {n: round(s, 3) for n, s in done.nodes.items()}} if done.nodes else {}
                ),
            },
        )
        if before and before.resolve() != Path(rejects).resolve():
            before.unlink()  # they stand elsewhere now, or are done
        parts = shards.found(path)
        if parts:
            done.journals[0].end()
        shards.remove(path, parts)
        done.journals[0].remove()
    except OSError as error:
        advice = "nothing is lost: free disk space, then run it again"
        raise OutputError(f"{path}: {error.strerror}; {advice}") from None
