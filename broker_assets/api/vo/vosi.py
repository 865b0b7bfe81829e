"""What services say about themselves (IVOA VOSI 1.1): capabilities, availability, tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from broker_assets.filters.tap_jobs import KEPT_DAYS, LONGEST_DAYS
from broker_assets.filters.tap_uploads import MOST_ROWS

_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_XSI: Final = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
_VOSI: Final[Mapping[str, str]] = {
    "capabilities": "ivo://ivoa.net/std/VOSI#capabilities",
    "availability": "ivo://ivoa.net/std/VOSI#availability",
    "tables": "ivo://ivoa.net/std/VOSI#tables-1.1",
}
_FEATURES: Final[Mapping[str, tuple[str, ...]]] = {
    "adqlgeo": (
        "POINT",
        "CIRCLE",
        "BOX",
        "POLYGON",
        "CONTAINS",
        "INTERSECTS",
        "DISTANCE",
        "COORD1",
        "COORD2",
        "COORDSYS",
        "AREA",
        "CENTROID",
    ),
    "adql-string": ("LOWER", "UPPER", "ILIKE"),
    "adql-sets": ("UNION", "EXCEPT", "INTERSECT"),
    "adql-common-table": ("WITH",),
    "adql-type": ("CAST",),
    "adql-offset": ("OFFSET",),
}
"""Optional parts of ADQL that are available, by kind; not REGION, which ADQL 2.1 deprecates."""
_DAY: Final = 86_400
_VERSION: Final = ' version="1.1"'
_FORMATS: Final = (
    ("application/x-votable+xml", "votable", ' ivo-id="ivo://ivoa.net/std/TAPRegExt#output-votable-td"'),
    ("text/csv", "csv", ""),
    ("application/vnd.apache.parquet", "parquet", ""),
)


@dataclass(frozen=True)
class Limits:
    """Limits of an account."""

    rows: int
    """Most rows of an answer."""
    seconds: int
    """Default time limit of an asynchronous query, seconds."""
    most_seconds: int
    """Longest time limit of an asynchronous query, seconds."""


def capabilities(base: str, limits: Limits) -> str:
    """Capabilities of the TAP service.

    Parameters
    ----------
    base : str
        Address of the service.
    limits : Limits
        Limits of the account that asks.
    """
    interface = '<interface xsi:type="vs:ParamHTTP" role="std"{}><accessURL use="{}">{}</accessURL></interface>'
    parts = [
        f'<capability standardID="{standard}">{interface.format("", "full", escape(f"{base}/{name}"))}</capability>'
        for name, standard in _VOSI.items()
    ]
    parts.append(
        '<capability standardID="ivo://ivoa.net/std/DALI#examples"><interface xsi:type="vr:WebBrowser">'
        f'<accessURL use="full">{escape(f"{base}/examples")}</accessURL></interface></capability>'
    )
    features = "".join(
        f'<languageFeatures type="ivo://ivoa.net/std/TAPRegExt#features-{kind}">'
        f"{''.join(f'<feature><form>{name}</form></feature>' for name in names)}</languageFeatures>"
        for kind, names in _FEATURES.items()
    )
    formats = "".join(
        f"<outputFormat{number}><mime>{media}</mime><alias>{alias}</alias></outputFormat>"
        for media, alias, number in _FORMATS
    )
    seconds = f"<default>{limits.seconds}</default><hard>{limits.most_seconds}</hard>"
    rows = f'<default unit="row">{limits.rows}</default><hard unit="row">{limits.rows}</hard>'
    parts.append(
        '<capability standardID="ivo://ivoa.net/std/TAP" xsi:type="tr:TableAccess">'
        f"{interface.format(_VERSION, 'base', escape(base))}"
        '<dataModel ivo-id="ivo://ivoa.net/std/ObsCore#core-1.1">ObsCore-1.1</dataModel>'
        '<language><name>ADQL</name><version ivo-id="ivo://ivoa.net/std/ADQL#v2.0">2.0</version>'
        '<version ivo-id="ivo://ivoa.net/std/ADQL#v2.1">2.1</version>'
        f"<description>SELECT with TOP, joins, grouping and regions</description>{features}</language>{formats}"
        '<uploadMethod ivo-id="ivo://ivoa.net/std/TAPRegExt#upload-inline"/>'
        '<uploadMethod ivo-id="ivo://ivoa.net/std/TAPRegExt#upload-http"/>'
        '<uploadMethod ivo-id="ivo://ivoa.net/std/TAPRegExt#upload-https"/>'
        f"<retentionPeriod><default>{KEPT_DAYS * _DAY}</default><hard>{LONGEST_DAYS * _DAY}</hard></retentionPeriod>"
        f"<executionDuration>{seconds}</executionDuration><outputLimit>{rows}</outputLimit>"
        f'<uploadLimit><hard unit="row">{MOST_ROWS}</hard></uploadLimit></capability>'
    )
    return (
        f'{_HEAD}<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0"'
        ' xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0" xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1"'
        f' xmlns:vr="http://www.ivoa.net/xml/VOResource/v1.0" {_XSI}>{"".join(parts)}</vosi:capabilities>\n'
    )


def availability() -> str:
    """The answer that the service is up; the caller has checked the database."""
    return (
        f'{_HEAD}<vosi:availability xmlns:vosi="http://www.ivoa.net/xml/VOSIAvailability/v1.0">'
        "<vosi:available>true</vosi:available></vosi:availability>\n"
    )


def tables() -> str:
    """Schemas, tables and columns."""
    from broker_assets.filters.tap_schema import tap_schema

    keys = {row["key_id"]: row for row in tap_schema("keys")}
    foreign: dict[str, str] = {}
    for row in tap_schema("key_columns"):
        key = keys[row["key_id"]]
        foreign[key["from_table"]] = foreign.get(key["from_table"], "") + (
            f"<foreignKey><targetTable>{key['target_table']}</targetTable><fkColumn><fromColumn>{row['from_column']}"
            f"</fromColumn><targetColumn>{row['target_column']}</targetColumn></fkColumn></foreignKey>"
        )
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
                    f"<description>{escape(table['description'])}</description>{_utype(table)}{fields}"
                    f"{foreign.get(table['table_name'], '')}</table>"
                )
        parts.append(
            f"<schema><name>{escape(schema['schema_name'])}</name>"
            f"<description>{escape(schema['description'])}</description>{''.join(inner)}</schema>"
        )
    return (
        f'{_HEAD}<vosi:tableset xmlns:vosi="http://www.ivoa.net/xml/VOSITables/v1.0"'
        f' xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1" {_XSI}>{"".join(parts)}</vosi:tableset>\n'
    )


def _utype(row: Mapping[str, Any]) -> str:
    return f"<utype>{escape(row['utype'])}</utype>" if row.get("utype") else ""


def _column(row: dict[str, Any]) -> str:
    unit = f"<unit>{escape(row['unit'])}</unit>" if row["unit"] else ""
    ucd = f"<ucd>{escape(row['ucd'])}</ucd>" if row["ucd"] else ""
    size = ' arraysize="*"' if row["arraysize"] else ""
    flag = "".join(f"<flag>{name}</flag>" for name in ("indexed", "principal") if row[name])
    extended = f' extendedType="{row["xtype"]}"' if row.get("xtype") else ""
    return (
        f"<column><name>{escape(row['column_name'])}</name><description>{escape(row['description'])}</description>"
        f'{unit}{ucd}{_utype(row)}<dataType xsi:type="vs:VOTableType"{size}{extended}>{row["datatype"]}</dataType>'
        f"{flag}</column>"
    )
