"""Several processes: the same command again, under a launcher, in the place of this process.

With an accelerator it is `accelerate launch` with one of the configurations beside this file (or the user's own);
on CPU it is torch's own launcher, because `accelerate launch --cpu` starts one process whatever it is told.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from rlkd_cli.errors import UsageError

CONFIGS = ("ddp", "zero2", "zero3", "fsdp2")
GUARD = "RLKD_LAUNCHED"


def is_main_process() -> bool:
    """Whether this is the process that speaks and writes."""
    return os.environ.get("RANK", "0") == "0"


def launcher(config: str | None, processes: int | None, arguments: list[str], accelerator: bool) -> list[str] | None:
    """The command to become, or None where one process is enough, or this is one of the launched already.

    UsageError for a configuration that is not there or cannot run here.
    """
    if (config is None and (processes or 1) == 1) or GUARD in os.environ or "RANK" in os.environ:
        return None
    command = ["-m", "rlkd_cli", *arguments]
    if not accelerator:
        if config not in (None, "ddp"):
            raise UsageError(f"--launch {config} needs accelerators; on CPU: --num-processes N alone")
        return [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes or 1), *command]
    file = Path(__file__).with_name("configs") / f"{config or 'ddp'}.yaml" if (config or "ddp") in CONFIGS else Path(str(config))
    if not file.is_file():
        raise UsageError(f"--launch {config}: one of {', '.join(CONFIGS)}, or an accelerate configuration file")
    if config in ("zero2", "zero3") and find_spec("deepspeed") is None:
        raise UsageError(f"--launch {config} needs DeepSpeed (pip install deepspeed)")
    count = ["--num_processes", str(processes)] if processes else []
    return [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(file), *count, *command]


def become(command: list[str]) -> None:
    """Replaces this process, so that signals and the exit status stay whole."""
    os.environ[GUARD] = "1"
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if "torch.distributed.run" in command:
        os.environ["ACCELERATE_USE_CPU"] = "true"
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], command)
