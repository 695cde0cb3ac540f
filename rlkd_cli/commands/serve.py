"""`rlkd serve`."""

import asyncio
import ipaddress
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rlkd_cli import console
from rlkd_cli.commands.common import Running
from rlkd_cli.errors import INTERRUPTED, OutputError, UsageError
from rlkd_cli.models.masks import remember
from rlkd_cli.models.spec import shown
from rlkd_cli.option import SERVER, option
from rlkd_cli.reward.engine import Engine
from rlkd_cli.reward.rewarding import Rewarding
from rlkd_cli.reward.server.app import Place, RewardServer
from rlkd_cli.reward.teacher import Teacher


@dataclass(frozen=True, kw_only=True)
class Options(Running, Rewarding):
    host: Annotated[
        str,
        option("--host", help="Where to listen; other than loopback needs a token.", panel=SERVER),
    ] = "127.0.0.1"
    port: Annotated[
        int, option("--port", min=0, max=65535, help="0: any that is free.", panel=SERVER)
    ] = 8900
    token_file: Annotated[
        Path | None,
        option(
            "--token-file",
            metavar="FILE",
            help="Answer only those who send the token in this file, as a bearer or as the "
            "password of the address.",
            panel=SERVER,
            file="in",
        ),
    ] = None
    max_queue: Annotated[
        int,
        option(
            "--max-queue",
            min=1,
            help="Samples taken in at a time; more are told to come again (503; ours).",
            panel=SERVER,
        ),
    ] = 4096


def run(options: Options) -> int | None:
    """Listens until SIGTERM or Ctrl-C, then answers what is under way and ends.

    POST `/v1/reward`, `/openrlhf`, `/slime` and `/verify` (NeMo Gym); GET `/health` and `/metrics`.
    """
    options.check()
    place = Place(options.host, options.port, _token(options), options.max_queue)
    teacher = Teacher.read(options)
    if options.dry_run:
        rows = [("problems", f"{len(teacher):,}"), ("judge", shown(options.judge))]
        rows += [
            ("GSRM", shown(options.gsrm or "none")),
            ("listens on", f"{place.host}:{place.port}"),
        ]
        return console.table("serve (dry run)", rows)
    engine = Engine(options, teacher, lambda line: console.message(line, "yellow"))
    engine.open()
    return asyncio.run(_serve(RewardServer(engine, place), options, len(teacher)))


def _token(options: Options) -> str | None:
    """The token; UsageError where one is needed and there is none."""
    if options.token_file:
        try:
            token = options.token_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "no text in UTF-8"
            raise UsageError(f"--token-file {options.token_file}: {why}") from None
        if not token:
            raise UsageError(f"--token-file {options.token_file}: it is empty")
        remember(token)
        return token
    if not _is_loopback(options.host):
        raise UsageError(
            f"--host {options.host}: others could ask for rewards; --token-file FILE says who may"
        )
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _serve(server: RewardServer, options: Options, problems: int) -> int:
    """Listens, and waits for the signal that ends it; the exit status."""
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def end(number: int) -> None:
        if ended.done():  # a second signal does not wait
            raise SystemExit(128 + number)
        ended.set_result(INTERRUPTED if number == signal.SIGINT else 0)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end, number)
    try:
        address = await server.start()
    except OSError as error:
        await server.stop()
        raise OutputError(f"{options.host}:{options.port}: {error.strerror}") from None
    console.message(f"serve: {problems:,} problems; listening on {address}")
    status = await ended
    if not options.quiet:
        console.message("serve: answering what is under way")
    await server.stop()
    return status
