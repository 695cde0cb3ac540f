"""Several processes: the same command again, under a launcher, in the place of this process.

With an accelerator it is `accelerate launch` with one of the configurations beside this file (or
the user's own); on CPU it is torch's own launcher, because `accelerate launch --cpu` starts one
process whatever it is told.
"""

import logging
import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rlkd_cli import ranks
from rlkd_cli.errors import INTERRUPTED, UsageError
from rlkd_cli.models.device import has_accelerator
from rlkd_cli.training.machines import Machines

CONFIGS = ("ddp", "zero2", "zero3", "fsdp2")
TORCHRUN, ACCELERATE = "torch.distributed.run", "accelerate.commands.launch"
GUARD = "RLKD_LAUNCHED"
BEGUN = "RLKD_FOLDER_BEGUN"  # what the launching process has made in the folder stays


def processes(config: str | None, asked: int | None) -> int:
    """How many processes train: those that run already, `--num-processes`, or what the file says.

    UsageError for a file that cannot be read.
    """
    if ranks.is_launched():
        return ranks.count()
    if asked or config is None or (config == "ddp" and not has_accelerator()):
        return asked or 1  # torch's own launcher reads no file
    return int(_read(config).get("num_processes", 1))


def is_sharded(config: str | None) -> bool:
    """Whether a configuration spreads the weights of one model over the processes."""
    kind = _read(config).get("distributed_type") if config else None
    return kind in ("DEEPSPEED", "FSDP")


def _read(config: str) -> dict[str, Any]:
    """What an accelerate file says. UsageError where it cannot be read."""
    import yaml

    file = _configuration(config)
    try:
        said = yaml.safe_load(file.read_text("utf-8"))
        int(said.get("num_processes", 1))
    except (OSError, ValueError, AttributeError, yaml.YAMLError):
        raise UsageError(f"--launch {config}: is no accelerate configuration") from None
    return dict(said)


def _configuration(config: str) -> Path:
    """The accelerate file that a name or path stands for; UsageError where there is none."""
    shipped = Path(__file__).with_name("configs") / f"{config}.yaml"
    file = shipped if config in CONFIGS else Path(config)
    if not file.is_file():
        raise UsageError(
            f"--launch {config}: one of {', '.join(CONFIGS)}, or an accelerate configuration file"
        )
    return file


def launcher(
    config: str | None,
    asked: int | None,
    arguments: list[str],
    accelerator: bool,
    machines: Machines = Machines(),
) -> list[str] | None:
    """The launcher's module and its arguments; None where one process is enough, or this is one of
    the launched already.

    On several machines, `asked` processes in all are started on them. UsageError for a
    configuration that is not there or cannot run here.
    """
    if (config is None and (asked or 1) == 1) or GUARD in os.environ or ranks.is_launched():
        return None
    command = ["-m", "rlkd_cli", *arguments]
    if not accelerator:
        if config not in (None, "ddp"):
            raise UsageError(
                f"--launch {config} needs accelerators; on CPU: --num-processes N alone"
            )
        own = (asked or 1) // machines.count
        return [TORCHRUN, *_torchs(machines), "--nproc_per_node", str(own), *command]
    file = _configuration(config or "ddp")
    if config in ("zero2", "zero3") and find_spec("deepspeed") is None:
        raise UsageError(f"--launch {config} needs DeepSpeed (pip install deepspeed)")
    count = ["--num_processes", str(asked)] if asked else []
    return [ACCELERATE, "--config_file", str(file), *count, *_accelerates(machines), *command]


def _torchs(machines: Machines) -> list[str]:
    """Where the machines find each other, as torch's launcher is told."""
    if machines.count == 1:
        return ["--standalone"]
    first = ["--master_addr", machines.address, "--master_port", str(machines.port)]
    return ["--nnodes", str(machines.count), "--node_rank", str(machines.rank), *first]


def _accelerates(machines: Machines) -> list[str]:
    """The same for accelerate; DeepSpeed's own launcher would want to log in at each machine."""
    if machines.count == 1:
        return []
    which = ["--num_machines", str(machines.count), "--machine_rank", str(machines.rank)]
    first = ["--main_process_ip", machines.address, "--main_process_port", str(machines.port)]
    how = ["--same_network", "--deepspeed_multinode_launcher", "standard"]
    return [*which, *first, *how]


def has_begun() -> bool:
    """Whether the process that launched this one has begun the folder, afresh where it was asked
    to.
    """
    return GUARD in os.environ and BEGUN in os.environ


def become(command: list[str], folder: Path, begun: bool) -> None:
    """Replaces this process by the launcher, so that the memory of what was done here is free for
    the training. `begun`: the folder is made.
    """
    os.environ[GUARD] = "1"
    if begun:
        os.environ[BEGUN] = "1"
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if command[0] == TORCHRUN:
        os.environ["ACCELERATE_USE_CPU"] = "true"
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(
        sys.executable, [sys.executable, "-m", "rlkd_cli.commands.launched", str(folder), *command]
    )


def run(command: list[str]) -> int:
    """Runs the launcher in this process until all of its processes have ended; the exit status of
    the first that failed.

    Negative where that one was ended by a signal, 130 where they were told to end. An interrupt is
    passed on to them, and they end after the step that they are in; any other signal ends them at
    once.
    """
    import psutil
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    logging.disable(logging.CRITICAL)  # the processes speak for themselves
    os.environ["PET_SIGNALS_TO_HANDLE"] = "SIGTERM,SIGHUP,SIGQUIT"
    signal.signal(
        signal.SIGINT,
        lambda *_: [process.send_signal(signal.SIGINT) for process in psutil.Process().children()],
    )
    try:
        if command[0] == TORCHRUN:
            from torch.distributed import run as torchrun

            torchrun.run(torchrun.parse_args(command[1:]))
        else:
            from accelerate.commands.launch import launch_command, launch_command_parser

            launch_command(launch_command_parser().parse_args(command[1:]))
    except ChildFailedError as error:
        return int(error.get_first_failure()[1].exitcode)
    except SignalException:
        return INTERRUPTED
    return 0
