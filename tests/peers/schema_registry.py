"""A schema registry on loopback that speaks Confluent's protocol, for tests of its client."""

from __future__ import annotations

import base64
import json
import ssl
from collections import Counter
from typing import Any

from loopback import LoopbackServer, QuietHandler


class Registry:
    """Serves schemas until closed; `failing` makes it answer with that status."""

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, Any]] = {}
        self.requests: Counter[str] = Counter()
        self.failing: list[int] = []
        self.credentials: tuple[str, str] | None = None
        registry = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                registry.requests[self.path] += 1
                status, answer = registry.respond(self.path, self.headers.get("Authorization"))
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = LoopbackServer(Handler)
        self.url = self._server.url

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
        self._server.serve_tls(context)
        self.url = self._server.url

    def close(self) -> None:
        self._server.close()
