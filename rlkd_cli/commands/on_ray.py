"""Slices of a command as Ray tasks: each is the same command on `--shard I/N`.

Ray places them, gives them devices, and starts those again whose process or machine is lost: they
go on from their journals. Everything else is as in a job array.
"""

import io
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from rlkd_cli import __version__, console, ranks
from rlkd_cli.errors import INTERRUPTED, REJECTED, RlkdError, UsageError
from rlkd_cli.models.spec import engine_of
from rlkd_cli.pipeline.ledger import Ledger
from rlkd_cli.records.output import FileOutput
from rlkd_cli.records.read import Input
from rlkd_cli.records.shards import MARK, Follower, Shard, folder_of

LOSSES = 5  # how often a task's process or machine may be lost (ours)
LOOKS = 0.5  # seconds between two looks at how far the tasks are
GRACE = 60.0  # seconds in which interrupted tasks end
CONNECT = 10.0  # seconds in which a cluster answers
NODES = 60.0  # seconds in which every machine says whether it sees the output's folder
# What the environment says of models, keys and caches; tasks get it, and no file or log does
CARRIED = ("RLKD_", "HF_", "VLLM_")
ENDINGS = ("_API_KEY", "_BASE_URL", "_PROXY")
OWN = {"launch": None, "num_processes": None, "gpus_per_process": 0.0, "plot": None}
OWN |= {"export": None, "json_summary": False, "show": None, "overwrite": False, "quiet": True}


class TaskFailed(RlkdError):
    """A task could not do its slice; what is finished is kept."""

    def __init__(self, text: str, status: int = 1) -> None:
        self.exit_status = status
        super().__init__(text)


@dataclass(frozen=True)
class Task:
    """What a task is told: a slice of a command, and where it has to find what.

    `mark` is a file that this run has made beside the parts. `names` are those of the machines.
    """

    command: str
    options: Any
    folder: str
    environment: Mapping[str, str]
    mark: Path
    names: Mapping[str, str]


@dataclass(frozen=True)
class End:
    """How a task ended: the exit status, and why."""

    status: int
    said: str = ""


def launch(
    command: str,
    options: Any,
    models: Sequence[str],
    source: Input,
    output: FileOutput,
    view: console.View,
) -> None:
    """Has tasks do all that is missing. UsageError and TaskFailed where they cannot."""
    whole, count = output.path, int(options.num_processes)
    shards = [Shard(whole, index, count) for index in range(1, count + 1)]
    shared = task_options(options, output, count)
    output.release()
    with _connected(options), _marked(whole) as mark:
        names = _names()
        _check_machines(names, mark, options, models)
        work = (str(Path.cwd()), _environment(), mark, names)
        tasks = [Task(command, replace(shared, shard=str(shard)), *work) for shard in shards]
        follower = Follower(whole, output.count)
        _run_all(tasks, options.gpus_per_process, follower, view)
    output.read_anew()
    if not output.is_done:
        raise TaskFailed(
            f"{whole}: the tasks' parts are not the whole: did {source.source} change?"
        )


