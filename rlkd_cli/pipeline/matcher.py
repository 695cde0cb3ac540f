"""The one reward, used twice: what `score` prints for files is what `distill` trains with.

Verdicts are asked for as late as Algorithm 1 allows: a step's M when the M before it matched, its Q and A when
its own M matched. Q and A of a step go out together with the next step's M, and all pairs walk at once, so the
round trips are as many as the longest match is deep, plus one.
"""

import asyncio
import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rlkd_cli.core.reward import Normalize, Verdict, structured_reward
from rlkd_cli.core.steps import PARTS, Part, StepLike
from rlkd_cli.errors import RecordError
from rlkd_cli.pipeline.judges import Judge


@dataclass(frozen=True)
class Score:
    """A student's reward against a teacher, and the verdicts that it was folded from. reward None: not computable."""

    reward: float | None
    verdicts: list[Verdict]

    @property
    def matched_steps(self) -> int:
        return sum(1 for verdict in self.verdicts if verdict.meta_reasoning)


class VerdictCache:
    """Verdicts on disk, shared by several processes; without a file, in memory."""

    def __init__(self, file: Path | None = None) -> None:
        self._memory: dict[str, bool] = {}
        self._db: sqlite3.Connection | None = None
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(file, timeout=60, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, verdict INTEGER)")

    def get(self, key: str) -> bool | None:
        if key in self._memory or self._db is None:
            return self._memory.get(key)
        row = self._db.execute("SELECT verdict FROM verdicts WHERE key = ?", (key,)).fetchone()
        return bool(row[0]) if row else None

    def put(self, key: str, verdict: bool) -> None:
        self._memory[key] = verdict
        if self._db:
            self._db.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", (key, int(verdict)))


class Matcher:
    """Obtains verdicts from a judge, each question once, and folds them into rewards."""

    def __init__(self, judge: Judge, normalize: Normalize = "none", cache: VerdictCache | None = None) -> None:
        self.judge, self.normalize = judge, normalize
        self._cache = cache or VerdictCache()
        self._asked: dict[str, asyncio.Task[bool | None]] = {}

    async def score(self, teacher: Sequence[StepLike], student: Sequence[StepLike]) -> Score:
        """The structured reward of a student's steps. A judge that fails leaves a None among the verdicts."""
        solving: list[asyncio.Task[tuple[bool | None, bool | None]]] = []
        metas: list[bool | None] = []
        for of_teacher, of_student in zip(teacher, student, strict=False):
            metas.append(await self._ask("meta_reasoning", of_teacher, of_student))
            if not metas[-1]:
                break
            solving.append(asyncio.create_task(self._solving(of_teacher, of_student)))
        answers = [await task for task in solving] + [(None, None)] * (len(metas) - len(solving))
        verdicts = [Verdict(meta, *rest) for meta, rest in zip(metas, answers, strict=True)]
        return Score(structured_reward(verdicts, len(teacher), len(student), self.normalize), verdicts)

    async def _solving(self, teacher: StepLike, student: StepLike) -> tuple[bool | None, bool | None]:
        both = await asyncio.gather(*(self._ask(part, teacher, student) for part in PARTS[1:]))
        return both[0], both[1]

    async def _ask(self, part: Part, teacher: StepLike, student: StepLike) -> bool | None:
        """One verdict, from the cache, from a question under way, or from the judge."""
        texts = (getattr(teacher, part), getattr(student, part))
        key = hashlib.sha256("\0".join((self.judge.name, part, *texts)).encode("utf-8", "surrogatepass")).hexdigest()
        known = self._cache.get(key)
        if known is not None:
            return known
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(self._judge(key, part, *texts))
        return await asyncio.shield(self._asked[key])

    async def _judge(self, key: str, part: Part, teacher: str, student: str) -> bool | None:
        try:
            verdict = await self.judge.match(part, teacher, student)
        except RecordError:
            return None  # asked again next time: a failure is not cached
        finally:
            self._asked.pop(key, None)
        self._cache.put(key, verdict)
        return verdict
