"""A server that says of tokens how likely a model finds them, as vLLM's does: for tests without
vLLM. `test_served_teacher.py` compares the two where it is installed.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class TeacherServer:
    """A transformers model on loopback; the first `busy` requests are refused with 503."""

    def __init__(self, folder: Path, context: int = 4096, busy: int = 0) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.context, self.busy = context, busy
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                model = {"id": "t", "max_model_len": outer.context}
                self._send(200, {"data": [model]})

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.busy -= 1
                if outer.busy >= 0:
                    self._send(503, {})
                elif self.path == "/detokenize":
                    self._send(200, {"prompt": outer.tokenizer.decode(asked["tokens"])})
                else:
                    found = [{"prompt_logprobs": outer.log_probs(ids)} for ids in asked["prompt"]]
                    self._send(200, {"choices": found})

            def _send(self, status: int, body: dict[str, Any]) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def log_probs(self, ids: list[int]) -> list[dict[str, Any] | None]:
        import torch

        with torch.no_grad():
            said = torch.log_softmax(self.model(torch.tensor([ids])).logits[0], -1)
        after = [{str(b): {"logprob": said[i, b].item()}} for i, b in enumerate(ids[1:])]
        return [None, *after]

    def __enter__(self) -> "TeacherServer":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
