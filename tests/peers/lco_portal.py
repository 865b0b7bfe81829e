"""An Observation Portal and its archive on loopback, with the interface of Las Cumbres Observatory."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from loopback import LoopbackServer, QuietHandler

TOKEN = "a token of the tests"


@dataclass
class Portal:
    """The server: its requests, and how it misbehaves."""

    groups: dict[int, dict[str, Any]] = field(default_factory=dict)
    blocks: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    """Observations by request."""
    frames: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    posts: int = 0
    """Requests that were submitted."""
    lose: int = 0
    """Number of submissions that are accepted without an answer."""
    fail: int = 0
    """Number of requests that are answered with 502."""
    instead: tuple[int, Any] | None = None
    """Status and document with which every request is answered, whatever it is."""
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and header of authorization."""

    def __enter__(self) -> Portal:
        portal = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                portal._answer(self, "GET", None)

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("content-length", 0)))
                portal._answer(self, "POST", json.loads(content or b"null"))

        self._server = LoopbackServer(Handler)
        self._lock = threading.Lock()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    @property
    def url(self) -> str:
        return self._server.url

    def finish(self, group: int, state: str = "COMPLETED", frames: int = 2) -> None:
        """Let a request be observed, with frames in the archive."""
        self.groups[group]["state"] = state
        for request in self.groups[group]["requests"]:
            request["state"] = state
            self.blocks[request["id"]] = [
                {"id": 9, "state": "FAILED", "start": "2026-12-01T02:00:00Z", "end": "2026-12-01T02:10:00Z"},
                {"id": 10, "state": state, "start": "2026-12-02T03:00:00Z", "end": "2026-12-02T03:20:00Z"},
            ]
            for number in range(frames):
                name = f"coj-{request['id']}-{number}.fits.fz"
                self.files[f"/store/{name}"] = f"frame {name}".encode()
                self.frames.append({"id": 500 + number, "filename": name, "request_id": request["id"]})

    def _answer(self, handler: BaseHTTPRequestHandler, method: str, body: Any) -> None:
        parts = urlsplit(handler.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self.seen.append((method, parts.path, handler.headers.get("authorization", "")))
        with self._lock:
            if self.fail > 0:
                self.fail -= 1
                return _send(handler, 502, {"detail": "bad gateway"})
            if self.instead is not None:
                return _send(handler, *self.instead)
            if parts.path in self.files:
                return _send(handler, 200, self.files[parts.path])
            if handler.headers.get("authorization") != f"Token {TOKEN}":
                return _send(handler, 401, {"detail": "Invalid token."})
            status, document = self._route(method, [part for part in parts.path.split("/") if part], query, body)
            if status == 201 and self.lose > 0:
                self.lose -= 1
                handler.close_connection = True
                handler.connection.close()
                return None
        return _send(handler, status, document)

    def _route(self, method: str, path: list[str], query: dict[str, str], body: Any) -> tuple[int, Any]:
        match (method, *path):
            case ("POST", "api", "requestgroups", "validate"):
                return 200, {"errors": _errors(body), "request_durations": {}}
            case ("POST", "api", "requestgroups"):
                self.posts += 1
                if _errors(body):
                    return 400, _errors(body)
                number = 1000 + len(self.groups)
                requests = [
                    one | {"id": number * 10 + place, "state": "PENDING"} for place, one in enumerate(body["requests"])
                ]
                self.groups[number] = body | {"id": number, "state": "PENDING", "requests": requests}
                return 201, self.groups[number]
            case ("GET", "api", "requestgroups"):
                found = [one for one in self.groups.values() if query.get("name", "") in one["name"]]
                return 200, {"count": len(found), "next": None, "results": found}
            case ("GET", "api", "requestgroups", number):
                found_one = self.groups.get(int(number))
                return (404, {"detail": "Not found."}) if found_one is None else (200, found_one)
            case ("POST", "api", "requestgroups", number, "cancel"):
                group = self.groups[int(number)]
                if group["state"] != "PENDING":
                    return 400, {"errors": [f"The request is {group['state']}"]}
                group["state"] = "CANCELED"
                return 200, group
            case ("GET", "api", "requests", number, "observations"):
                return 200, self.blocks.get(int(number), [])
            case ("GET", "frames"):
                return self._frames(query)
        return 404, {"detail": "Not found."}

    def _frames(self, query: dict[str, str]) -> tuple[int, Any]:
        """One frame in a page, so that lists have several."""
        found = [one for one in self.frames if str(one["request_id"]) == query["request_id"]]
        offset = int(query.get("offset", "0"))
        shown = [one | {"url": f"{self.url}/store/{one['filename']}"} for one in found[offset : offset + 1]]
        more = f"{self.url}/frames/?request_id={query['request_id']}&offset={offset + 1}"
        return 200, {"count": len(found), "next": more if offset + 1 < len(found) else None, "results": shown}


def _errors(body: Any) -> dict[str, Any]:
    if body["proposal"] != "LCO2026B-001":
        return {"proposal": [f'Invalid proposal "{body["proposal"]}"'], "requests": [{}]}
    needed = {"name", "ipp_value", "operator", "observation_type", "requests"}
    configuration = body["requests"][0]["configurations"][0]
    kinds = {"type", "instrument_type", "target", "instrument_configs", "acquisition_config", "guiding_config"}
    missing = sorted((needed - set(body)) | (kinds - set(configuration)))
    return {name: ["This field is required."] for name in missing}


def _send(handler: BaseHTTPRequestHandler, status: int, document: Any) -> None:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    handler.send_response(status)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)
