"""Avro schemas: loading, resolving names, canonical form and fingerprints.

Belongs here: what can be said of a schema without looking at data. How bytes are read is the subject of
`program` and `walk`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")

Schema: TypeAlias = str | Mapping[str, Any] | Sequence[Any]


class SchemaError(ValueError):
    """The schema is not valid Avro; the message names the type or field at fault."""


class UnsupportedSchema(SchemaError):
    """The schema is valid Avro but cannot be compiled, as it contains itself or is too large."""


@dataclass(frozen=True, slots=True)
class Primitive:
    """One of `PRIMITIVES`, perhaps with a logical type on it."""

    name: str
    logical: str | None = None
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True, slots=True)
class Fixed:
    """A constant number of bytes."""

    name: str
    size: int
    logical: str | None = None
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True, slots=True)
class Enum:
    """One of several symbols, written as its index."""

    name: str
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Array:
    """Blocks of items."""

    items: AvroType


@dataclass(frozen=True, slots=True)
class Map:
    """Blocks of pairs of a string and a value."""

    values: AvroType


@dataclass(frozen=True, slots=True)
class Union:
    """A branch index followed by a value of that branch."""

    branches: tuple[AvroType, ...]

    @property
    def null_branch(self) -> int:
        """Index of the null branch, -1 if there is none."""
        return next((i for i, b in enumerate(self.branches) if isinstance(b, Primitive) and b.name == "null"), -1)

    @property
    def nullable(self) -> AvroType | None:
        """The other branch of a union of two of which one is null, else None."""
        if len(self.branches) != 2 or self.null_branch < 0:
            return None
        return self.branches[1 - self.null_branch]


@dataclass(frozen=True, slots=True)
class Field:
    """A named member of a record."""

    name: str
    type: AvroType


@dataclass(frozen=True, slots=True)
class Record:
    """Named fields, one after the other."""

    name: str
    fields: tuple[Field, ...]


AvroType: TypeAlias = Primitive | Fixed | Enum | Array | Map | Union | Record


def parse(schema: Schema | str) -> Any:
    """Return a schema as decoded JSON, whether given so or as text.

    Examples
    --------
    >>> parse('{"type": "array", "items": "long"}')
    {'type': 'array', 'items': 'long'}
    >>> parse("long")
    'long'
    """
    if isinstance(schema, str) and schema.lstrip()[:1] in ("{", "[", '"'):
        try:
            return json.loads(schema)
        except json.JSONDecodeError as error:
            raise SchemaError(f"schema is not JSON: {error}") from error
    return schema


def _full_name(name: str, namespace: str | None) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _names(schema: Mapping[str, Any], namespace: str | None) -> tuple[str, str | None]:
    """Full name of a named type and the namespace its members see."""
    name = schema.get("name")
    if not isinstance(name, str) or not name:
        raise SchemaError(f"{schema.get('type')} without a name")
    full = _full_name(name, schema.get("namespace", namespace))
    return full, full.rpartition(".")[0] or None


class _Resolver:
    """Turns decoded JSON into types, names into what they stand for."""

    def __init__(self) -> None:
        self.known: dict[str, AvroType | None] = {}

    def resolve(self, schema: Any, namespace: str | None) -> AvroType:
        if isinstance(schema, str):
            return self._named(schema, namespace)
        if isinstance(schema, Mapping):
            return self._complex(schema, namespace)
        if isinstance(schema, Sequence):
            branches = tuple(self.resolve(branch, namespace) for branch in schema)
            if any(isinstance(branch, Union) for branch in branches):
                raise SchemaError("a union may not immediately contain a union")
            return Union(branches)
        raise SchemaError(f"not a schema: {schema!r}")

    def _named(self, name: str, namespace: str | None) -> AvroType:
        if name in PRIMITIVES:
            return Primitive(name)
        for full in (_full_name(name, namespace), name):
            if full in self.known:
                found = self.known[full]
                if found is None:
                    raise UnsupportedSchema(f"{full} contains itself: recursive schemas are not supported")
                return found
        raise SchemaError(f"unknown type {name!r}")

    def _complex(self, schema: Mapping[str, Any], namespace: str | None) -> AvroType:
        kind = schema.get("type")
        if not isinstance(kind, str):
            return self.resolve(kind, namespace)
        if kind in PRIMITIVES:
            logical = schema.get("logicalType")
            return Primitive(kind, logical, int(schema.get("precision", 0)), int(schema.get("scale", 0)))
        if kind == "array":
            return Array(self.resolve(schema["items"], namespace))
        if kind == "map":
            return Map(self.resolve(schema["values"], namespace))
        if kind in ("record", "error", "fixed", "enum"):
            return self._definition(kind, schema, namespace)
        return self._named(kind, namespace)

    def _definition(self, kind: str, schema: Mapping[str, Any], namespace: str | None) -> AvroType:
        full, inner = _names(schema, namespace)
        found: AvroType
        self.known[full] = None
        if kind == "fixed":
            found = self._fixed(full, schema)
        elif kind == "enum":
            found = Enum(full, tuple(schema.get("symbols", ())))
        else:
            fields = [Field(str(field["name"]), self.resolve(field["type"], inner)) for field in schema["fields"]]
            if len({field.name for field in fields}) != len(fields):
                raise SchemaError(f"{full} has two fields of one name")
            found = Record(full, tuple(fields))
        for name in (full, *(_full_name(alias, inner) for alias in schema.get("aliases", ()))):
            self.known[name] = found
        return found

    @staticmethod
    def _fixed(full: str, schema: Mapping[str, Any]) -> Fixed:
        size = schema.get("size")
        if not isinstance(size, int) or size < 0:
            raise SchemaError(f"fixed {full} has the size {size!r}")
        logical = schema.get("logicalType")
        return Fixed(full, size, logical, int(schema.get("precision", 0)), int(schema.get("scale", 0)))


def resolve(schema: Schema) -> AvroType:
    """Resolve a schema into a tree of types without names to look up.

    Parameters
    ----------
    schema : dict, list or str
        Avro schema as JSON text or decoded JSON. Named types are defined before (or where) they are used.

    Returns
    -------
    AvroType
        The tree; a type referred to several times is one shared object.

    Raises
    ------
    SchemaError
        If a type is unknown or malformed.
    UnsupportedSchema
        If a type contains itself.

    Examples
    --------
    >>> resolve({"type": "record", "name": "r", "fields": [{"name": "a", "type": ["null", "long"]}]}).fields[0].name
    'a'
    """
    try:
        return _Resolver().resolve(parse(schema), None)
    except (KeyError, TypeError, AttributeError) as error:
        raise SchemaError(f"malformed schema: {error!r}") from error
    except RecursionError as error:
        raise UnsupportedSchema("schema is nested too deeply") from error


def _canonical(schema: Any, namespace: str | None) -> Any:
    """Parsing canonical form as decoded JSON with the keys in the order of the specification."""
    if isinstance(schema, str):
        return schema if schema in PRIMITIVES else _full_name(schema, namespace)
    if not isinstance(schema, Mapping):
        return [_canonical(branch, namespace) for branch in schema]
    kind = schema["type"]
    if not isinstance(kind, str):
        return _canonical(kind, namespace)
    if kind == "array":
        return {"type": kind, "items": _canonical(schema["items"], namespace)}
    if kind == "map":
        return {"type": kind, "values": _canonical(schema["values"], namespace)}
    if kind not in ("record", "error", "fixed", "enum"):
        return _canonical(kind, namespace)
    full, inner = _names(schema, namespace)
    if kind == "fixed":
        return {"name": full, "type": kind, "size": int(schema["size"])}
    if kind == "enum":
        return {"name": full, "type": kind, "symbols": list(schema["symbols"])}
    fields = [{"name": field["name"], "type": _canonical(field["type"], inner)} for field in schema["fields"]]
    return {"name": full, "type": kind, "fields": fields}


def canonical_form(schema: Schema) -> str:
    """Parsing canonical form of the Avro specification (documentation, defaults, aliases, logical types removed).

    Examples
    --------
    >>> canonical_form({"type": "fixed", "doc": "x", "size": 2, "name": "b", "namespace": "a"})
    '{"name":"a.b","type":"fixed","size":2}'
    """
    try:
        return json.dumps(_canonical(parse(schema), None), separators=(",", ":"), ensure_ascii=False)
    except (KeyError, TypeError) as error:
        raise SchemaError(f"malformed schema: {error!r}") from error


def fingerprint(schema: Schema) -> str:
    """SHA-256 of the canonical form, hexadecimal: equal for schemas that read the same bytes alike.

    Examples
    --------
    >>> fingerprint("int") == fingerprint({"type": "int"})
    True
    """
    return hashlib.sha256(canonical_form(schema).encode()).hexdigest()


class _Folder:
    """Inlines the types of a folder of schema files at their first use."""

    def __init__(self, folder: Path) -> None:
        self.types: dict[str, tuple[Any, str | None]] = {}
        self.files: dict[Path, str] = {}
        for path in sorted(folder.glob("*.avsc")):
            schema = parse(path.read_text(encoding="utf-8"))
            if isinstance(schema, Mapping) and "name" in schema:
                full, inner = _names(schema, None)
                self.types[full] = (schema, inner)
                self.files[path] = full
        self.used: set[str] = set()

    def inline(self, schema: Any, namespace: str | None, defined: set[str]) -> Any:
        if isinstance(schema, str):
            return self._reference(schema, namespace, defined)
        if not isinstance(schema, Mapping):
            return [self.inline(branch, namespace, defined) for branch in schema]
        kind = schema.get("type")
        if kind in ("record", "error", "fixed", "enum"):
            full, inner = _names(schema, namespace)
            defined.add(full)
            if "fields" not in schema:
                return dict(schema)
            fields = [{**field, "type": self.inline(field["type"], inner, defined)} for field in schema["fields"]]
            return {**schema, "fields": fields}
        key = {"array": "items", "map": "values"}.get(kind, "type") if isinstance(kind, str) else "type"
        value = self.inline(schema[key], namespace, defined)
        if key == "type" and isinstance(value, Mapping):
            return value
        return {**schema, key: value}

    def _reference(self, name: str, namespace: str | None, defined: set[str]) -> Any:
        full = _full_name(name, namespace)
        if name in PRIMITIVES or full in defined or full not in self.types:
            return name
        self.used.add(full)
        schema, inner = self.types[full]
        # The name is written in full: the place it is put at may have another namespace.
        return self.inline({**schema, "name": full}, inner, defined)


def load_schema(path: str | Path) -> dict[str, Any]:
    """Load a schema file, or a folder of files that refer to one another.

    Parameters
    ----------
    path : str or Path
        An `.avsc` file; types it does not define are looked up in the other files of its folder. Or a folder, where
        the schema is the one that no other file refers to (the one named `alert` if there are several).

    Returns
    -------
    dict
        One self-contained schema; every type is defined at its first use.

    Raises
    ------
    SchemaError
        If a type is unknown, or the folder does not have exactly one schema that no other refers to.
    """
    path = Path(path)
    folder = _Folder(path if path.is_dir() else path.parent)
    if not path.is_dir():
        schema = parse(path.read_text(encoding="utf-8"))
        namespace = _names(schema, None)[1] if isinstance(schema, Mapping) and "name" in schema else None
        loaded = folder.inline(schema, namespace, set())
    else:
        candidates = {name: folder.inline(*folder.types[name], set()) for name in folder.types}
        roots = [name for name in candidates if name not in folder.used]
        # Rubin's folders hold tables that their alert does not carry (ssObject since v10).
        roots = [name for name in roots if name.rpartition(".")[2] == "alert"] or roots
        if len(roots) != 1:
            raise SchemaError(f"{path} has {len(roots)} schemas that no other refers to: {', '.join(sorted(roots))}")
        loaded = candidates[roots[0]]
    if not isinstance(loaded, dict):
        raise SchemaError(f"{path} is not a schema of a record")
    resolve(loaded)
    return loaded
