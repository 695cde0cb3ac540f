"""The OpenAI Batch API: the same replies for half the price, some hours later.

Requests are collected until no more come, sent as one file, and polled for. What was submitted is kept in a file
beside the output, by request, so that a run that was broken off picks its batches up again and pays for nothing
twice. A loop with a verifier becomes a few rounds of batches.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from rlkd_cli.errors import ModelError, RecordError, UsageError
from rlkd_cli.models.base import Message, Reply, Sampling, request_key
from rlkd_cli.models.endpoint import EndpointModel, Retry, error_text, hide_keys, read
from rlkd_cli.models.spec import batched
from rlkd_cli.models.usage import spend
from rlkd_cli.option import SERVER, option

IN_BATCHES = 10_000  # records in flight: a batch holds many requests, a reply takes hours
ENDED = ("completed", "failed", "expired", "cancelled")
MOST_REQUESTS, MOST_BYTES = (
    50_000,
    190_000_000,
)  # of one batch: 50,000 and 200 MB in OpenAI's documentation


@dataclass(frozen=True)
class BatchOptions:
    """`file` keeps what was submitted; `poll` is in seconds, `gather` how long no request must come before a batch leaves."""

    file: Path
    poll: float = 30.0
    gather: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Batching:
    """The Batch API of OpenAI and of servers that have it."""

    batch: Annotated[
        bool,
        option(
            "--batch",
            help="Ask through the Batch API: half the price, within a day. Needs -o.",
            panel=SERVER,
            free=True,
        ),
    ] = False
    batch_poll: Annotated[
        float,
        option(
            "--batch-poll",
            min=0.1,
            help="Seconds between looks at a batch.",
            panel=SERVER,
            free=True,
        ),
    ] = 30.0

    def batches(self, output: str | None) -> BatchOptions | None:
        """Where batches are kept; UsageError where there is no output file to keep them beside."""
        if not self.batch:
            return None
        if output in (None, "-"):
            raise UsageError(
                "--batch needs -o FILE: what was submitted is kept beside it, for a later run to collect"
            )
        file = Path(f"{output}.batches.jsonl")
        return BatchOptions(file, self.batch_poll, min(1.0, self.batch_poll))


class BatchModel:
    """A server's model asked in batches; bills tell it from the same model asked directly, for the price."""

    def __init__(self, endpoint: EndpointModel, options: BatchOptions) -> None:
        self.name, self._bill = endpoint.name, batched(endpoint.name)
        self._endpoint, self._options = endpoint, options
        self._waiting: dict[
            str, dict[str, Any]
        ] = {}  # by request key: bodies that no batch holds yet
        self._results: dict[str, asyncio.Future[Any]] = {}
        self._batch_of = self._submitted()
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by batch
        self._sender: asyncio.Task[None] | None = None

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        key = request_key([{"role": "model", "content": self._endpoint.model}, *messages], sampling)
        if key not in self._results:
            body = self._endpoint.request(messages, sampling)
            self._results[key] = asyncio.get_running_loop().create_future()
            if key in self._batch_of:
                self._watch(self._batch_of[key])
            else:
                self._waiting[key] = body
                if self._sender is None or self._sender.done():
                    self._sender = asyncio.create_task(self._send())
        response = await asyncio.shield(self._results[key])
        spend(self._bill, requests=1)
        if isinstance(response, str):
            raise RecordError("batch_failed", f"{self.name}: {response}")
        try:
            return read(response, sampling, self._bill)
        except Retry as failure:
            raise RecordError(failure.code, f"{self.name}: {failure.detail}") from failure

    async def close(self) -> None:
        for task in [*self._tasks.values(), *([self._sender] if self._sender else [])]:
            task.cancel()
        await self._endpoint.close()

    def _submitted(self) -> dict[str, str]:
        """The batch of each request that an earlier sitting submitted."""
        found: dict[str, str] = {}
        if self._options.file.exists():
            for line in self._options.file.read_text("utf-8").split("\n")[:-1]:
                entry = json.loads(line)
                found |= dict.fromkeys(entry["requests"], entry["batch"])
        return {key: batch for key, batch in found.items() if batch}

    async def _send(self) -> None:
        """Waits until no more requests come, then submits them in as few batches as the limits allow."""
        while self._waiting:
            count = -1
            while len(self._waiting) != count:
                count = len(self._waiting)
                await asyncio.sleep(self._options.gather)
            lot, size = dict[str, bytes](), 0
            for key in list(self._waiting):
                line = {
                    "custom_id": key,
                    "method": "POST",
                    "url": "/v1/chat/completions",
                    "body": self._waiting[key],
                }
                data = json.dumps(line).encode() + b"\n"
                if len(lot) == MOST_REQUESTS or (lot and size + len(data) > MOST_BYTES):
                    break
                lot[key], size = data, size + len(data)
                del self._waiting[key]
            try:
                await self._submit(lot)
            except Exception as error:
                self._fail(
                    lot,
                    error if isinstance(error, ModelError) else ModelError(f"{self.name}: {error}"),
                )

    async def _submit(self, lot: dict[str, bytes]) -> None:
        import aiohttp

        form = aiohttp.FormData({"purpose": "batch"})
        form.add_field(
            "file",
            b"".join(lot.values()),
            filename="requests.jsonl",
            content_type="application/jsonl",
        )
        file = json.loads(await self._call("POST", "/files", data=form))
        terms = {
            "input_file_id": file["id"],
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        }
        batch = json.loads(await self._call("POST", "/batches", json=terms))["id"]
        self._remember(batch, list(lot))
        self._batch_of |= dict.fromkeys(lot, batch)
        self._watch(batch)

    async def _call(self, method: str, path: str, **content: Any) -> bytes:
        """One request's response; ModelError where it fails, after retries of those that change nothing."""
        import aiohttp

        options = self._endpoint.options
        tries = options.max_retries + 1 if method == "GET" else 1
        for attempt in range(tries):
            reason = ""
            try:
                async with self._endpoint.session().request(
                    method, self._endpoint.base_url + path, **content
                ) as response:
                    body: bytes = await response.read()
                    if response.status == 200:
                        return body
                    reason = f"HTTP {response.status}: {error_text(body)}"
                    if response.status < 500 and response.status != 429:
                        break
            except (TimeoutError, aiohttp.ClientError) as error:
                reason = str(error) or type(error).__name__
            await asyncio.sleep(min(2.0**attempt, self._options.poll) if attempt + 1 < tries else 0)
        raise ModelError(f"{self.name}: {method} {path}: {hide_keys(reason)}")

    def _remember(self, batch: str | None, requests: list[str]) -> None:
        with self._options.file.open("a", encoding="utf-8") as out:
            out.write(json.dumps({"batch": batch, "requests": requests}) + "\n")

    def _watch(self, batch: str) -> None:
        if batch not in self._tasks:
            self._tasks[batch] = asyncio.create_task(self._collect(batch))

    async def _collect(self, name: str) -> None:
        """Polls a batch until it has ended and hands its results out; what it does not hold has failed."""
        mine = [key for key, batch in self._batch_of.items() if batch == name]
        try:
            while (batch := json.loads(await self._call("GET", f"/batches/{name}")))[
                "status"
            ] not in ENDED:
                await asyncio.sleep(self._options.poll)
            for file in (batch.get("output_file_id"), batch.get("error_file_id")):
                lines = (
                    (await self._call("GET", f"/files/{file}/content")).split(b"\n") if file else []
                )
                for line in lines:
                    if line.strip():
                        self._hand_out(json.loads(line))
        except Exception as error:
            self._fail(
                mine,
                error
                if isinstance(error, ModelError)
                else ModelError(f"{self.name}: batch {name}: {error}"),
            )
            return
        lost = [key for key in mine if not (key in self._results and self._results[key].done())]
        if lost:
            self._remember(None, lost)  # so that a later run submits them anew
        for key in lost:
            self._settle(key, f"batch {name} is {batch['status']} and holds no reply")

    def _hand_out(self, entry: dict[str, Any]) -> None:
        body = (entry.get("response") or {}).get("body") or {}
        said = entry.get("error") or body.get("error")
        response = said.get("message", str(said)) if isinstance(said, dict) else said
        self._settle(entry["custom_id"], response or body)

    def _settle(self, key: str, response: Any) -> None:
        future = self._results.setdefault(key, asyncio.get_running_loop().create_future())
        if not future.done():
            future.set_result(response)

    def _fail(self, keys: Any, error: Exception) -> None:
        for key in keys:
            if key in self._results and not self._results[key].done():
                self._results[key].set_exception(error)
