"""What `train-gsrm` and `distill` share: what they check, how they start several processes, how
they end.
"""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import starmap
from pathlib import Path
from typing import Any, TypeVar

from rlkd_cli import console, ranks
from rlkd_cli.commands.common import made_from, status_of
from rlkd_cli.errors import InputError, RecordError, UsageError
from rlkd_cli.models.device import has_accelerator
from rlkd_cli.models.local.loading import is_adapter
from rlkd_cli.models.spec import engine_of, model_of, shown
from rlkd_cli.records.read import Input
from rlkd_cli.records.rejects import reject, write_rejects
from rlkd_cli.records.schema import Raw
from rlkd_cli.records.sources import rows
from rlkd_cli.training import launcher
from rlkd_cli.training.machines import machines
from rlkd_cli.training.options import Training
from rlkd_cli.training.run_folder import RunFolder, push

Lost = list[tuple[Raw, RecordError]]
T = TypeVar("T", bound=Training)


def read(source: Input) -> tuple[list[Raw], Lost]:
    """The records to train on and those that are invalid; InputError where there is nothing to
    train on.
    """
    source.hold()
    items = list(source)
    records = [item.raw for item in items if not item.fault]
    if not records:
        raise InputError(source.source, "", "holds no record to train on")
    return records, [item.rejected for item in items if item.fault]


def check(options: Training, **models: str | None) -> None:
    """UsageError for options that do not go together, and for `models`, by flag, that have no
    weights here to train or compare with.
    """
    for flag, spec in models.items():
        if spec is not None:
            check_weights(f"--{flag}", spec)
    if options.keep_adapter and not options.lora:
        raise UsageError("--keep-adapter needs --lora RANK")
    if options.keep_adapter and (options.rope_theta is not None or options.yarn is not None):
        raise UsageError(
            "--keep-adapter: an adapter alone does not hold the positions of --rope-theta or "
            "--yarn; leave it out, and a merged model is saved"
        )
    machines(options)


def check_weights(flag: str, spec: str) -> None:
    """UsageError for a model that is a server's, or an adapter without its base."""
    if engine_of(spec) not in ("any", "hf", "vllm"):
        raise UsageError(
            f"{flag} {shown(spec)}: a training needs a model's weights, not a server; name a "
            "folder, or a model of the hub as hf/OWNER/NAME"
        )
    if is_adapter(model_of(spec)):
        raise UsageError(
            f"{flag} {spec}: an adapter without its base; train it without --keep-adapter, which "
            "merges it, or merge it with PEFT (merge_and_unload) and save the tokenizer beside it"
        )


@dataclass
class Beginning:
    """Makes the folder, the first time that it is called."""

    make: Callable[[], None]
    overwrites: bool = False  # what an earlier run left there must not be read
    done: bool = False

    def __call__(self) -> None:
        if not self.done:
            self.make()
            self.done = True

    def clear(self) -> None:
        """Before something in the folder is read: what must not be read goes."""
        if self.overwrites:
            self()


def begin(
    command: str,
    options: Training,
    source: Input,
    models: Sequence[str],
    settings: dict[str, Any],
    stages: Sequence[Any] = (),
) -> "Beginning | None":
    """Checks the folder against all it depends on; what makes it, or None where an earlier run has
    finished it. `stages`: the settings of the trainings that made the model, for the manifest.

    With several processes only the first one does this. On several machines the first one prepares
    the training; the others wait for it here, and then start their processes.
    """
    if not ranks.is_first():
        return Beginning(lambda: None)
    own = made_from(command, options, models, {"data": source}) | settings
    folder = RunFolder(options.output)
    overwrite = options.overwrite and not launcher.has_begun()
    if folder.check(own, overwrite):
        console.message(f"{options.output}: finished by an earlier run")
        return None
    among = machines(options)
    if among.rank and not ranks.is_launched():
        console.message(f"{command}: machine {among.rank} of {among.count} waits for machine 0")
        among.wait_for_first()
        launch_if_asked(options, Beginning(lambda: None))
    is_stale = overwrite or folder.is_of_others(own)
    return Beginning(lambda: folder.begin(own, overwrite, stages), is_stale)


def nothing_left(options: Training, lost: Lost, reason: str) -> UsageError:
    """What ends a command that has nothing to train on; the records and why stand among the
    rejects.
    """
    if not lost:
        return UsageError(reason)
    if ranks.is_first():
        options.rejects_file.parent.mkdir(parents=True, exist_ok=True)
        write_rejects(starmap(reject, lost), options.rejects_file)
    most = Counter(error.code for _, error in lost).most_common(3)
    codes = ", ".join(f"{code} {count}" for code, count in most)
    return UsageError(f"{reason}; {len(lost)} records rejected ({codes}): {options.rejects_file}")


def show_facts(title: str, facts: Sequence[tuple[str, str]], quiet: bool) -> None:
    """The first lines of a run; of several processes, the launcher has shown them."""
    if not quiet and not ranks.is_launched():
        for name, value in facts:
            console.message(f"{title}: {name}: {value}")


def watched(show: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """`show`, and an alarm where the metrics of a training look wrong."""
    from rlkd_cli.training.alarms import Alarms

    alarms = Alarms(lambda text: console.message(text, "yellow"))

    def both(entry: dict[str, Any]) -> None:
        show(entry)
        alarms(entry)

    return both


def on_this_machine(options: T) -> T:
    """The options as this machine can carry them out: without an accelerator, nothing computes in
    bf16.
    """
    return replace(options, bf16=options.bf16 and has_accelerator())


def launch_if_asked(options: Training, begin: Beginning) -> None:
    """Replaces this process by the launcher if several processes are requested."""
    asked = (options.launch, options.num_processes)
    command = launcher.launcher(*asked, sys.argv[1:], has_accelerator(), machines(options))
    if command:
        launcher.become(command, options.output, begin.done)


def end(options: Training, names: tuple[str, ...], smooth: int, lost: Lost) -> int:
    """Writes rejects, marks the folder as finished, draws metrics, uploads it; the exit status."""
    folder = RunFolder(options.output)
    if lost:
        write_rejects(starmap(reject, lost), options.rejects_file)
        console.message(f"{len(lost)} records rejected: {options.rejects_file}")
    folder.finish(len(lost))
    if options.plot:
        from rlkd_cli.plots import plot_training

        metrics = rows(str(options.output / "metrics.jsonl"))
        entries = [row for _, row in metrics if isinstance(row, dict)]
        plot_training({options.output.name: entries}, names, options.plot, smooth)
    if options.push_to_hub:
        console.message(f"uploaded: {push(options.output, options.push_to_hub)}")
    return end_with_status(options.output)


def end_with_status(folder: Path) -> int:
    """The status for rejects where there were some; of several processes, the launcher gives it."""
    return 0 if ranks.is_launched() else status_of(RunFolder(folder).rejected)
