"""The structured reward of a path: path -> steps -> score (RLKD, section 3.1, Algorithm 1).

`rlkd score` and the training of `rlkd distill` ask this one object, opened from the same options:
what a user tunes on files is what trains the student.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from rlkd_cli import prompts
from rlkd_cli.core.reward import Normalize
from rlkd_cli.core.thinking import reasoning
from rlkd_cli.errors import RecordError, UsageError
from rlkd_cli.models import Sampling, TextModel
from rlkd_cli.models.fingerprint import gsrm_prompt, model_fingerprint
from rlkd_cli.models.local.embedders import LEXICAL, Embedding
from rlkd_cli.models.providers import PROVIDERS
from rlkd_cli.models.spec import engine_of
from rlkd_cli.option import MODEL, RUN, option
from rlkd_cli.records.schema import Raw, Step
from rlkd_cli.reward.grading.grader import Grader
from rlkd_cli.reward.judges import JUDGES, Means, judge_class, open_judge
from rlkd_cli.reward.matcher import Matcher, Score, Strategy
from rlkd_cli.reward.once import Once
from rlkd_cli.reward.patience import is_away
from rlkd_cli.reward.segmenter import Segmenter
from rlkd_cli.reward.verdict_cache import VerdictCache

Unsegmentable = Literal["zero", "missing"]
KEPT = 4096  # segmentations that are not asked for again, where a reward is asked for once more
_KINDS = ", ".join(f"`{name}` ({judge.summary})" for name, judge in JUDGES.items())


@dataclass(frozen=True, kw_only=True)
class Matching(Embedding):
    """How the structured reward is computed: the same options on files and in training."""

    gsrm: Annotated[
        str | None,
        option(
            "--gsrm",
            help="Model that segments paths without steps.",
            panel=MODEL,
        ),
    ] = None
    judge: Annotated[
        str, option("--judge", help=f"Match judge (3.1): a model, or {_KINDS}.", panel=MODEL)
    ] = "Qwen/Qwen2.5-7B-Instruct"
    threshold: Annotated[
        float | None,
        option(
            "--threshold",
            min=0,
            max=1,
            help="Least P(yes)/(P(yes)+P(no)) of a model (default: its yes or no), or cosine "
            "(default: 0.9, ours), that is a match.",
            panel=MODEL,
        ),
    ] = None
    strategy: Annotated[
        str,
        option(
            "--strategy",
            help="lazy: ask only what Algorithm 1 needs; eager: ask everything at once (fewer "
            "round trips, more questions).",
            choices=get_args(Strategy),
            panel=RUN,
            free=True,
        ),
    ] = "lazy"
    unsegmentable: Annotated[
        str,
        option(
            "--unsegmentable",
            help="A path in which the GSRM, asked twice, finds no steps: zero (Algorithm 1 with "
            "m = 0), or missing.",
            choices=get_args(Unsegmentable),
        ),
    ] = "zero"
    gsrm_max_tokens: Annotated[
        int,
        option("--gsrm-max-tokens", min=1, help="Tokens of a GSRM's reply (ours).", panel=MODEL),
    ] = 4096
    gsrm_instruct: Annotated[
        bool,
        option(
            "--gsrm-instruct",
            help="Ask the GSRM with the full instruction and examples (hosted models always are).",
            panel=MODEL,
        ),
    ] = False
    normalize: Annotated[
        str,
        option(
            "--normalize",
            help="Divide the reward by: none (the paper), teacher (its steps), "
            "shorter (the shorter's steps).",
            choices=get_args(Normalize),
        ),
    ] = "none"
    verdict_cache: Annotated[
        Path | None,
        option(
            "--verdict-cache",
            metavar="FILE",
            help="Keep verdicts on disk (SQLite), for later runs.",
            panel=MODEL,
            free=True,
            file="out",
        ),
    ] = None

    def check(self, probabilities: bool = False) -> None:
        """UsageError for options that do not go together."""
        asked = self.threshold is not None or probabilities
        if asked and not judge_class(self.judge).is_graded:
            raise UsageError(
                f"--judge {self.judge} only answers yes or no; --threshold and --probabilities "
                "do not apply"
            )

    @property
    def judging(self) -> str | None:
        """The model that verdicts depend on: the judge itself, or its embedder; None for none."""
        uses = judge_class(self.judge).uses
        if uses == "embedder":  # always of this process, whatever its name begins with
            return None if self.embedder == LEXICAL else f"hf/{self.embedder}"
        return self.judge if uses == "model" else None

    @property
    def unused(self) -> set[str]:
        """Options without effect: an embedder no judge uses, those of a GSRM that is not asked."""
        embedder = set() if judge_class(self.judge).uses == "embedder" else {"embedder"}
        gsrm = {"gsrm_max_tokens", "gsrm_instruct", "unsegmentable"}
        return embedder | (set() if self.gsrm else gsrm)

    @property
    def models(self) -> list[str]:
        """The models that a reward depends on."""
        return [spec for spec in (self.judging, self.gsrm) if spec]

    @property
    def asked(self) -> list[str]:
        """Those of them that requests go to, which may cost money: judge and GSRM."""
        judge = [self.judge] if judge_class(self.judge).uses == "model" else []
        return judge + ([self.gsrm] if self.gsrm else [])

    @property
    def prompts_used(self) -> dict[str, str]:
        """The texts that judge and GSRM are asked with, by name."""
        found = dict[str, str](getattr(super(), "prompts_used", {}))
        if judge_class(self.judge).uses == "model":
            found |= prompts.named("match_")
        if self.gsrm:
            own = prompt_of_gsrm(self)
            general = prompts.named("segment") | prompts.named("feedback")
            found |= general if own is None else {"gsrm": own}
        return found


Opener = Callable[[str], TextModel]


class Structure:
    """Steps of paths, and their structured reward.

    `gsrm` is None where all records come with steps.
    """

    def __init__(self, matcher: Matcher, gsrm: Segmenter | None, unsegmentable: str) -> None:
        self.matcher, self.gsrm, self._unsegmentable = matcher, gsrm, unsegmentable
        self._segmented: Once[list[Step]] = Once(KEPT)

    @classmethod
    def open(
        cls,
        options: Matching,
        open_model: Opener,
        grader: Grader,
        probabilities: bool = False,
        overwrite: bool = False,
        tell: Callable[[str], None] = lambda line: None,
    ) -> "Structure":
        """The reward that the options ask for; `tell` is called where verdicts cannot be kept.

        UsageError and ModelError where a part is not available.
        """
        options.check(probabilities)
        kind = judge_class(options.judge)
        cache = VerdictCache(options.verdict_cache, tell)
        fingerprint = model_fingerprint(options.judging) if options.judging else None
        cache.check_judge(options.judging or options.judge, fingerprint, overwrite)
        asked = probabilities or options.threshold is not None
        judge = open_judge(Means(options.judge, grader, open_model, options.embedder, asked))
        threshold = kind.threshold if options.threshold is None else options.threshold
        rules = (options.normalize, cache, threshold, options.strategy, fingerprint)
        gsrm = open_gsrm(options, open_model) if options.gsrm else None
        return cls(Matcher(judge, *rules), gsrm, options.unsegmentable)  # type: ignore[arg-type]

    async def steps(self, raw: Raw) -> list[Step]:
        """The record's steps; a path without steps goes through the GSRM, without the answer after
        its thinking. Equal paths that come together go through it once.

        Empty where the GSRM answered and found no steps, unless that is to be `missing`.
        RecordError where it could not be asked, or not answer.
        """
        if raw.get("steps"):
            return [Step(**step) for step in raw["steps"]]
        if self.gsrm is None:
            raise RecordError("no_steps", "a path without steps; --gsrm MODEL segments it")
        try:
            gsrm = self.gsrm
            return await self._segmented.result(_key(raw), lambda: segmented(gsrm, raw))
        except RecordError as error:
            if error.code == "unparsable_steps" and self._unsegmentable == "zero":
                return []
            raise

    async def score(self, teacher: Sequence[Step], student: Sequence[Step]) -> Score:
        """Algorithm 1. RecordError where a verdict that the reward needs is missing, whose
        cause is the judge's failure: one that does not pass, if there is one.
        """
        score = await self.matcher.score(teacher, student)
        if score.reward is None:
            lasting = [error for error in score.failures if not is_away(error)]
            cause = next(iter([*lasting, *score.failures]), None)
            why = f" ({cause})" if cause else ""
            reason = f"the judge gave no verdict that the reward needs{why}"
            raise RecordError("judge_failed", reason) from cause
        return score

    async def close(self) -> None:
        """Closes the judge and the GSRM; the last call."""
        await self.matcher.close()
        if self.gsrm:
            await self.gsrm.model.close()


def _key(raw: Raw) -> bytes:
    """What a GSRM's reply depends on: the path, its problem, and the seed of a second try."""
    names = ("id", "sample", "domain", "problem", "path")
    text = "\0".join(str(raw.get(name)) for name in names)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


async def segmented(gsrm: Segmenter, raw: Raw) -> list[Step]:
    """What a GSRM makes of a path's reasoning. RecordError where it makes nothing of it."""
    record = await gsrm({**raw, "path": reasoning(raw["path"])})
    return [Step(**step) for step in record["steps"]]


def open_gsrm(options: Matching, open_model: Opener) -> Segmenter:
    """A segmenting model for rewards: greedy, asked twice at most."""
    sampling, prompt = Sampling(max_tokens=options.gsrm_max_tokens), prompt_of_gsrm(options)
    model = open_model(str(options.gsrm))
    return Segmenter(model, sampling, prompt, verifier=None, max_attempts=2)


def prompt_of_gsrm(options: Matching) -> str | None:
    """The short prompt of a GSRM's training; None for a general model, which is instructed.

    A folder holds its prompt; a server's model is taken for a GSRM, unless it is said to be a
    general one.
    """
    engine = engine_of(str(options.gsrm))
    if options.gsrm_instruct or engine in PROVIDERS:
        return None
    is_served = engine in ("http", "replay")
    return prompts.load("gsrm") if is_served else gsrm_prompt(str(options.gsrm))
