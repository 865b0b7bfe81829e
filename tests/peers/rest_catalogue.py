"""An Iceberg REST catalogue on loopback, backed by a pyiceberg catalogue in an SQLite file.

It supports the requests that a client needs to create, read and change tables (Apache Iceberg, REST catalog
specification 0.0.1: /v1/config, namespaces, tables, commits), and requires a token.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loopback import LoopbackServer, QuietHandler
from pyiceberg.catalog import load_catalog
from pyiceberg.catalog.rest import CreateTableRequest
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.table import CommitTableRequest, StagedTable
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER

TOKEN = "let me in"
_CODES = {
    NoSuchNamespaceError: 404,
    NoSuchTableError: 404,
    NamespaceAlreadyExistsError: 409,
    TableAlreadyExistsError: 409,
    CommitFailedException: 409,
}


class _Handler(QuietHandler):
    """One request."""

    catalogue: Any
    asked: list[str]
    lock = threading.Lock()

    def _answer(self, code: int, content: Any = None) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.asked.append(f"{self.command} {self.path}")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, _error("NotAuthorizedException", "no token", 401))
            return
        try:
            with self.lock:
                self._answer(*self._result(self.path.partition("?")[0].strip("/").split("/")[1:], body))
        except tuple(_CODES) as error:
            code = _CODES[type(error)]
            self._answer(code, _error(type(error).__name__, str(error), code))

    do_GET = do_POST = do_HEAD = _handle  # noqa: N815 - names of the base class

    def _result(self, path: list[str], body: bytes) -> tuple[int, Any]:
        if path == ["config"]:
            return 200, {"defaults": {}, "overrides": {}}
        if path == ["namespaces"]:
            given = json.loads(body)
            self.catalogue.create_namespace(tuple(given["namespace"]))
            return 200, {"namespace": given["namespace"], "properties": {}}
        if len(path) == 2:
            self.catalogue.load_namespace_properties(path[1])
            return 204 if self.command == "HEAD" else 200, {"namespace": [path[1]], "properties": {}}
        if len(path) == 3:
            # The client's model requires fields that the specification allows to be omitted.
            given = {"location": None, "write-order": None, "partition-spec": None, **json.loads(body)}
            return 200, _loaded(self._create(path[1], CreateTableRequest.model_validate(given)))
        table = self.catalogue.load_table((path[1], path[3])) if self.command != "POST" else None
        if table is not None:
            return 204 if self.command == "HEAD" else 200, _loaded(table)
        return 200, self._commit(path[1], path[3], CommitTableRequest.model_validate_json(body))

    def _create(self, namespace: str, asked: CreateTableRequest) -> Any:
        arguments: dict[str, Any] = {
            "identifier": (namespace, asked.name),
            "schema": asked.table_schema,
            "location": asked.location,
            "partition_spec": asked.partition_spec or UNPARTITIONED_PARTITION_SPEC,
            "sort_order": asked.write_order or UNSORTED_SORT_ORDER,
            "properties": asked.properties,
        }
        if not asked.stage_create:
            return self.catalogue.create_table(**arguments)
        if self.catalogue.table_exists(arguments["identifier"]):
            raise TableAlreadyExistsError(f"there is {namespace}.{asked.name}")
        return self.catalogue._create_staged_table(**arguments)

    def _commit(self, namespace: str, name: str, asked: CommitTableRequest) -> dict[str, Any]:
        identifier = (namespace, name)
        try:
            table = self.catalogue.load_table(identifier)
        except NoSuchTableError:
            table = StagedTable(identifier, None, "", self.catalogue._load_file_io(), self.catalogue)  # type: ignore[arg-type]
        answer = self.catalogue.commit_table(table, asked.requirements, asked.updates)
        return {
            "metadata-location": answer.metadata_location,
            "metadata": json.loads(answer.metadata.model_dump_json()),
        }


def _loaded(table: Any) -> dict[str, Any]:
    return {
        "metadata-location": table.metadata_location,
        "metadata": json.loads(table.metadata.model_dump_json()),
        "config": {},
    }


def _error(kind: str, message: str, code: int) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code}}


@contextmanager
def rest_catalogue(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a catalogue whose tables are in a folder; gives the address, and what is asked."""
    folder.mkdir(parents=True, exist_ok=True)
    catalogue = load_catalog(
        "behind", type="sql", uri=f"sqlite:///{folder / 'catalogue.db'}", warehouse=(folder / "tables").as_uri()
    )
    asked: list[str] = []
    handler = type("Handler", (_Handler,), {"catalogue": catalogue, "asked": asked})
    with LoopbackServer(handler) as server:
        yield server.url, asked
