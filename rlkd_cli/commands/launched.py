"""`python -m rlkd_cli.commands.launched FOLDER LAUNCHER ARGS…`: a training in several processes.

A command that trains in several processes replaces itself by this module.
"""

import sys
from pathlib import Path

from rlkd_cli import console
from rlkd_cli.errors import INTERRUPTED, REJECTED
from rlkd_cli.training import launcher
from rlkd_cli.training.run_folder import RunFolder


def main(folder: Path, command: list[str]) -> int:
    """The exit status that the command would have had in one process.

    The processes print their own messages.
    """
    status = launcher.run(command)
    if status == INTERRUPTED:
        console.interrupted()
    if status < 0:
        console.error(f"rlkd: a process was ended by signal {-status}; what is finished is kept")
        return 1
    return status or (REJECTED if RunFolder(folder).rejected else 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
