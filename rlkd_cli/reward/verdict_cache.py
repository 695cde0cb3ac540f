"""What judges said, kept on disk for later runs (SQLite) and shared by several processes."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from rlkd_cli.core.recent import Recent
from rlkd_cli.errors import OutputError, UsageError

BUSY = 100  # milliseconds that a question waits for a file that another process locks
REST = 5.0  # seconds in which a file that failed is not asked again
REMEMBERED = 1_000_000  # verdicts in memory, a few hundred bytes each


class VerdictCache:
    """Likenesses by key; without a file, in memory.

    The file knows each judge by name and by a fingerprint of what it is made of. UsageError where a
    judge of the same name is another one by now, because its verdicts would be taken for the new
    judge's. A file that fails later, or that another process locks for long, is done without, which
    is told once.
    """

    def __init__(
        self, file: Path | None = None, tell: Callable[[str], None] = lambda line: None
    ) -> None:
        self._memory: Recent[bytes, float] = Recent(REMEMBERED)
        self._file, self._db = file, _connect(file) if file else None
        self._tell, self._failed = tell, 0.0  # when the file failed last

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
        row = self._ask("SELECT value FROM likeness WHERE key = ?", (key,))
        if row is None:
            return None
        self._memory[key] = float(row[0])
        return self._memory[key]

    def put(self, key: bytes, value: float) -> None:
        self._memory[key] = value
        if self._db:
            self._ask("INSERT OR REPLACE INTO likeness VALUES (?, ?)", (key, value))

    def _ask(self, statement: str, values: tuple[bytes | float, ...]) -> tuple[float] | None:
        """The first row; None for none, and where the file fails."""
        assert self._db
        if self._failed and monotonic() - self._failed < REST:
            return None
        try:
            found: tuple[float] | None = self._db.execute(statement, values).fetchone()
            return found
        except sqlite3.Error as error:
            if not self._failed:
                self._tell(f"{self._file}: verdicts are not kept or read: {error}")
            self._failed = monotonic()
            return None

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
        db.execute(f"PRAGMA busy_timeout={BUSY}")
    except (sqlite3.Error, OSError) as error:
        raise OutputError(f"{file}: not a verdict cache that can be written: {error}") from None
    return db
