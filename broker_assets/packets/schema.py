"""Avro schemas: the tree of their types.

This module covers what is known about one schema without data. `named_types` inserts types that are defined in other
files or schemas; `program` and `walk` read bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")

MAXIMUM_TEXT: Final = 1 << 20
"""Bytes of a schema's JSON, at most; Rubin's, with all its documentation, has a tenth of that."""
MAXIMUM_TYPES: Final = 50_000
"""Types of a schema with every name replaced by its definition, at most. A few names can expand beyond any memory."""
MAXIMUM_NAMES: Final = 1 << 26
"""Characters of the dotted names of all its types together, at most."""
MAXIMUM_DEPTH: Final = 64
"""Levels of nested types, at most."""
MAXIMUM_FIXED: Final = 1 << 26
"""Bytes of a `fixed`, at most: no packet is larger. Sums and products of sizes and numbers of types stay far below 2⁶³.
"""

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
    """Return a schema as decoded JSON, whether it is given as JSON or as text.

    Examples
    --------
    >>> parse('{"type": "array", "items": "long"}')
    {'type': 'array', 'items': 'long'}
    >>> parse("long")
    'long'
    """
    if isinstance(schema, str) and schema.lstrip()[:1] in ("{", "[", '"'):
        return parse_text(schema)
    return schema


def parse_text(text: str | bytes) -> Any:
    """Parse the JSON of a schema.

    Raises
    ------
    SchemaError
        If it is not JSON or too long to be a schema.
    UnsupportedSchema
        If it is nested too deeply; also a `SchemaError`.
    """
    if len(text) > MAXIMUM_TEXT:
        raise SchemaError(f"schema is too large: {len(text)} bytes; at most {MAXIMUM_TEXT} are read")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise UnsupportedSchema("schema is nested too deeply") from error
    except ValueError as error:  # also bytes that are not text, and numbers with thousands of digits
        raise SchemaError(f"schema is not JSON: {error}") from error


def qualified(name: str, namespace: str | None) -> str:
    """A name with the namespace in which it is used, unless it has one of its own.

    Examples
    --------
    >>> qualified("diaSource", "lsst.v9_0"), qualified("ztf.alert", "lsst.v9_0"), qualified("alert", None)
    ('lsst.v9_0.diaSource', 'ztf.alert', 'alert')
    """
    return name if "." in name or not namespace else f"{namespace}.{name}"


def full_name(schema: Mapping[str, Any], namespace: str | None) -> str:
    """Name of a named type with its namespace, which is the enclosing one if it gives none.

    Raises
    ------
    SchemaError
        If it has no name.

    Examples
    --------
    >>> full_name({"type": "record", "name": "alert", "namespace": "ztf"}, None)
    'ztf.alert'
    """
    name = schema.get("name")
    if not isinstance(name, str) or not name:
        raise SchemaError(f"{schema.get('type')} without a name")
    return _printable(qualified(name, schema.get("namespace", namespace)))


def _printable(name: object) -> str:
    """A name that may go into logs, tables and terminals: NUL, surrogates and control characters may not."""
    if not isinstance(name, str) or not name.isprintable():
        raise SchemaError(f"the name {name!a:.80} has characters that are not printable")
    return name


def inner_namespace(full: str) -> str | None:
    """The namespace that the members of a named type see, from its full name."""
    return full.rpartition(".")[0] or None


@contextmanager
def well_formed() -> Iterator[None]:
    """Turn exceptions caused by malformed schemas into `SchemaError`, those by deep ones into `UnsupportedSchema`."""
    try:
        yield
    except SchemaError:
        raise
    except RecursionError as error:
        raise UnsupportedSchema("schema is nested too deeply") from error
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise SchemaError(f"malformed schema: {error!r}") from error


class _Resolver:
    """Converts decoded JSON to types and resolves names."""

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
            if sum(isinstance(branch, Primitive) and branch.name == "null" for branch in branches) > 1:
                raise SchemaError("a union has two branches that are null")
            return Union(branches)
        raise SchemaError(f"not a schema: {schema!r}")

    def _named(self, name: str, namespace: str | None) -> AvroType:
        if name in PRIMITIVES:
            return Primitive(name)
        for full in (qualified(name, namespace), name):
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
            return Primitive(kind, *_annotation(schema))
        if kind == "array":
            return Array(self.resolve(schema["items"], namespace))
        if kind == "map":
            return Map(self.resolve(schema["values"], namespace))
        if kind in ("record", "error", "fixed", "enum"):
            return self._definition(kind, schema, namespace)
        return self._named(kind, namespace)

    def _definition(self, kind: str, schema: Mapping[str, Any], namespace: str | None) -> AvroType:
        full = full_name(schema, namespace)
        inner = inner_namespace(full)
        found: AvroType
        self.known[full] = None
        if kind == "fixed":
            found = self._fixed(full, schema)
        elif kind == "enum":
            found = Enum(full, tuple(schema.get("symbols", ())))
        else:
            fields = [
                Field(_printable(str(field["name"])), self.resolve(field["type"], inner)) for field in schema["fields"]
            ]
            if len({field.name for field in fields}) != len(fields):
                raise SchemaError(f"{full} has two fields with the same name")
            found = Record(full, tuple(fields))
        for name in (full, *(qualified(alias, inner) for alias in schema.get("aliases", ()))):
            self.known[name] = found
        return found

    @staticmethod
    def _fixed(full: str, schema: Mapping[str, Any]) -> Fixed:
        size = schema.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise SchemaError(f"fixed {full} has the size {size!r}")
        if size > MAXIMUM_FIXED:
            raise UnsupportedSchema(f"fixed {full} has {size} bytes; at most {MAXIMUM_FIXED} are read")
        return Fixed(full, size, *_annotation(schema))


def _annotation(schema: Mapping[str, Any]) -> tuple[str | None, int, int]:
    """Logical type, precision and scale; as the specification requires, what is malformed is ignored."""
    logical = schema.get("logicalType")
    digits = [schema.get(name, 0) for name in ("precision", "scale")]
    precision, scale = (number if isinstance(number, int) else 0 for number in digits)
    return logical if isinstance(logical, str) else None, precision, scale


@dataclass(frozen=True, slots=True)
class _Size:
    """Size of a type that is written out."""

    types: int
    depth: int
    characters: int
    """Characters of the dotted names of its parts."""


def _require_bounded(kind: AvroType, measured: dict[int, _Size]) -> _Size:
    """Measure a tree without writing it out: each shared part of it once.

    `measured` keeps sizes by the identity of the part: comparing or hashing the parts themselves would expand them.
    """
    if id(kind) not in measured:
        parts: list[tuple[str, AvroType]] = []
        if isinstance(kind, Record):
            parts = [(field.name, field.type) for field in kind.fields]
        elif isinstance(kind, Union):
            parts = [(getattr(branch, "name", ""), branch) for branch in kind.branches]
        elif isinstance(kind, (Array, Map)):
            parts = [("item", kind.items if isinstance(kind, Array) else kind.values)]
        inner = [(len(name) + 1, _require_bounded(part, measured)) for name, part in parts]
        found = _Size(
            types=1 + sum(part.types for _, part in inner),
            depth=1 + max((part.depth for _, part in inner), default=0),
            characters=sum(part.characters + length * part.types for length, part in inner),
        )
        if found.types > MAXIMUM_TYPES or found.characters > MAXIMUM_NAMES:
            raise UnsupportedSchema(
                f"schema is too large: more than {MAXIMUM_TYPES} types, or {MAXIMUM_NAMES} characters in their names, "
                "when written out"
            )
        if found.depth > MAXIMUM_DEPTH:
            raise UnsupportedSchema(f"schema is nested too deeply: more than {MAXIMUM_DEPTH} types within types")
        measured[id(kind)] = found
    return measured[id(kind)]


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
        If a type contains itself, or if the tree has more than `MAXIMUM_TYPES` types or `MAXIMUM_DEPTH` levels.

    Examples
    --------
    >>> resolve({"type": "record", "name": "r", "fields": [{"name": "a", "type": ["null", "long"]}]}).fields[0].name
    'a'
    """
    with well_formed():
        found = _Resolver().resolve(parse(schema), None)
        _require_bounded(found, {})
        return found
