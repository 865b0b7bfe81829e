"""Files against their schemas, and schemas against those of the same version."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from broker_assets.telemetry.products.files.reading import Cards, ProductTables
from broker_assets.telemetry.products.schemas import meanings
from broker_assets.telemetry.products.schemas.schema import (
    ColumnSchema,
    ExtensionSchema,
    ProductSchema,
    column_of,
    keywords,
    schemas,
    value_type,
)


class FormatChanged(ValueError):
    """A product has another format than its schema of the same version; the message says which and how."""


def differences(schema: ProductSchema, product: ProductTables) -> list[str]:
    """Deviations of a file from its schema, a sentence each; empty if it conforms."""
    found = list(_card_differences(schema, product.header))
    names = [extension.name for extension in schema.extensions]
    if list(product.tables) != names:
        found.append(f"its tables are {', '.join(product.tables) or 'none'}, not {', '.join(names)}")
    for extension in schema.extensions:
        if extension.name in product.tables:
            found += _table_differences(schema, extension, product)
    return found


def _card_differences(schema: ProductSchema, header: Cards) -> Iterator[str]:
    present = set(keywords(header))
    for card in schema.primary:
        if card.keyword not in present:
            if not card.optional:
                yield f"keyword {card.keyword} is missing"
            continue
        present.discard(card.keyword)
        value = header[card.keyword]
        if not (value == "" and card.may_be_empty) and value_type(value) != card.type:
            yield f"keyword {card.keyword} is a {value_type(value)}, not a {card.type}"
    for keyword in sorted(present - meanings.NOT_ALWAYS_THE_SAME):
        yield f"keyword {keyword} is not in the schema"


def _table_differences(schema: ProductSchema, extension: ExtensionSchema, product: ProductTables) -> Iterator[str]:
    table, header = product.tables[extension.name], product.headers[extension.name]
    numbers = {name: number for number, name in enumerate(table, 1)}
    for column in extension.columns:
        where = f"{extension.name}.{column.name}"
        if column.name not in table:
            if not column.optional:
                yield f"{where} is missing"
            continue
        values = table[column.name]
        shown = column_of(schema.kind, schema.level, numbers.pop(column.name), column.name, values, header)
        raw = column.may_be_raw and "int" in shown.type and not shown.unit
        for what in ("parameter",) if raw else ("format", "type", "unit", "parameter"):
            ours, theirs = getattr(column, what), getattr(shown, what)
            if ours != theirs:
                yield f"{where} has the {what} {theirs!r}, not {ours!r}"
        yield from _shape_differences(where, column, values.values.shape[1:])
        if column.nulls is None and values.values.dtype.kind == "f" and np.isnan(values.values).any():
            yield f"{where} has {int(np.isnan(values.values).sum())} values NaN; every row must have a value"
    expected = [column.name for column in extension.columns if column.name in table]
    if [name for name in table if name in expected] != expected:
        yield f"{extension.name} has its columns in another order"
    for name, number in numbers.items():
        if extension.further_columns is None:
            yield f"{extension.name}.{name} is not in the schema"
        elif "TNIXS" + str(number) not in header:
            yield f"{extension.name}.{name} does not say its parameter"


def _shape_differences(where: str, column: ColumnSchema, shape: tuple[int, ...]) -> Iterator[str]:
    axes = [axis for axis in column.axes if not axis.optional]
    if len(shape) == len(column.axes):
        axes = list(column.axes)
    wanted = " × ".join(f"{axis.size or 'any'} ({axis.name})" for axis in axes) or "single values"
    sizes = [math.inf if axis.size is None else axis.size for axis in axes]
    if len(shape) != len(axes) or any(size not in (math.inf, n) for size, n in zip(sizes, shape, strict=True)):
        yield f"{where} has the shape {' × '.join(map(str, shape)) or 'of single values'}, not {wanted}"


def changes(old: ProductSchema, new: ProductSchema) -> list[str]:
    """Changes of the format between two schemas, a phrase each."""
    found = []
    for what, before, after in (
        ("keyword", _by(old.primary, "keyword"), _by(new.primary, "keyword")),
        ("table", _by(old.extensions, "name"), _by(new.extensions, "name")),
    ):
        found += [f"{what} {name} is gone" for name in before if name not in after]
        found += [f"{what} {name} is new" for name in after if name not in before]
    cards = _by(new.primary, "keyword")
    for card in old.primary:
        if card.keyword in cards and cards[card.keyword] != card:
            found.append(f"keyword {card.keyword} is a {cards[card.keyword].type} now")
    tables = _by(new.extensions, "name")
    for extension in old.extensions:
        if extension.name in tables:
            found += _column_changes(extension, tables[extension.name])
    if not found and old != new:
        found.append("the order of keywords or tables")
    return found


def _column_changes(old: ExtensionSchema, new: ExtensionSchema) -> Iterator[str]:
    before, after = _by(old.columns, "name"), _by(new.columns, "name")
    yield from (f"{old.name}.{name} is gone" for name in before if name not in after)
    yield from (f"{old.name}.{name} is new" for name in after if name not in before)
    for name in before.keys() & after.keys():
        for what in ("format", "type", "axes", "unit", "parameter", "nulls", "optional", "may_be_raw"):
            ours, theirs = getattr(before[name], what), getattr(after[name], what)
            if ours != theirs:
                yield f"{old.name}.{name}: {what} {ours!r} became {theirs!r}"
    if set(before) == set(after) and list(before) != list(after):
        yield f"{old.name} has its columns in another order"


def _by(items: Iterable[Any], key: str) -> dict[str, Any]:
    return {getattr(item, key): item for item in items}


def merged(found: Iterable[ProductSchema]) -> list[ProductSchema]:
    """One schema per kind, level and version; columns and keywords that only some files have are optional.

    Raises
    ------
    FormatChanged
        If two files of the same kind, level and version differ in more.
    """
    kept: dict[str, ProductSchema] = {}
    for schema in found:
        known = kept.setdefault(schema.file_name, schema)
        kept[schema.file_name] = known if known == schema else _union(known, schema)
    return [kept[name] for name in sorted(kept)]


def _union(one: ProductSchema, other: ProductSchema) -> ProductSchema:
    result = one.model_copy(
        update={
            "primary": (
                *one.primary,
                *(card for card in other.primary if card.keyword not in _by(one.primary, "keyword")),
            ),
            "extensions": tuple(_joined(a, b) for a, b in zip(one.extensions, other.extensions, strict=True)),
        }
    )
    for part in (one, other):
        wrong = [
            text
            for text in changes(part.format_only(), result.format_only())
            if not text.endswith((" is new", "of keywords or tables"))
        ]
        if wrong:
            raise FormatChanged(f"two files of {one.kind} at level {one.level} differ: {'; '.join(wrong)}")
    return result


def _joined(one: ExtensionSchema, other: ExtensionSchema) -> ExtensionSchema:
    longer, shorter = (one, other) if len(one.columns) >= len(other.columns) else (other, one)
    optional = {column.name for column in longer.columns if column.optional}
    missing = {column.name for column in longer.columns} - {column.name for column in shorter.columns}
    if missing - optional:
        raise FormatChanged(f"columns {', '.join(sorted(missing - optional))} are not in all files")
    return longer


def update(folder: Path, derived: Iterable[ProductSchema]) -> list[Path]:
    """Write documents that are new or whose wording has changed.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    FormatChanged
        If a format differs from its document of the same version; nothing is written then.
    """
    found = list(derived)
    problems = format_changes(schemas(folder) if folder.is_dir() else [], found)
    if problems:
        raise FormatChanged("\n".join(problems))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for schema in found:
        path = folder / schema.file_name
        if not path.is_file() or path.read_text(encoding="utf-8") != schema.text():
            path.write_text(schema.text(), encoding="utf-8")
            written.append(path)
    return written


def format_changes(known: Iterable[ProductSchema], derived: Iterable[ProductSchema]) -> list[str]:
    """Formats that differ from their document of the same version, a sentence each."""
    documents = {schema.file_name: schema.format_only() for schema in known}
    found = []
    for schema in derived:
        document = documents.get(schema.file_name)
        if document is not None and document != schema.format_only():
            what = "; ".join(changes(document, schema.format_only()))
            found.append(
                f"format changed: raise the version of {schema.kind} at level {schema.level} "
                f"(it is {schema.version:02d}): {what}"
            )
    return found
