"""Which of several processes this is: what a launcher's variables say is asked here alone."""

import os
import platform

MACHINE = "RLKD_MACHINE"  # what the launcher of a task calls the machine


def is_launched() -> bool:
    """Whether a launcher started this process as one of several."""
    return "RANK" in os.environ


def is_first() -> bool:
    """Whether this is the process that speaks and writes."""
    return os.environ.get("RANK", "0") == "0"


def local() -> int:
    """Which of the processes on this machine this is."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def count() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def machine() -> str:
    """What this machine is called."""
    return os.environ.get(MACHINE) or platform.node()
