"""A hub on loopback: what `datasets` and `huggingface_hub` ask of one to load a data set and to
upload a model.
"""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlparse


class Hub:
    """`files[repository, revision][name]` is a data set file's text; `gated` repositories refuse
    theirs.

    `uploaded` holds the names of the files committed to a model repository, by repository.
    """

    def __init__(self) -> None:
        self.files: dict[tuple[str, str], dict[str, str]] = {}
        self.gated: set[str] = set()
        self.uploaded: dict[str, list[str]] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send(*outer.get(unquote(urlparse(self.path).path)))

            do_HEAD = do_GET

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                self._send(*outer.post(urlparse(self.path).path, sent))

            def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def post(self, path: str, sent: bytes) -> tuple[int, bytes, dict[str, str]]:
        """A repository that is made, the question how files are to be sent, and a commit."""
        if path == "/api/repos/create":
            repository = "me/" + json.loads(sent)["name"]
            self.uploaded[repository] = []
            return self._json(200, {"url": f"{self.url}/{repository}", "id": repository})
        _, _, _, owner, name, kind, *_ = path.split("/")
        repository = f"{owner}/{name}"
        if kind == "preupload":
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(sent)["files"]
            ]
            return self._json(200, {"files": files})
        lines = [json.loads(line) for line in sent.split(b"\n") if line]
        self.uploaded[repository] += [
            line["value"]["path"] for line in lines if line["key"] == "file"
        ]
        return self._json(
            200,
            {"commitUrl": f"{self.url}/{repository}/commit/1", "commitOid": "1", "success": True},
        )

    def get(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """(status, body, headers) for a path such as /api/datasets/OWNER/NAME/revision/REVISION."""
        words = path.removeprefix("/api").strip("/").split("/")
        if words[0] != "datasets" or len(words) < 5:
            return self._json(404, {"error": "not found"})
        repository, kind, revision = "/".join(words[1:3]), words[3], words[4]
        files = self.files.get((repository, revision))
        if files is None:
            return self._json(
                404, {"error": "no such revision"}, {"X-Error-Code": "RevisionNotFound"}
            )
        listed = [
            {"type": "file", "path": name, "size": len(text.encode()), "oid": oid(text)}
            for name, text in files.items()
        ]
        if kind == "resolve":
            name = "/".join(words[5:])
            if name not in files:
                return self._json(
                    404,
                    {"error": "no such file"},
                    {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": revision},
                )
            if repository in self.gated:
                said = (
                    f"Access to dataset {repository} is restricted. You must have "
                    f"access to it and be authenticated."
                )
                return self._json(
                    401, {"error": said}, {"X-Error-Code": "GatedRepo", "X-Error-Message": said}
                )
            return (
                200,
                files[name].encode(),
                {"ETag": f'"{oid(files[name])}"', "X-Repo-Commit": revision},
            )
        if kind == "revision":
            about = {
                "id": repository,
                "sha": revision,
                "private": False,
                "gated": repository in self.gated,
                "tags": [],
            }
            return self._json(200, {**about, "siblings": [{"rfilename": name} for name in files]})
        if kind == "tree":
            below = "/".join(words[5:])
            return self._json(200, [entry for entry in listed if entry["path"].startswith(below)])
        return self._json(200, listed)

    @staticmethod
    def _json(
        status: int, content: Any, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        return (
            status,
            json.dumps(content).encode(),
            {"Content-Type": "application/json", **(headers or {})},
        )

    def __enter__(self) -> "Hub":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def oid(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()
