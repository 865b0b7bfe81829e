"""A server on loopback with the interface of TNS, including its errors."""

from __future__ import annotations

import csv
import io
import json
import urllib.parse
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from loopback import LoopbackServer, QuietHandler

KEY, BOT_ID, BOT_NAME = "a-secret-key", 4711, "Broker_Bot"
MARKER = 'tns_marker{"tns_id":4711,"type":"bot","name":"Broker_Bot"}'
COLUMNS = (
    "objid", "name_prefix", "name", "ra", "declination", "redshift", "typeid", "type", "reporting_groupid",
    "reporting_group", "source_groupid", "source_group", "discoverydate", "discoverymag", "discmagfilter", "filter",
    "reporters", "time_received", "internal_names", "Discovery_ADS_bibcode", "Class_ADS_bibcodes", "creationdate",
    "last_photometry_date", "lastmodified",
)  # fmt: skip
BANNER = "2026-11-19 00:00:00 - 23:59:59"


def tns_row(objid: int, name: str, ra: float, dec: float, **changes: Any) -> dict[str, Any]:
    """A row as TNS writes it."""
    return {
        **dict.fromkeys(COLUMNS, ""), "objid": objid, "name_prefix": "AT", "name": name, "ra": ra, "declination": dec,
        "reporting_group": "ZTF", "source_group": "ZTF", "discoverydate": "2026-11-18 05:06:07.123",
        "discoverymag": 19.25, "filter": "r-ZTF", "reporters": "A. Müller, B. O'Neill (\"Bo\")",
        "internal_names": "ZTF26aaaaaaa", "lastmodified": "2026-11-19 01:02:03", **changes,
    }  # fmt: skip


def bulk_csv(rows: Sequence[Mapping[str, Any]], *, banner: str | None = BANNER) -> bytes:
    """The CSV of a bulk file."""
    buffer = io.StringIO()
    if banner is not None:
        buffer.write(f'"{banner}"\n')
    writer = csv.DictWriter(buffer, COLUMNS, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def zipped(content: bytes, name: str = "tns_public_objects.csv") -> bytes:
    """A zip with one member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


@dataclass(frozen=True)
class Request:
    """What was asked."""

    path: str
    form: dict[str, str]
    agent: str


@dataclass
class TnsPeer:
    """The server; `files` and `objects` are what it has, `answers` what it says instead, once each."""

    files: dict[str, bytes] = field(default_factory=dict)
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> TnsPeer:
        self._server = LoopbackServer(self._handler())
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    @property
    def address(self) -> str:
        return self._server.url

    @property
    def bulk_url(self) -> str:
        return f"{self.address}/system/files/tns_public_objects/"

    @property
    def search_url(self) -> str:
        return f"{self.address}/api/get/"

    def put(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Publish a bulk file."""
        self.files[name] = zipped(bulk_csv(rows), name.removesuffix(".zip"))

    def answer(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """What TNS says."""
        if self.answers:
            return self.answers.pop(0)
        if request.agent != MARKER:
            return 403, {"content-type": "text/html"}, b"<html>Forbidden</html>"
        if request.form.get("api_key") != KEY:
            return 401, {"content-type": "application/json"}, b'{"id_code":401,"id_message":"Unauthorized"}'
        if request.path.startswith("/api/get/"):
            return self._search(request)
        name = request.path.rsplit("/", 1)[-1]
        if name not in self.files:
            return 404, {"content-type": "text/html"}, b"<html>Not found</html>"
        return 200, {"content-type": "application/zip"}, self.files[name]

    def _search(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        question = json.loads(request.form["data"])
        if request.path.endswith("/object"):
            data: Any = self.objects.get(question["objname"], [])
        else:
            data = [{"objname": name, "prefix": found["name_prefix"]} for name, found in self.objects.items()]
        body = {"id_code": 200, "id_message": "OK", "data": data}
        return 200, {"content-type": "application/json"}, json.dumps(body).encode()

    def _handler(self) -> Callable[..., BaseHTTPRequestHandler]:
        peer = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
                request = Request(self.path, dict(urllib.parse.parse_qsl(text)), self.headers.get("user-agent", ""))
                peer.requests.append(request)
                self._send(*peer.answer(request))

            def do_GET(self) -> None:
                self._send(405, {}, b"")

            def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler
