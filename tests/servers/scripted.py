"""A chat-completions server on loopback whose behaviour a test writes down: a function from
request to response.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

STEPS = "[Meta-reasoning 1]: Choose a.\n[Sub-problem 1]: What is a?\n[Answer 1]: 1"


@dataclass
class Response:
    """What goes back: `text` inside a proper completion, or a raw `body`; `cut` closes the
    connection half-way, `hangs_up` before a word.
    """

    text: str = STEPS
    status: int = 200
    finish_reason: str = "stop"
    body: bytes | None = None
    delay: float = 0.0
    cut: bool = False
    hangs_up: bool = False
    headers: tuple[tuple[str, str], ...] = ()

    def payload(self) -> bytes:
        if self.body is not None:
            return self.body
        choice = {
            "index": 0,
            "finish_reason": self.finish_reason,
            "message": {"role": "assistant", "content": self.text},
        }
        usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
        reply = {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [choice],
            "usage": usage,
        }
        return json.dumps(reply).encode()


class Batches:
    """The Batch API: files in, a batch that has ended at the `looks`-th look at it, a file out.

    One that did not complete says its `errors`, and holds the results of its first `partial`
    requests.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.batches: list[dict[str, Any]] = []
        self.looks = 2
        self.status = "completed"
        self.errors: dict[str, Any] | None = None
        self.partial = 0

    def post(self, path: str, body: bytes) -> dict[str, Any]:
        if path.endswith("/files"):
            name = f"file-{len(self.files)}"
            lines = [
                line for line in body.split(b"\n") if line.startswith(b'{"custom_id"')
            ]  # out of the multipart form
            self.files[name] = b"\n".join(lines)
            return {
                "id": name,
                "object": "file",
                "bytes": 1,
                "created_at": 0,
                "filename": "x",
                "purpose": "batch",
            }
        request = json.loads(body)
        batch = {
            "id": f"batch-{len(self.batches)}",
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "created_at": 0,
        }
        batch |= {
            "input_file_id": request["input_file_id"],
            "completion_window": "24h",
            "status": "in_progress",
            "looks": 0,
        }
        self.batches.append(batch)
        return batch

    def get(self, path: str, script: Callable[[dict[str, Any], int], Response]) -> bytes:
        name = path.split("/")[3]
        if path.endswith("/content"):
            return self.files[name]
        batch = next(batch for batch in self.batches if batch["id"] == name)
        batch["looks"] += 1
        if batch["looks"] == self.looks:
            batch["status"] = self.status
            results = []
            for number, line in enumerate(self.files[batch["input_file_id"]].split(b"\n")):
                request = json.loads(line)
                response = script(request["body"], number)
                answer = {"status_code": response.status, "body": json.loads(response.payload())}
                results.append(
                    json.dumps(
                        {
                            "id": "x",
                            "custom_id": request["custom_id"],
                            "response": answer,
                            "error": None,
                        }
                    )
                )
            if self.errors:
                batch["errors"] = self.errors
            if self.status != "completed":
                results = results[: self.partial]
            if results:
                batch["output_file_id"] = f"out-{name}"
                self.files[f"out-{name}"] = "\n".join(reversed(results)).encode()
        return json.dumps(batch).encode()


class ScriptedServer:
    """Records every request; `script` gets the request's JSON and its number (from 0) and returns
    a Response.

    On a `port` of its own choice, unless one is given.
    """

    def __init__(self, port: int = 0) -> None:
        self.requests: list[dict[str, Any]] = []
        self.about: dict[str, Any] = {}  # what the server says of its model
        self.listing = 200  # the status of the list of models
        self.batches = Batches()
        self.script: Callable[[dict[str, Any], int], Response] = lambda request, number: Response()
        lock, outer = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not self.path.partition("?")[0].endswith("/chat/completions"):
                    with lock:
                        return self._send(
                            Response(body=json.dumps(outer.batches.post(self.path, body)).encode())
                        )
                request = json.loads(body)
                with lock:
                    number = len(outer.requests)
                    outer.requests.append(request)
                response = outer.script(request, number)
                time.sleep(response.delay)
                self._send(response)

            def do_GET(self) -> None:
                if not self.path.partition("?")[0].endswith("/models"):
                    with lock:
                        return self._send(Response(body=outer.batches.get(self.path, outer.script)))
                model = {"id": "m", "object": "model", "created": 0, "owned_by": "x", **outer.about}
                listed = json.dumps({"object": "list", "data": [model]}).encode()
                self._send(Response(body=listed, status=outer.listing))

            def _send(self, response: Response) -> None:
                if response.hangs_up:
                    self.close_connection = True
                    return
                payload = response.payload()
                self.send_response(response.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                for name, value in response.headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(payload[: len(payload) // 2] if response.cut else payload)
                self.close_connection = response.cut

            def log_message(self, *args: object) -> None:
                pass

        ThreadingHTTPServer.request_queue_size = 256
        ThreadingHTTPServer.handle_error = lambda *args: None  # type: ignore[method-assign]  # clients that went away
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1#m"

    def __enter__(self) -> "ScriptedServer":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
