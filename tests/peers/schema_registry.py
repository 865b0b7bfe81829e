"""A schema registry on loopback that speaks Confluent's protocol, for tests of its client."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Registry:
    """Serves schemas until closed; `failing` makes it answer with that status."""

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, Any]] = {}
        self.requests: Counter[str] = Counter()
        self.failing: list[int] = []
        self.credentials: tuple[str, str] | None = None
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.requests[self.path] += 1
                status, answer = registry.respond(self.path, self.headers.get("Authorization"))
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def respond(self, path: str, authorization: str | None) -> tuple[int, Any]:
        if self.failing:
            return self.failing.pop(0), {"error_code": 50001}
        if self.credentials is not None:
            expected = "Basic " + base64.b64encode(":".join(self.credentials).encode()).decode()
            if authorization != expected:
                return 401, {"error_code": 40101}
        if path in self.answers:
            return 200, self.answers[path]
        return 404, {"error_code": 40403, "message": "Schema not found"}

    def put(self, schema_id: int, schema: Any, *, subject: str | None = None, references: Any = ()) -> None:
        answer = {"schema": json.dumps(schema), "references": list(references)}
        self.answers[f"/schemas/ids/{schema_id}"] = answer
        if subject is not None:
            known = {"subject": subject, "id": schema_id, "version": 1, **answer}
            self.answers[f"/subjects/{subject}/versions/latest"] = known
            self.answers[f"/subjects/{subject}/versions/1"] = known

    def serve_tls(self, context: ssl.SSLContext) -> None:
        """From now on answer under TLS only."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = self.url.replace("http://", "https://")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
