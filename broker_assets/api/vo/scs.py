"""Simple Cone Search (IVOA SCS 1.03) over the objects."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
from fastapi import APIRouter, Request
from fastapi.responses import Response

from broker_assets.api.v1 import answers
from broker_assets.api.v1.viewers import Anybody, Database
from broker_assets.api.vo.parameters import Parameters, form_of, number_of, rows_of

router = APIRouter(tags=["VO"])

LARGEST: Final = 10.0
"""Largest radius, degrees."""
_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "1": (),
    "2": (
        "firstDiaSourceMjdTai",
        "lastDiaSourceMjdTai",
        "nDiaSources",
        "latestR",
        "medianR",
        "glat",
        "ebv",
        "tns_name",
    ),
}
"""Columns by VERB, besides identifier and position; VERB 3 has all columns."""


@router.get("/scs", response_class=Response, operation_id="scs_get")
@router.post("/scs", response_class=Response, operation_id="scs_post")
def cone_search(request: Request, connection: Database, viewer: Anybody, given: Parameters) -> Response:
    """Objects within SR degrees of (RA, DEC), ICRS degrees; VERB 1 to 3 chooses columns, SR=0 describes them."""
    from broker_assets.database.object_tables import object_columns, object_schema, object_table
    from broker_assets.sky.cone_search import objects_near

    form, most = form_of(given), rows_of(given, viewer.rows)
    ra = number_of(given, "RA", 0.0, 360.0)
    dec = number_of(given, "DEC", -90.0, 90.0)
    radius = number_of(given, "SR", 0.0, LARGEST)
    verb = str(given.get("VERB", "2"))
    every = [name for name in _all() if name not in ("diaobjectid", "ra", "decl")]
    names = object_columns(("ra", "decl", *_COLUMNS.get(verb, every)))
    if radius == 0 or most == 0:
        found, count = object_schema(names).empty_table(), 0
    else:
        near = objects_near(connection, ra, dec, radius * 3600.0)
        found, count = object_table(connection, names, near.diaobjectid[:most].tolist()), len(near)
    found = _described(found)
    return answers.table(
        found.combine_chunks().to_batches(), found.schema, form, "objects", overflows=lambda: count > found.num_rows
    )


def _all() -> list[str]:
    from broker_assets.database.tables import objects

    return [column.name for column in objects.columns]


def _described(found: pa.Table) -> pa.Table:
    """The table with the UCDs that the standard requires, and the identifier as a text."""
    fields: list[Any] = []
    ucds = {"ra": "POS_EQ_RA_MAIN", "decl": "POS_EQ_DEC_MAIN", "diaObjectId": "ID_MAIN"}
    for item in found.schema:
        about = {key: value for key, value in (item.metadata or {}).items() if key != b"ucd"}
        if item.name in ucds:
            about[b"ucd"] = ucds[item.name].encode()
        kind = item.type
        if item.name == "diaObjectId":
            kind, about[b"datatype"] = pa.string(), b"char"
        fields.append(pa.field(item.name, kind, metadata=about))
    return found.cast(pa.schema(fields))
