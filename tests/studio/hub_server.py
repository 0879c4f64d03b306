"""A hub on this machine: the routes that adding a model asks, those that diffusers asks, and a way
to hold its bytes."""

import hashlib
import json
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

COMMIT = "c" * 40
REFUSED = {"gated/model": (403, "GatedRepo"), "odd/model": (503, "")}


@dataclass
class HubServer:
    """Serves each model of `models` (id → folder). Clear `go` to hold what is sent midway."""

    models: dict[str, Path] = field(default_factory=dict)
    go: threading.Event = field(default_factory=threading.Event)
    held: threading.Event = field(default_factory=threading.Event)  # a file is held midway
    asked: list[tuple[str, int]] = field(default_factory=list)  # (file, its first byte)
    spoil: str = ""  # a file that arrives with a byte changed
    url: str = ""

    def __post_init__(self) -> None:
        self.go.set()

    def info(self, name: str) -> dict[str, Any]:
        siblings: list[dict[str, Any]] = []
        for path in sorted(each for each in self.models[name].rglob("*") if each.is_file()):
            content = path.read_bytes()
            found: dict[str, Any] = {"rfilename": str(path.relative_to(self.models[name]))}
            found |= {"size": len(content), "blobId": hashlib.sha1(content).hexdigest()}
            if path.suffix == ".safetensors":
                sha256 = hashlib.sha256(content).hexdigest()
                found["lfs"] = {"size": len(content), "sha256": sha256, "pointerSize": 100}
            siblings.append(found)
        return {"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings, "tags": []}

    def tree(self, name: str) -> list[dict[str, Any]]:
        return [
            {"type": "file", "path": each["rfilename"], "size": each["size"], "oid": each["blobId"]}
            for each in self.info(name)["siblings"]
        ]


@contextmanager
def hub_server() -> Generator[HubServer]:
    told = HubServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/.+", path):
                self._send(200, json.dumps(told.tree(found[1])).encode())
            elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/revision/.+)?", path):
                name = found[1]
                if name in told.models:
                    self._send(200, json.dumps(told.info(name)).encode())
                else:
                    self._refuse(name)
            elif found := re.fullmatch(rf"/([^/]+/[^/]+)/resolve/(?:{COMMIT}|main)/(.+)", path):
                if found[1] in told.models:
                    self._file(told.models[found[1]] / found[2], found[2])
                else:
                    self._refuse(found[1])
            else:
                self._send(404, b"")

        do_HEAD = do_GET

        def _refuse(self, name: str) -> None:
            status, code = REFUSED.get(name, (401, "RepoNotFound"))
            self._send(status, b"{}", {"X-Error-Code": code} if code else {})

        def _file(self, path: Path, name: str) -> None:
            if not path.is_file():
                self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
                return
            content = bytearray(path.read_bytes())
            known = {"X-Repo-Commit": COMMIT, "ETag": hashlib.sha1(content).hexdigest()}
            if name == told.spoil:
                content[-1] ^= 1
            start = int(re.findall(r"\d+", self.headers.get("range", "0"))[0])
            if self.command == "GET":
                told.asked.append((name, start))
            self._send(206 if start else 200, bytes(content[start:]), known)

        def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for key, value in {**(headers or {}), "content-length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            half = len(body) // 2
            self.wfile.write(body[:half])
            self.wfile.flush()
            if not told.go.is_set() and status < 300 and len(body) > 20_000:
                told.held.set()
                told.go.wait(60)
            self.wfile.write(body[half:])

        def log_message(self, format: str, *args: object) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # who asked has gone
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield told
    finally:
        told.go.set()
        server.shutdown()
        server.server_close()
