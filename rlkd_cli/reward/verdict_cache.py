"""What judges said, kept on disk for later runs (SQLite) and shared by several processes."""

import sqlite3
from pathlib import Path

from rlkd_cli.core.recent import Recent
from rlkd_cli.errors import OutputError, UsageError

REMEMBERED = 1_000_000  # verdicts in memory, a few hundred bytes each


class VerdictCache:
    """Likenesses by key; without a file, in memory.

    The file knows each judge by name and by a fingerprint of what it is made of. UsageError where a
    judge of the same name is another one by now, because its verdicts would be taken for the new
    judge's.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._memory: Recent[bytes, float] = Recent(REMEMBERED)
        self._file, self._db = file, _connect(file) if file else None

    def check_judge(self, name: str, fingerprint: str | None, overwrite: bool = False) -> None:
        """Notes who judges; with `overwrite` a judge that changed begins anew, under its new
        fingerprint.
        """
        if self._db is None or fingerprint is None:
            return
        known = self._db.execute(
            "SELECT fingerprint FROM judges WHERE name = ?", (name,)
        ).fetchone()
        if known and known[0] != fingerprint and not overwrite:
            raise UsageError(
                f"{self._file} holds verdicts of {name}, which changed since; "
                "--overwrite asks it anew, or name another --verdict-cache"
            )
        self._db.execute("INSERT OR REPLACE INTO judges VALUES (?, ?)", (name, fingerprint))

    def get(self, key: bytes) -> float | None:
        if key in self._memory or self._db is None:
            return self._memory.get(key)
        row = self._db.execute("SELECT value FROM likeness WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        self._memory[key] = row[0]
        return float(row[0])

    def put(self, key: bytes, value: float) -> None:
        self._memory[key] = value
        if self._db:
            self._db.execute("INSERT OR REPLACE INTO likeness VALUES (?, ?)", (key, value))

    def close(self) -> None:
        if self._db:
            self._db.close()


def _connect(file: Path) -> sqlite3.Connection:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(file, timeout=60, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("CREATE TABLE IF NOT EXISTS judges (name TEXT PRIMARY KEY, fingerprint TEXT)")
        db.execute(
            "CREATE TABLE IF NOT EXISTS likeness (key BLOB PRIMARY KEY, value REAL) WITHOUT ROWID"
        )
    except (sqlite3.Error, OSError) as error:
        raise OutputError(f"{file}: not a verdict cache that can be written: {error}") from None
    return db
