"""Named types of Avro schemas: those a schema defines and uses, and a schema with all of them written out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from broker_assets.packets.schema import PRIMITIVES, full_name, inner_namespace, qualified, well_formed

AvroSchema = dict[str, Any]
"""A parsed schema: a record with every named type written out where it is first used."""

_VERSION: Final = re.compile(r"\bv(\d+)_(\d+)\b")


class SchemaNotFound(LookupError):
    """No such schema; packets that refer to it cannot be read."""


def spell_out(schema: object, named: Mapping[str, Any]) -> AvroSchema:
    """Spell out the named types that a schema uses but does not define.

    Parameters
    ----------
    schema : parsed JSON of a schema
        A record, or a union or list whose last record is the one wanted (as `fastavro` writes lists of types).
    named : mapping of full name to parsed JSON
        Definitions that may be referred to.

    Returns
    -------
    dict
        The record; each named type is defined at its first use, later uses are names.

    Raises
    ------
    SchemaNotFound
        If a name is defined nowhere; the message gives it.
    SchemaError
        If a type is malformed or nested too deeply.

    Examples
    --------
    >>> inner = {"type": "record", "name": "b", "fields": []}
    >>> outer = {"type": "record", "name": "a", "fields": [{"name": "x", "type": "b"}]}
    >>> spell_out(outer, {"b": inner})["fields"][0]["type"]["name"]
    'b'
    """
    with well_formed():
        if isinstance(schema, list):
            records = [part for part in schema if isinstance(part, dict) and part.get("type") == "record"]
            if not records:
                raise SchemaNotFound("no record in the list of types")
            named = {**named, **{full_name(part, None): part for part in records}}
            schema = records[-1]
        if not isinstance(schema, dict) or schema.get("type") != "record":
            raise SchemaNotFound(f"a packet's schema must be a record, not {str(schema)[:80]!r}")
        result: AvroSchema = _spell_out(schema, None, named, set())
        return result


def _spell_out(schema: Any, namespace: str | None, named: Mapping[str, Any], defined: set[str]) -> Any:
    if isinstance(schema, str):
        if schema in PRIMITIVES:
            return schema
        name = qualified(schema, namespace)
        for candidate in (name, schema):
            if candidate in defined:
                return candidate
            if candidate in named:
                return _spell_out(named[candidate], None, named, defined)
        raise SchemaNotFound(f"type {name!r} is defined nowhere")
    if isinstance(schema, list):
        return [_spell_out(branch, namespace, named, defined) for branch in schema]
    kind = schema["type"]
    if kind in ("record", "error", "enum", "fixed"):
        full = full_name(schema, namespace)
        defined.add(full)
        spelled = {key: value for key, value in schema.items() if key != "namespace"} | {"name": full}
        if "fields" in schema:
            inner = inner_namespace(full)
            spelled["fields"] = [
                {**field, "type": _spell_out(field["type"], inner, named, defined)} for field in schema["fields"]
            ]
        return spelled
    if kind == "array":
        return {**schema, "items": _spell_out(schema["items"], namespace, named, defined)}
    if kind == "map":
        return {**schema, "values": _spell_out(schema["values"], namespace, named, defined)}
    if isinstance(kind, str) and kind in PRIMITIVES:
        return schema  # with a logical type
    return _spell_out(kind, namespace, named, defined)


def schema_id_of(name: str) -> int | None:
    """The id of a schema in Rubin's registry, from its name; None if the name contains none.

    Examples
    --------
    >>> schema_id_of("lsst.v9_0.alert"), schema_id_of("lsst.v11_1"), schema_id_of("42"), schema_id_of("alert")
    (900, 1101, 42, None)
    """
    if name.isdecimal():
        return int(name)
    version = _VERSION.search(name.replace(".", " "))
    return 100 * int(version[1]) + int(version[2]) if version else None


def names_used(schema: Any) -> set[str]:
    """Full names of the types that a schema refers to.

    Raises
    ------
    SchemaError
        If a type is malformed or nested too deeply.
    """
    with well_formed():
        return _names_used(schema, None)


def _names_used(schema: Any, namespace: str | None) -> set[str]:
    if isinstance(schema, str):
        return set() if schema in PRIMITIVES else {qualified(schema, namespace)}
    if isinstance(schema, list):
        return {name for branch in schema for name in _names_used(branch, namespace)}
    if "fields" in schema:
        inner = inner_namespace(full_name(schema, namespace))
        return {name for field in schema["fields"] for name in _names_used(field["type"], inner)}
    if schema["type"] in ("enum", "fixed"):
        return set()
    return _names_used(schema.get("items", schema.get("values", schema["type"])), namespace)