def task_options(options: Any, output: FileOutput, count: int) -> Any:
    """The options of a task: limits on what is asked and spent are shared out evenly."""
    own: dict[str, Any] = {}
    for name in ("rpm", "tpm"):
        if limit := getattr(options, name):
            own[name] = max(1, limit // count)
    if options.max_cost is not None:
        elsewhere = Ledger(options.prices)
        elsewhere.carry_over(output.usage_beside(count), output.codes)
        own["max_cost"] = max(0.0, options.max_cost - (elsewhere.cost or 0.0)) / count
    known = {field.name for field in fields(options)}
    return replace(options, **own, **{k: v for k, v in OWN.items() if k in known})


def _environment() -> dict[str, str]:
    named = os.environ.items()
    return {k: v for k, v in named if k.startswith(CARRIED) or k.upper().endswith(ENDINGS)}


@contextmanager
def _connected(options: Any) -> Iterator[None]:
    """A cluster: the one at the address, else that of RAY_ADDRESS, else one on this machine."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    import ray

    address = options.launch.partition(":")[2] or os.environ.get("RAY_ADDRESS") or None
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if address is None:  # a cluster has its own
        quiet |= {"num_cpus": max(options.num_processes, os.cpu_count() or 1)}
        quiet |= {"include_dashboard": False}
    with redirect_stdout(Ears()):
        try:
            _check_answers(address or "")
            ray.init(address=address, **quiet)
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).strip().split("\n")[0]
            raise UsageError(f"--launch {options.launch}: no cluster there ({reason})") from None
        try:
            yield
        finally:
            ray.shutdown()


class Ears(io.TextIOBase):
    """Takes what Ray prints on standard output; what matters of it is one line for people."""

    def write(self, text: str) -> int:
        if left := re.search(r"There are (\d+) retries remaining", text):
            said = "a task's process or machine is lost; it is started again, and goes on"
            console.message(f"{said} ({left.group(1)} more losses are borne)", "yellow")
        return len(text)


def _check_answers(address: str) -> None:
    """OSError where nobody answers at HOST:PORT, for which Ray would wait for minutes."""
    host, _, port = address.rpartition(":")
    if host and "/" not in host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=CONNECT).close()


@contextmanager
def _marked(whole: Path) -> Iterator[Path]:
    """A file beside the parts, that every machine must see."""
    folder = folder_of(whole).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{MARK}*"):  # by a run that was killed: this one holds the output now
        left.unlink(missing_ok=True)
    mark = folder / f"{MARK}{secrets.token_hex(4)}"
    mark.touch()
    try:
        yield mark
    finally:
        mark.unlink(missing_ok=True)


def _names() -> dict[str, str]:
    """The machines of the cluster, by their ids."""
    import ray

    alive = [node for node in ray.nodes() if node["Alive"]]
    return {node["NodeID"]: str(node.get("NodeName") or node["NodeID"][:8]) for node in alive}


def _check_machines(
    names: Mapping[str, str], mark: Path, options: Any, models: Sequence[str]
) -> None:
    """UsageError where a machine lacks this rlkd or does not see the output's folder, and where
    none has the devices of a task.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    _check_devices(options, models)
    look = ray.remote(num_cpus=0, max_retries=0)(problem_of)
    asked = {}
    for node in names:
        there = NodeAffinitySchedulingStrategy(node, soft=False)
        asked[node] = look.options(scheduling_strategy=there).remote(__version__, mark)
    for node, reference in asked.items():
        try:
            problem = ray.get(reference, timeout=NODES)
        except ray.exceptions.RayError as error:
            problem = _reason(error) if node in _names() else ""  # or it has died in between
        if problem:
            raise UsageError(f"--launch {options.launch}: machine {names[node]}: {problem}")


def _check_devices(options: Any, models: Sequence[str]) -> None:
    import ray

    wanted = options.gpus_per_process
    most = max(node["Resources"].get("GPU", 0) for node in ray.nodes() if node["Alive"])
    if wanted > most:
        said = f"no machine of the cluster has more than {most:g}"
        raise UsageError(f"--gpus-per-process {wanted:g}: {said}")
    local = [one for one in models if engine_of(one) in ("hf", "vllm", "any")]
    if local and most and not wanted:
        said = "each task gets no accelerator; --gpus-per-process 1 gives it one"
        console.message(f"{local[0]}: {said}", "yellow")


def problem_of(version: str, mark: Path) -> str:
    """In a task: why its machine cannot work, "" where it can."""
    if version != __version__:
        return f"has rlkd {__version__}, this is {version}"
    if not mark.exists():
        return f"does not see {mark.parent}: -o must be on storage that all machines share"
    return ""


def run_task(task: Task) -> End:
    """In a task: the command on its slice."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    os.environ.update(task.environment)
    os.environ[ranks.MACHINE] = task.names.get(node, node[:8])
    if problem := problem_of(__version__, task.mark):
        return End(2, f"machine {ranks.machine()} {problem}")
    console.mute()
    try:
        os.chdir(task.folder)
        module = import_module(f"rlkd_cli.commands.{task.command}")
        return End(module.run(task.options) or 0)
    except RlkdError as error:
        return End(error.exit_status, str(error))
    except KeyboardInterrupt:
        return End(INTERRUPTED, "interrupted")
    except Exception as error:
        return End(1, f"{type(error).__name__}: {error}")


def _run_all(tasks: Sequence[Task], devices: float, follower: Follower, view: console.View) -> None:
    """Starts the tasks and waits for all; the first that fails ends the others."""
    import ray

    remote = ray.remote(max_calls=1, max_retries=LOSSES, num_cpus=1, num_gpus=devices)(run_task)
    spread = remote.options(scheduling_strategy="SPREAD")
    running = {spread.remote(task): task.options.shard for task in tasks}
    began, before = time.monotonic(), follower.count
    try:
        while running:
            ready, _ = ray.wait([*running], timeout=LOOKS)
            for reference in ready:
                _settle(reference, running.pop(reference))
            rate = (follower.look() - before) / max(time.monotonic() - began, 1e-9)
            view.show(follower.count, lambda: f"{rate:.1f}/s, {len(running)} tasks")  # noqa: B023
    except BaseException:
        for reference in running:
            ray.cancel(reference)
        ray.wait([*running], num_returns=len(running), timeout=GRACE) if running else None
        raise


def _settle(reference: Any, shard: str) -> None:
    """TaskFailed where a task did not do its slice."""
    import ray

    again = "what is finished is kept: run the same command again to go on"
    try:
        end: End = ray.get(reference)
    except ray.exceptions.RayError as error:
        raise TaskFailed(f"shard {shard}: {_reason(error)}; {again}") from None
    if end.status not in (0, REJECTED):
        raise TaskFailed(f"shard {shard}: {end.said}", end.status)


def _reason(error: Exception) -> str:
    """What Ray says, without its traceback."""
    lines = [line.strip() for line in str(error).strip().split("\n") if line.strip()]
    return lines[-1] if "Traceback" in str(error) else lines[0]
