"""A web server on loopback whose answers a test scripts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from loopback import LoopbackServer, QuietHandler


@dataclass(frozen=True)
class Request:
    """What was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class HttpPeer:
    """The server: one `answers` entry for each request in order, then 200 with an empty body.

    An answer is (status, header fields, body), or a function of the handler that writes it itself.
    """

    answers: list[tuple[int, dict[str, str], bytes] | Callable[[BaseHTTPRequestHandler], None]] = field(
        default_factory=list
    )
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> HttpPeer:
        peer = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                peer.requests.append(Request(self.command, self.path, headers, body))
                answer = peer.answers.pop(0) if peer.answers else (200, {}, b"")
                if callable(answer):
                    answer(self)
                    return
                status, fields, content = answer
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self) -> None:
                self.do_GET()

        self._server = LoopbackServer(Handler)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    @property
    def url(self) -> str:
        """Address without a slash at the end."""
        return self._server.url
