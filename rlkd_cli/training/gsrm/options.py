"""What `train-gsrm` is told, free of torch."""

from dataclasses import dataclass
from typing import Annotated

from rlkd_cli.option import MODEL, TRAINING, option
from rlkd_cli.training.options import Training

PHASES = ("meta", "solving", "mixed", "plain")


@dataclass(frozen=True, kw_only=True)
class GsrmTraining(Training):
    """Structured Fine-grained Training (RLKD, section 3.1)."""

    model: Annotated[str, option("--model", help="Base model (3.1).", panel=MODEL)] = (
        "Qwen/Qwen2.5-7B-Instruct"
    )
    phases: Annotated[
        str,
        option("--phases", help="One epoch each of: meta, solving, mixed (3.1).", panel=TRAINING),
    ] = "meta,solving,mixed"
    plain: Annotated[
        bool,
        option(
            "--plain", help="Ablation: one loss over all tokens, as many epochs.", panel=TRAINING
        ),
    ] = False
    alpha: Annotated[
        int,
        option(
            "--alpha", min=1, help="Steps between updates of a and b (3.1: 100).", panel=TRAINING
        ),
    ] = 100
    weight_decay: Annotated[
        float, option("--weight-decay", min=0, help="Release: 1e-4.", panel=TRAINING)
    ] = 1e-4
    batch_size: Annotated[
        int, option("--batch-size", min=1, help="A device's batch (release: 1).", panel=TRAINING)
    ] = 1
    accumulation: Annotated[
        int, option("--accumulation", min=1, help="Batches a step (release: 2).", panel=TRAINING)
    ] = 2
    max_length: Annotated[
        int,
        option(
            "--max-length",
            min=8,
            help="Longer pairs are rejected (release: 25,000).",
            panel=TRAINING,
        ),
    ] = 25_000
    truncate: Annotated[
        bool,
        option(
            "--truncate",
            help="Cut the path of a longer pair instead, never its steps.",
            panel=TRAINING,
        ),
    ] = False
    packing: Annotated[
        bool,
        option("--packing", help="A batch's pairs in one row, without padding.", panel=TRAINING),
    ] = False
    eval_fraction: Annotated[
        float,
        option(
            "--eval-fraction",
            min=0,
            max=0.5,
            help="Keep this share of the pairs to check the model on, before and after.",
        ),
    ] = 0.0
    save_steps: Annotated[
        int,
        option("--save-steps", min=1, help="Steps between checkpoints.", panel=TRAINING, free=True),
    ] = 500

    @property
    def epochs(self) -> tuple[str, ...]:
        """The phase of each epoch."""
        return ("plain",) * 3 if self.plain else tuple(self.phases.split(","))
