"""How the structured reward is computed: what `score` and `distill` share, so that files are scored as students are trained."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from rlkd_cli import prompts
from rlkd_cli.commands import options as opt
from rlkd_cli.commands.common import gsrm_prompt
from rlkd_cli.errors import UsageError
from rlkd_cli.models import Sampling, TextModel
from rlkd_cli.models.embedders import PAPERS_EMBEDDER, open_embedder
from rlkd_cli.models.providers import PROVIDERS
from rlkd_cli.models.spec import engine_of
from rlkd_cli.pipeline.segment import Segmenter
from rlkd_cli.reward.grading import Grader
from rlkd_cli.reward.judges import (
    EMBEDDING_THRESHOLD,
    EmbeddingJudge,
    ExactJudge,
    Judge,
    MathJudge,
    ModelJudge,
)
from rlkd_cli.reward.matcher import Matcher, VerdictCache

JUDGE = "Qwen/Qwen2.5-7B-Instruct"  # 3.1


@dataclass(frozen=True)
class Matching:
    """How the structured reward is computed: the same options on files and in training."""

    judge: Annotated[
        str,
        opt.option(
            "--judge",
            help="Match judge (3.1): a model, `exact` (text), `math` (answers as mathematics; the rest as text), or `embedding`.",
            panel=opt.MODEL,
        ),
    ] = JUDGE
    embedder: Annotated[
        str,
        opt.option(
            "--embedder",
            help="Of `--judge embedding`: a sentence-transformers model (4.3), or `lexical`.",
            panel=opt.MODEL,
        ),
    ] = PAPERS_EMBEDDER
    threshold: Annotated[
        float | None,
        opt.option(
            "--threshold",
            min=0,
            max=1,
            help="What counts as a match: a model's P(yes) / (P(yes) + P(no)) (default: its word), or a cosine (default: 0.9, ours).",
            panel=opt.MODEL,
        ),
    ] = None
    strategy: Annotated[
        str,
        opt.option(
            "--strategy",
            help="lazy asks what Algorithm 1 needs; eager everything at once, in the fewest round trips.",
        ),
    ] = "lazy"
    gsrm_max_tokens: Annotated[
        int,
        opt.option("--gsrm-max-tokens", min=1, help="Tokens of a GSRM's reply.", panel=opt.MODEL),
    ] = 4096
    gsrm_instruct: Annotated[
        bool,
        opt.option(
            "--gsrm-instruct",
            help="The GSRM is a general model: ask it with the instruction and examples (as openai/ and deepseek/ always are).",
            panel=opt.MODEL,
        ),
    ] = False
    normalize: Annotated[
        str,
        opt.option(
            "--normalize",
            help="Divide the reward by: none (the paper), teacher (its steps), shorter (the shorter's steps).",
        ),
    ] = "none"
    verdict_cache: Annotated[
        Path | None,
        opt.option(
            "--verdict-cache",
            metavar="FILE",
            help="Keep verdicts on disk (SQLite), for later runs.",
            panel=opt.MODEL,
        ),
    ] = None

    @property
    def settings(self) -> dict[str, Any]:
        """What a reward depends on."""
        used = self.embedder if self.judge == "embedding" else None
        return {
            "judge": self.judge,
            "embedder": used,
            "threshold": self.threshold,
            "normalize": self.normalize,
        }

    def matcher(
        self, models: opt.Models, grader: Grader, probabilities: bool = False
    ) -> tuple[Matcher, TextModel | None]:
        """What obtains verdicts, and the judge's model, to be closed. UsageError for options that do not go together."""
        opt.one_of("--normalize", self.normalize, ("none", "teacher", "shorter"))
        opt.one_of("--strategy", self.strategy, ("lazy", "eager"))
        judge, model = self._judge(models, grader, probabilities)
        usual = EMBEDDING_THRESHOLD if self.judge == "embedding" else 0.5
        threshold = usual if self.threshold is None else self.threshold
        cache = VerdictCache(self.verdict_cache)
        return Matcher(judge, self.normalize, cache, threshold, self.strategy), model  # type: ignore[arg-type]

    def _judge(
        self, models: opt.Models, grader: Grader, probabilities: bool
    ) -> tuple[Judge, TextModel | None]:
        if self.judge == "embedding":
            return EmbeddingJudge(open_embedder(self.embedder)), None
        if self.judge in ("exact", "math"):
            if self.threshold is not None or probabilities:
                raise UsageError(
                    f"--judge {self.judge} says yes or no: no --threshold, no --probabilities"
                )
            return ExactJudge() if self.judge == "exact" else MathJudge(grader), None
        model = models.open(self.judge)
        return ModelJudge(model, grader, probabilities or self.threshold is not None), model


def open_gsrm(spec: str, models: opt.Models, matching: Matching) -> Segmenter:
    """A segmenting model for rewards: greedy, asked once, with the short prompt that it was trained on.

    A folder holds its prompt; a server's model is taken for a GSRM, unless it is said to be a general one.
    """
    general = matching.gsrm_instruct or engine_of(spec) in PROVIDERS
    served = engine_of(spec) in ("http", "replay")
    prompt = None if general else prompts.load("gsrm") if served else gsrm_prompt(spec)
    return Segmenter(
        models.open(spec),
        Sampling(max_tokens=matching.gsrm_max_tokens),
        prompt,
        verifier=None,
        max_attempts=1,
    )
