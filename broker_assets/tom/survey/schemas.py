"""Avro schemas of the simulated survey's alerts and of brokers' classifications, generated from lists of fields.

Wire compatibility depends on the order and the types of fields alone. The namespace of version 0.9.1 is
`elasticc.v0_9_1`; the record of a classification has the name that it has in the campaigns, `brokerClassfication`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from broker_assets.tom.survey.fields import VERSIONS, Field

LIMIT_FIELDS: Final = (
    Field("ccdVisitId", "long", None),
    Field("midPointTai", "double", None),
    Field("filterName", "string", None),
    Field("diaNoise", "float", None),
)
"""Fields of an upper limit in the first campaign; the simulation has none."""


class UnknownSchema(ValueError):
    """There is no such schema; the message lists the available ones."""


def namespace(version: str) -> str:
    """Namespace of a version.

    Examples
    --------
    >>> namespace("0.9.1")
    'elasticc.v0_9_1'
    """
    return "elasticc.v" + version.replace(".", "_")


def schema_version(name: str | Path) -> str:
    """The version in the name of a schema or its file: `0.9.1`, or `…/elasticc.v0_9_1.alert.avsc`.

    Only the name of a file is looked at: the schemas themselves are part of this package.

    Raises
    ------
    UnknownSchema
        If there is no such version.

    Examples
    --------
    >>> schema_version("/tests/schema/elasticc.v0_9_1.alert.avsc"), schema_version("0.9")
    ('0.9.1', '0.9')
    """
    text = Path(name).name
    found = re.fullmatch(r"elasticc\.v(\d+(?:_\d+)*)\.alert(?:\.avsc)?", text)
    version = found[1].replace("_", ".") if found else text.removeprefix("v").replace("_", ".")
    if version not in VERSIONS:
        raise UnknownSchema(
            f"{name} is not a schema of alerts: versions are {', '.join(VERSIONS)}, files are named"
            " elasticc.v0_9_1.alert.avsc"
        )
    return version


def alert_schema(version: str = "0.9.1") -> dict[str, Any]:
    """The schema of an alert.

    Parameters
    ----------
    version : str
        One of `fields.VERSIONS`.

    Raises
    ------
    UnknownSchema
        If there is no such version.

    Examples
    --------
    >>> [field["name"] for field in alert_schema()["fields"]]
    ['alertId', 'diaSource', 'prvDiaSources', 'prvDiaForcedSources', 'diaObject']
    """
    fields = VERSIONS[schema_version(version)]
    space = namespace(fields.version)
    history: list[dict[str, Any]] = [
        _optional("prvDiaSources", {"type": "array", "items": f"{space}.diaSource"}),
        _optional("prvDiaForcedSources", {"type": "array", "items": _record(space, "diaForcedSource", fields.forced)}),
    ]
    end: list[dict[str, Any]] = []
    if fields.first:
        limit = _record(space, "diaNondetectionLimit", LIMIT_FIELDS)
        history.append(_optional("prvDiaNondetectionLimits", {"type": "array", "items": limit}))
        end = [_optional("cutoutDifference", "bytes"), _optional("cutoutTemplate", "bytes")]
    return {
        "namespace": space,
        "type": "record",
        "name": "alert",
        "fields": [
            {"name": "alertId", "type": "long"},
            {"name": "diaSource", "type": _record(space, "diaSource", fields.source)},
            *history,
            _optional("diaObject", _record(space, "diaObject", fields.object)),
            *end,
        ],
    }


def classification_schema(version: str = "0.9.1", *, times: bool = True) -> dict[str, Any]:
    """The schema of a broker's message about one alert.

    In version 0.9 each probability names its classifier; in 0.9.1 the message does.

    Parameters
    ----------
    version : str
        One of `fields.VERSIONS`.
    times : bool
        Whether times have the logical type of timestamps; otherwise they are plain numbers, with the same bytes.

    Raises
    ------
    UnknownSchema
        If there is no such version.
    """
    version = schema_version(version)
    instant: Any = {"type": "long", "logicalType": "timestamp-millis"} if times else "long"
    classifier = [{"name": name, "type": "string"} for name in ("classifierName", "classifierParams")]
    inner = version == "0.9"
    item = {
        "type": "record",
        "name": "classificationDict",
        "fields": [
            *(classifier if inner else ()),
            {"name": "classId", "type": "int"},
            {"name": "probability", "type": "float"},
        ],
    }
    return {
        "namespace": namespace(version),
        "type": "record",
        "name": "brokerClassfication",
        "fields": [
            {"name": "alertId", "type": "long"},
            {"name": "diaSourceId", "type": "long"},
            {"name": "elasticcPublishTimestamp", "type": instant},
            {"name": "brokerIngestTimestamp", "type": ["null", instant]},
            {"name": "brokerName", "type": "string"},
            {"name": "brokerVersion", "type": "string"},
            *(() if inner else classifier),
            {"name": "classifications", "type": {"type": "array", "items": item}},
        ],
    }


def write_schemas(folder: Path, version: str = "0.9.1") -> list[Path]:
    """Write the schemas of a version as files for other programs.

    Parameters
    ----------
    folder : Path
        Existing folder.
    version : str
        One of `fields.VERSIONS`.

    Returns
    -------
    list of Path
        The schema of alerts, in one file with all its records, and that of classifications.
    """
    written: list[Path] = []
    for name, schema in (("alert", alert_schema(version)), ("brokerClassification", classification_schema(version))):
        path = folder / f"{namespace(schema_version(version))}.{name}.avsc"
        path.write_text(json.dumps(schema, indent=1) + "\n")
        written.append(path)
    return written


def _record(space: str, name: str, fields: Iterable[Field]) -> dict[str, Any]:
    return {"namespace": space, "type": "record", "name": name, "fields": [_field(field) for field in fields]}


def _field(field: Field) -> dict[str, Any]:
    if field.kind.endswith("?"):
        return _optional(field.name, field.kind.removesuffix("?"))
    return {"name": field.name, "type": field.kind}


def _optional(name: str, kind: str | Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "type": ["null", kind], "default": None}
