"""The part of Docker's engine that is needed to launch runs, as an HTTP interface on loopback.

It records what it was asked to create, and runs nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from loopback import LoopbackServer, QuietHandler


@dataclass
class DockerEngine:
    """What was created, started and connected."""

    port: int = 0
    created: list[dict[str, Any]] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    connected: list[str] = field(default_factory=list)
    request_lines: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and content of an answer."""
        found = re.fullmatch(r"(?:/v1\.\d+)?(/[^?]*)(?:\?.*)?", path)
        assert found is not None
        self.request_lines.append(f"{method} {path.split('?')[0]}")
        match (method, found[1].strip("/").split("/")):
            case ("GET", ["version"]):
                return 200, {"ApiVersion": "1.47", "Version": "27.5.1"}
            case ("POST", ["containers", "create"]):
                self.created.append(body)
                return 201, {"Id": f"c{len(self.created)}", "Warnings": []}
            case ("GET", ["containers", name, "json"]):
                return 200, {"Id": name, "State": {"Status": "created"}, "Config": {"Labels": {}}}
            case ("POST", ["containers", name, "start"]):
                self.started.append(name)
                return 204, None
            case ("GET", ["networks", name]):
                return 200, {"Id": name, "Name": name}
            case ("POST", ["networks", name, "connect"]):
                self.connected.append(name)
                return 200, None
        return 404, {"message": f"{method} {path}"}


@contextmanager
def docker_engine() -> Iterator[DockerEngine]:
    """An engine that listens while the block runs."""
    engine = DockerEngine()

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, content = engine.answer(self.command, self.path, json.loads(body) if body else None)
            written = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def do_POST(self) -> None:
            self.do_GET()

    with LoopbackServer(Handler) as server:
        engine.port = server.port
        yield engine
