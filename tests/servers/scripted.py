"""A chat-completions server on loopback whose behaviour a test writes down: a function from request to response."""

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
    """What goes back: `text` inside a proper completion, or a raw `body`; `cut` closes the connection half-way."""

    text: str = STEPS
    status: int = 200
    finish_reason: str = "stop"
    body: bytes | None = None
    delay: float = 0.0
    cut: bool = False
    headers: tuple[tuple[str, str], ...] = ()

    def payload(self) -> bytes:
        if self.body is not None:
            return self.body
        choice = {"index": 0, "finish_reason": self.finish_reason, "message": {"role": "assistant", "content": self.text}}
        usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
        reply = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}
        return json.dumps(reply).encode()


class ScriptedServer:
    """Records every request; `script` gets the request's JSON and its number (from 0) and returns a Response."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.script: Callable[[dict[str, Any], int], Response] = lambda request, number: Response()
        lock, outer = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    number = len(outer.requests)
                    outer.requests.append(request)
                response = outer.script(request, number)
                time.sleep(response.delay)
                self._send(response)

            def do_GET(self) -> None:
                models = {"object": "list", "data": [{"id": "m", "object": "model", "created": 0, "owned_by": "x"}]}
                self._send(Response(body=json.dumps(models).encode()))

            def _send(self, response: Response) -> None:
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
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1#m"

    def __enter__(self) -> "ScriptedServer":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
