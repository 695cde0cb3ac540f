"""Training on several machines: how many, which one this is, and where the first is reached.

The same command runs once on each machine, as `srun` starts it. Slurm's variables of the step say
what the options do not.
"""

import os
import re
import socket
import time
from dataclasses import dataclass

from rlkd_cli.errors import UsageError
from rlkd_cli.training.options import Training

PORT = 29_500  # torch's own
_LOOKS = 0.5  # seconds between two looks whether the first machine is there


@dataclass(frozen=True)
class Machines:
    """`count` machines, of which this is number `rank`; the first listens at `address`:`port`."""

    count: int = 1
    rank: int = 0
    address: str = "127.0.0.1"
    port: int = PORT

    def wait_for_first(self) -> None:
        """Returns when the first machine has prepared the training and waits for the others."""
        while True:
            try:
                socket.create_connection((self.address, self.port), timeout=10).close()
            except OSError:
                time.sleep(_LOOKS)
            else:
                return


def machines(options: Training) -> Machines:
    """What the options say, else Slurm. UsageError where that does not go together."""
    if options.num_machines == 1:
        return Machines()
    slurm = _slurm()
    count = options.num_machines or slurm.count
    rank = slurm.rank if options.machine_rank is None else options.machine_rank
    address = options.main_process_ip or slurm.address
    port = options.main_process_port or slurm.port
    if count == 1:
        return Machines()
    if rank >= count:
        raise UsageError(f"--machine-rank {rank}: of {count} machines, the last is {count - 1}")
    if not address:
        raise UsageError(f"--num-machines {count}: where is the first? --main-process-ip ADDRESS")
    if not options.num_processes or options.num_processes % count:
        raise UsageError(
            f"{count} machines: --num-processes says how many processes they start together, "
            "as many on each (--num-machines 1 trains on this one alone)"
        )
    return Machines(count, rank, address, port)


def _slurm() -> Machines:
    """What `srun` says of its step; one machine where it has started nothing."""
    count = _number("SLURM_STEP_NUM_NODES", 1)
    if count == 1:
        return Machines(address="")
    tasks = _number("SLURM_STEP_NUM_TASKS", count)
    if tasks != count:
        raise UsageError(
            f"srun started {tasks} tasks on {count} machines; start one on each "
            "(--ntasks-per-node=1), rlkd starts a process for each device itself; or say "
            "--num-machines 1"
        )
    address = first_host(os.environ.get("SLURM_STEP_NODELIST", ""))
    port = 20_000 + _number("SLURM_JOB_ID", 0) % 20_000  # jobs may share a machine
    return Machines(count, _number("SLURM_PROCID", 0), address, port)


def _number(variable: str, standard: int) -> int:
    """What a variable of Slurm's says; UsageError where that is no number."""
    text = os.environ.get(variable, str(standard))
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"{variable}={text}: no number; --num-machines says it instead")
    return int(text)


def first_host(nodes: str) -> str:
    """The first of Slurm's list of nodes.

    >>> first_host("gpu[07-09,12],login1")
    'gpu07'
    """
    found = re.match(r"([^\[,]*)(?:\[(\w+)[^\]]*\]([^,]*))?", nodes)
    return "".join(part or "" for part in found.groups()) if found else ""
