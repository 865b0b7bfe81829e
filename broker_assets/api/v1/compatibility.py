"""Finds incompatible changes between two OpenAPI documents, or two versions of the public tables.

``python -m broker_assets.api.v1.compatibility docs/openapi-v1.json docs/public-tables.json`` replaces those of the last
release by the present ones, unless a client of it would break; a release commits them, and a test compares with them.
What is to be removed is first marked `deprecated=True` and stays for one release.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

METHODS: Final = ("get", "put", "post", "patch", "delete")
ADVICE: Final = (
    "keep it and mark it `deprecated=True`; after a release with that mark it may go."
    " What is new must be optional. If a break cannot be avoided, it belongs to /api/v2"
)


def breaks(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Differences that break clients of the first document.

    Parameters
    ----------
    before, after : mapping
        OpenAPI documents.

    Returns
    -------
    list of str
        Removed paths, methods, parameters, values and fields that were not deprecated, and what has become required.
    """
    found: list[str] = []
    for path, operations in before["paths"].items():
        for method in METHODS:
            if method not in operations or operations[method].get("deprecated"):
                continue
            where = f"{method.upper()} {path}"
            now = after["paths"].get(path, {}).get(method)
            if now is None:
                found.append(f"{where} is gone")
                continue
            found += [f"{where}: {text}" for text in _operation(operations[method], now, before, after)]
    return found


def _operation(old: Any, new: Any, before: Any, after: Any) -> Iterator[str]:
    parameters = {(one["in"], one["name"]): one for one in new.get("parameters", [])}
    known = set()
    for one in old.get("parameters", []):
        key = (one["in"], one["name"])
        known.add(key)
        if key not in parameters:
            if not one.get("deprecated"):
                yield f"parameter {one['name']} is gone"
            continue
        if parameters[key].get("required") and not one.get("required"):
            yield f"parameter {one['name']} became required"
        for value in sorted(_values(one.get("schema", {})) - _values(parameters[key].get("schema", {}))):
            yield f"parameter {one['name']} lost the value {value}"
    for key in sorted(set(parameters) - known):
        if parameters[key].get("required"):
            yield f"parameter {key[1]} is new and required"
    yield from _body(old, new, before, after)
    for code, answer in old.get("responses", {}).items():
        if not code.startswith("2"):
            continue
        if code not in new.get("responses", {}):
            yield f"the answer {code} is gone"
            continue
        now = new["responses"][code].get("content", {})
        for media, content in answer.get("content", {}).items():
            if media not in now:
                yield f"the form {media} is gone"
            else:
                missing = sorted(_fields(content.get("example")) - _fields(now[media].get("example")))
                yield from (f"field {name} of the answer is gone" for name in missing)


def _body(old: Any, new: Any, before: Any, after: Any) -> Iterator[str]:
    was, now = _schema(old, before), _schema(new, after)
    if was is None:
        return
    if now is None:
        yield "its body is gone"
        return
    for name, schema in was.get("properties", {}).items():
        if name not in now.get("properties", {}) and not schema.get("deprecated"):
            yield f"field {name} of the body is gone"
    for name in sorted(set(now.get("required", [])) - set(was.get("required", []))):
        yield f"field {name} of the body became required"


def _schema(operation: Any, document: Any) -> Any:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = content.get("schema")
    if schema is None or "$ref" not in schema:
        return schema
    return document["components"]["schemas"].get(schema["$ref"].rpartition("/")[2], {})


def _values(schema: Any) -> set[str]:
    parts = [schema, *schema.get("anyOf", [])]
    return {str(value) for part in parts for value in part.get("enum", [])}


def _fields(example: Any, prefix: str = "") -> set[str]:
    """Names of the fields of an example; names in nested documents have dots."""
    if isinstance(example, list):
        return set().union(*(_fields(item, prefix) for item in example))
    if not isinstance(example, dict):
        return set()
    found: set[str] = set()
    for name, value in example.items():
        found |= {f"{prefix}{name}"} | _fields(value, f"{prefix}{name}.")
    return found


def public_tables() -> dict[str, dict[str, str]]:
    """Columns of the tables that users' SQL reads, with their types."""
    from broker_assets.database.query_role import PUBLISHED
    from broker_assets.database.tables import VIEWS, metadata

    found: dict[str, dict[str, str]] = {}
    for name in sorted(PUBLISHED):
        columns = VIEWS[name][0].selected_columns if name in VIEWS else metadata.tables[name].columns
        found[name] = {column.name: str(column.type) for column in columns}
    return found


def lost_columns(before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Public tables and columns that have disappeared or changed type.

    Examples
    --------
    >>> lost_columns({"objects": {"ra": "REAL", "decl": "REAL"}}, {"objects": {"ra": "BIGINT"}})
    ['objects.ra is BIGINT, and was REAL', 'objects.decl is gone']
    """
    found = []
    for table, columns in before.items():
        if table not in after:
            found.append(f"{table} is gone")
            continue
        for name, kind in columns.items():
            if name not in after[table]:
                found.append(f"{table}.{name} is gone")
            elif after[table][name] != kind:
                found.append(f"{table}.{name} is {after[table][name]}, and was {kind}")
    return found


def document_now() -> dict[str, Any]:
    """The OpenAPI document of this interface."""
    from fastapi import FastAPI

    from broker_assets.api.v1.application import VERSION, create_v1
    from broker_assets.settings import Settings

    found = create_v1(FastAPI(), Settings()).openapi()
    found["info"]["version"] = VERSION  # without the version of the package
    return found


def main(openapi: str, tables: str) -> None:
    """Write the present document and tables to two files, in place of those of the last release.

    Raises
    ------
    SystemExit
        If something that a client of the last release uses is gone; the message lists it, and neither file changes.
    """
    document, columns = document_now(), public_tables()
    lost = []
    if Path(openapi).exists():
        lost += breaks(json.loads(Path(openapi).read_text()), document)
    if Path(tables).exists():
        lost += lost_columns(json.loads(Path(tables).read_text()), columns)
    if lost:
        raise SystemExit("\n".join([*lost, ADVICE]))
    for path, content in ((openapi, document), (tables, columns)):
        Path(path).write_text(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
