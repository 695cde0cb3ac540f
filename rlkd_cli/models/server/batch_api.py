"""The OpenAI Batch API: the same replies for half the price, some hours later.

Requests are collected until no more come, sent as one file, and polled for. What was submitted is
kept in a file beside the output, by request, so that a run that was broken off picks its batches up
again and pays for nothing twice. A loop with a verifier becomes a few rounds of batches. Requests
that a batch did not get to (it failed, expired, had too much to do) are nobody's fault: the run
gets on with all others, ends unfinished, and the next run submits them again.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from rlkd_cli.errors import ModelError, Unavailable
from rlkd_cli.models.base import Message, Reply, Sampling, request_key
from rlkd_cli.models.masks import hide_keys
from rlkd_cli.models.options import BatchOptions
from rlkd_cli.models.providers import BATCH_BYTES, BATCH_REQUESTS
from rlkd_cli.models.server import faults
from rlkd_cli.models.server.backoff import pause
from rlkd_cli.models.server.endpoint import EndpointModel
from rlkd_cli.models.server.faults import Fault, fault_of
from rlkd_cli.models.server.replies import read
from rlkd_cli.models.server.said import Said
from rlkd_cli.models.spec import batched
from rlkd_cli.models.usage import spend

IN_BATCHES = 10_000  # records in flight: a batch holds many requests, a reply takes hours
ENDED = ("completed", "failed", "expired", "cancelled")
_MOST_LESSONS = 12


class BatchModel:
    """A server's model asked in batches; bills name it apart, for its price is another."""

    def __init__(self, endpoint: EndpointModel, options: BatchOptions) -> None:
        self.name, self._bill = endpoint.name, batched(endpoint.name)
        self.in_flight = IN_BATCHES
        self._endpoint, self._options = endpoint, options
        self._waiting: dict[str, dict[str, Any]] = {}  # bodies that no batch holds yet, by request
        self._results: dict[str, asyncio.Future[Any]] = {}  # a response's body, or a Fault
        self._batch_of = self._submitted()
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by batch
        self._sender: asyncio.Task[None] | None = None

    @property
    def tell(self) -> Callable[[str], None]:
        return self._endpoint.tell

    @tell.setter
    def tell(self, tell: Callable[[str], None]) -> None:
        self._endpoint.tell = tell

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        key = request_key([{"role": "model", "content": self._endpoint.model}, *messages], sampling)
        for _ in range(_MOST_LESSONS):
            body = self._endpoint.request(messages, sampling)
            outcome = await asyncio.shield(self._outcome(key, body))
            spend(self._bill, requests=1)
            try:
                if isinstance(outcome, Fault):
                    raise outcome
                return read(outcome, sampling, self._bill)
            except Fault as fault:
                if self._endpoint.learn(fault, body):
                    self._forget([key])
                    continue
                if fault.kind in (faults.END, faults.REJECT):
                    raise self._endpoint.final(fault, body) from None
                self._forget([key])
                raise await self._put_off(fault) from None
        raise ModelError(f"{self.name}: refuses its requests, whatever is left out of them")

    async def close(self) -> None:
        for task in [*self._tasks.values(), *([self._sender] if self._sender else [])]:
            task.cancel()
        await self._endpoint.close()

    def _outcome(self, key: str, body: dict[str, Any]) -> "asyncio.Future[Any]":
        """What comes of a request: picked up if an earlier run submitted it, else submitted."""
        if key not in self._results:
            self._results[key] = asyncio.get_running_loop().create_future()
            if key in self._batch_of:
                self._watch(self._batch_of[key])
            else:
                self._waiting[key] = body
                if self._sender is None or self._sender.done():
                    self._sender = asyncio.create_task(self._send())
        return self._results[key]

    def _submitted(self) -> dict[str, str]:
        """The batch of each request that an earlier run submitted; a torn line is none."""
        found: dict[str, str | None] = {}
        if self._options.file.exists():
            for line in self._options.file.read_text("utf-8", "replace").split("\n"):
                with suppress(ValueError, KeyError, TypeError):
                    entry = json.loads(line)
                    found |= dict.fromkeys(entry["requests"], entry["batch"])
        return {key: batch for key, batch in found.items() if batch}

    def _remember(self, batch: str | None, requests: list[str]) -> None:
        """A line for the next run, on a line of its own even after one that was torn."""
        with self._options.file.open("ab+") as out:
            line = json.dumps({"batch": batch, "requests": requests}) + "\n"
            if out.seek(0, 2):
                out.seek(-1, 2)
                line = line if out.read(1) == b"\n" else "\n" + line
            out.write(line.encode())

    def _forget(self, keys: list[str]) -> None:
        """No batch holds these any more: whoever asks for them again has them submitted anew."""
        self._remember(None, keys)
        for key in keys:
            self._results.pop(key, None)
            self._batch_of.pop(key, None)

    async def _put_off(self, fault: Fault) -> Exception:
        """What ends the run for a request that no batch got to, once nothing else is under way."""
        self._endpoint.say(f"{hide_keys(fault.text)}; to be submitted again by the next run")
        while self._waiting or any(not task.done() for task in self._all_tasks()):
            await asyncio.sleep(self._options.gather)
        return Unavailable(
            f"{self.name}: {hide_keys(fault.text)}; what is finished is kept: "
            "run the same command again to submit the rest anew"
        )

    def _all_tasks(self) -> list["asyncio.Task[None]"]:
        return [*self._tasks.values(), *([self._sender] if self._sender else [])]

    async def _send(self) -> None:
        """Waits until no more requests come, then submits them in as few batches as may be."""
        while self._waiting:
            count = -1
            while len(self._waiting) != count:
                count = len(self._waiting)
                await asyncio.sleep(self._options.gather)
            lot = self._lot()
            try:
                await self._submit(lot)
            except Exception as error:
                self._fail(lot, error)

    def _lot(self) -> dict[str, bytes]:
        """The next batch's lines, by request, taken from those that wait."""
        lot, size = dict[str, bytes](), 0
        for key in list(self._waiting):
            line = {"custom_id": key, "method": "POST", "url": "/v1/chat/completions"}
            data = json.dumps({**line, "body": self._waiting[key]}).encode() + b"\n"
            if len(lot) == BATCH_REQUESTS or (lot and size + len(data) > BATCH_BYTES):
                break
            lot[key], size = data, size + len(data)
            del self._waiting[key]
        return lot

    async def _submit(self, lot: dict[str, bytes]) -> None:
        import aiohttp

        def form() -> Any:  # a form can be sent once
            data = aiohttp.FormData({"purpose": "batch"})
            lines, kind = b"".join(lot.values()), "application/jsonl"
            data.add_field("file", lines, filename="requests.jsonl", content_type=kind)
            return {"data": data}

        file = json.loads(await self._call("POST", "/files", form))
        terms = {
            "input_file_id": file["id"],
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        }
        batch = json.loads(await self._call("POST", "/batches", lambda: {"json": terms}))["id"]
        self._remember(batch, list(lot))
        self._batch_of |= dict.fromkeys(lot, batch)
        self._watch(batch)

    async def _call(
        self, method: str, path: str, content: Callable[[], dict[str, Any]] = dict
    ) -> bytes:
        """One request's response; ModelError where it fails.

        Only what changes nothing is tried again: reading, and what the server did not take.
        """
        tries = 0
        while True:
            try:
                return await self._once(method, path, content())
            except Fault as fault:
                if fault.kind == faults.AWAY:
                    await self._endpoint.pace.away(hide_keys(fault.text))
                    continue
                passes = fault.kind == faults.SLOW or (
                    method == "GET" and fault.kind == faults.RETRY
                )
                if not passes or tries == self._endpoint.options.max_retries:
                    said = hide_keys(fault.text)
                    raise ModelError(f"{self.name}: {method} {path}: {said}") from None
                await asyncio.sleep(min(pause(tries, fault.after), self._options.poll))
                tries += 1

    async def _once(self, method: str, path: str, content: dict[str, Any]) -> bytes:
        """One try. Fault by what the answer means."""
        import aiohttp

        url = self._endpoint.address.at(path)
        try:
            async with self._endpoint.session().request(method, url, **content) as response:
                body: bytes = await response.read()
                self._endpoint.pace.answered()
                if response.status == 200:
                    return body
                raise fault_of(response.status, body, response.headers)
        except aiohttp.ClientConnectorError as error:
            raise self._endpoint.no_connection(error) from None
        except (TimeoutError, aiohttp.ClientError) as error:
            text = str(error) or type(error).__name__
            raise Fault(faults.RETRY, "no_connection", text) from None

    def _watch(self, batch: str) -> None:
        if batch not in self._tasks:
            self._tasks[batch] = asyncio.create_task(self._collect(batch))

    async def _collect(self, name: str) -> None:
        """Polls a batch until it has ended; hands its results out, and why the rest have none."""
        mine = [key for key, batch in self._batch_of.items() if batch == name]
        try:
            while (batch := json.loads(await self._call("GET", f"/batches/{name}")))[
                "status"
            ] not in ENDED:
                await asyncio.sleep(self._options.poll)
            for file in (batch.get("output_file_id"), batch.get("error_file_id")):
                lines = (await self._call("GET", f"/files/{file}/content")) if file else b""
                for line in filter(bytes.strip, lines.split(b"\n")):
                    entry = json.loads(line)
                    if self._batch_of.get(entry["custom_id"]) == name:  # not submitted anew since
                        self._hand_out(entry)
        except Exception as error:
            self._fail(mine, error)
            return
        why = f": {Said.of(batch['errors']).text}" if batch.get("errors") else ""
        lost = Fault(faults.RETRY, "batch_failed", f"batch {name} is {batch['status']}{why}")
        self._forget_lost([key for key in mine if not self._is_settled(key)], lost)

    def _forget_lost(self, keys: list[str], fault: Fault) -> None:
        """Requests without a result: their callers hear why, the next run submits them anew."""
        if keys:
            self._remember(None, keys)
        for key in keys:
            self._settle(key, fault)

    def _is_settled(self, key: str) -> bool:
        return key in self._results and self._results[key].done()

    def _hand_out(self, entry: dict[str, Any]) -> None:
        """A line of a batch's output: a response, or what went wrong with its request."""
        response = entry.get("response") or {}
        status, body = int(response.get("status_code") or 200), response.get("body") or {}
        if entry.get("error"):
            body, status = {"error": entry["error"]}, status if status >= 400 else 200
        if status >= 400 or (isinstance(body, dict) and body.get("error")):
            body = fault_of(status, body)
        self._settle(entry["custom_id"], body)

    def _settle(self, key: str, response: Any) -> None:
        future = self._results.setdefault(key, asyncio.get_running_loop().create_future())
        if not future.done():
            future.set_result(response)

    def _fail(self, keys: Any, error: Exception) -> None:
        """A failure that is no request's: whoever waits for one of these ends the run with it."""
        if not isinstance(error, ModelError):
            error = ModelError(f"{self.name}: {hide_keys(str(error))}")
        for key in keys:
            if key in self._results and not self._results[key].done():
                self._results[key].set_exception(error)
