"""What services say of themselves (IVOA VOSI 1.1): capabilities, availability, tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_XSI: Final = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
_VOSI: Final[Mapping[str, str]] = {
    "capabilities": "ivo://ivoa.net/std/VOSI#capabilities",
    "availability": "ivo://ivoa.net/std/VOSI#availability",
    "tables": "ivo://ivoa.net/std/VOSI#tables-1.1",
}
_FUNCTIONS: Final = ("POINT", "CIRCLE", "CONTAINS", "INTERSECTS", "DISTANCE", "COORD1", "COORD2")


def capabilities(base: str, *, most: int) -> str:
    """Capabilities of the TAP service.

    Parameters
    ----------
    base : str
        Its address.
    most : int
        Rows of an answer, at most.
    """
    interface = '<interface xsi:type="vs:ParamHTTP" role="std"><accessURL use="{}">{}</accessURL></interface>'
    parts = [
        f'<capability standardID="{standard}">{interface.format("full", escape(f"{base}/{name}"))}</capability>'
        for name, standard in _VOSI.items()
    ]
    features = "".join(f"<feature><form>{name}</form></feature>" for name in _FUNCTIONS)
    formats = (
        '<outputFormat ivo-id="ivo://ivoa.net/std/TAPRegExt#output-votable-td"><mime>application/x-votable+xml</mime>'
        "<alias>votable</alias></outputFormat><outputFormat><mime>text/csv</mime><alias>csv</alias></outputFormat>"
        "<outputFormat><mime>application/vnd.apache.parquet</mime><alias>parquet</alias></outputFormat>"
    )
    parts.append(
        '<capability standardID="ivo://ivoa.net/std/TAP" xsi:type="tr:TableAccess">'
        f"{interface.format('base', escape(base))}"
        '<language><name>ADQL</name><version ivo-id="ivo://ivoa.net/std/ADQL#v2.0">2.0</version>'
        '<version ivo-id="ivo://ivoa.net/std/ADQL#v2.1">2.1</version>'
        "<description>SELECT with TOP, joins, grouping and circles</description>"
        f'<languageFeatures type="ivo://ivoa.net/std/TAPRegExt#features-adqlgeo">{features}</languageFeatures></language>'
        f'{formats}<outputLimit><default unit="row">{most}</default><hard unit="row">{most}</hard></outputLimit>'
        "</capability>"
    )
    return (
        f'{_HEAD}<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0"'
        ' xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0" xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1"'
        f" {_XSI}>{''.join(parts)}</vosi:capabilities>\n"
    )


def availability() -> str:
    """That the service is up; it is asked of the database before."""
    return (
        f'{_HEAD}<vosi:availability xmlns:vosi="http://www.ivoa.net/xml/VOSIAvailability/v1.0">'
        "<vosi:available>true</vosi:available></vosi:availability>\n"
    )


def tables() -> str:
    """Schemas, tables and columns."""
    from broker_assets.filters.tap import tap_schema

    columns: dict[str, list[dict[str, Any]]] = {}
    for row in tap_schema("columns"):
        columns.setdefault(row["table_name"], []).append(row)
    parts = []
    for schema in tap_schema("schemas"):
        inner = []
        for table in tap_schema("tables"):
            if table["schema_name"] == schema["schema_name"]:
                fields = "".join(map(_column, columns.get(table["table_name"], [])))
                inner.append(
                    f"<table type={quoteattr(table['table_type'])}><name>{escape(table['table_name'])}</name>"
                    f"<description>{escape(table['description'])}</description>{fields}</table>"
                )
        parts.append(
            f"<schema><name>{escape(schema['schema_name'])}</name>"
            f"<description>{escape(schema['description'])}</description>{''.join(inner)}</schema>"
        )
    return (
        f'{_HEAD}<vosi:tableset xmlns:vosi="http://www.ivoa.net/xml/VOSITables/v1.0"'
        f' xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1" {_XSI}>{"".join(parts)}</vosi:tableset>\n'
    )


def _column(row: dict[str, Any]) -> str:
    unit = f"<unit>{escape(row['unit'])}</unit>" if row["unit"] else ""
    ucd = f"<ucd>{escape(row['ucd'])}</ucd>" if row["ucd"] else ""
    size = ' arraysize="*"' if row["arraysize"] else ""
    flag = "<flag>indexed</flag>" if row["indexed"] else ""
    return (
        f"<column><name>{escape(row['column_name'])}</name><description>{escape(row['description'])}</description>"
        f'{unit}{ucd}<dataType xsi:type="vs:VOTableType"{size}>{row["datatype"]}</dataType>{flag}</column>'
    )
