"""Details of one object: features of its alerts, its context, annotations, and linked objects."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

import psycopg
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from broker_assets.api import objects as earlier
from broker_assets.api.documents import records
from broker_assets.api.v1.answers import Format, chosen_form, described, document, table
from broker_assets.api.v1.lightcurves import features_in, version_of
from broker_assets.api.v1.names import one_of
from broker_assets.api.v1.objects import ObjectId
from broker_assets.api.v1.viewers import Anybody, Database
from broker_assets.database.tables import SURVEYS, object_features

router = APIRouter(tags=["objects"])

_SURVEY_NAMES: Final = {code: name for name, code in SURVEYS.items()}
_ID: Final = "313853499600420864"


@router.get(
    "/objects/{id}/features",
    responses=described(
        {"diaObjectId": _ID, "features": [{"diaSourceId": _ID, "night": "2026-01-02", "latestR": 0.9}]}, tabular=True
    ),
)
def features(
    request: Request,
    connection: Database,
    viewer: Anybody,
    id: ObjectId,  # noqa: A002
    processing_version: Annotated[
        str | None,
        Query(
            description="Version of the processing: features of the stored light curve in this version, computed now."
            " Default: those of the alerts",
            max_length=200,
            examples=["realtime"],
        ),
    ] = None,
    form: Format = None,
) -> Response:
    """Features of the light curve in each alert of the object that is kept, by time of the alert."""
    from broker_assets.database.documented_rows import documented_rows

    chosen = chosen_form(request, form)
    identifier = one_of(connection, id)
    version = version_of(connection, processing_version)
    if version is None:
        found = documented_rows(
            connection, object_features, "diaobjectid", [identifier], order=("lastdiasourcemjdtai", "diasourceid")
        )
    else:
        found = features_in(request, connection, identifier, version)
    if chosen != "json":
        return table(found.combine_chunks().to_batches(), found.schema, chosen, f"features_{identifier}")
    content = {"diaObjectId": identifier, "features": records(found.drop_columns(["diaObjectId"]))}
    return document(request, content if version is None else {**content, "processingVersion": version.description})


@router.get(
    "/objects/{id}/context",
    responses=described({"diaObjectId": _ID, "sherlock": {"classification": "SN", "z": 0.05}, "context": []}),
)
def context(
    request: Request,
    connection: Database,
    viewer: Anybody,
    id: ObjectId,  # noqa: A002
) -> Response:
    """Catalogue context of the object in its newest alert and in each alert, with the versions of the catalogues
    used."""
    content = json.loads(bytes(earlier.context(connection, str(one_of(connection, id))).body))
    return document(request, content)


@router.get(
    "/objects/{id}/annotations",
    responses=described(
        {"diaObjectId": _ID, "annotations": [{"topic": "fast", "classification": "kilonova", "version": "0.1"}]}
    ),
)
def said(
    request: Request,
    connection: Database,
    viewer: Anybody,
    id: ObjectId,  # noqa: A002
    topic: Annotated[str | None, Query(max_length=200, description="Only of this annotator")] = None,
    history: Annotated[bool, Query(description="All that there were, not only those in force")] = False,
) -> Response:
    """What annotators say about the object: public ones, and those that the account may read."""
    return document(
        request,
        {
            "diaObjectId": (identifier := one_of(connection, id)),
            "annotations": seen_annotations(connection, viewer, identifier, topic=topic, history=history),
        },
    )


@router.get(
    "/objects/{id}/links",
    responses=described({"diaObjectId": _ID, "linked": [{"diaObjectId": "4611686163012821968", "survey": "ztf"}]}),
)
def links(
    request: Request,
    connection: Database,
    viewer: Anybody,
    id: ObjectId,  # noqa: A002
) -> Response:
    """Objects of other surveys that are the same source on the sky."""
    from broker_assets.sky.object_links import members

    identifier = one_of(connection, id)
    found = [
        {"diaObjectId": one.diaobjectid, "survey": _SURVEY_NAMES.get(one.survey)}
        for one in members(connection, identifier)
        if one.diaobjectid != identifier
    ]
    return document(request, {"diaObjectId": identifier, "linked": found})


def seen_annotations(
    connection: psycopg.Connection[Any],
    viewer: Anybody,
    identifier: int,
    *,
    topic: str | None = None,
    history: bool = False,
) -> list[dict[str, Any]]:
    """Annotations of an object that a viewer may read."""
    from broker_assets.annotations.annotators import listing
    from broker_assets.annotations.store import of_object

    found = of_object(connection, identifier, topic=topic, history=history)
    topics = sorted({one["topic"] for one in found})
    seen = viewer.visible("annotator", listing(connection, topics=topics), lambda one: one.topic)
    allowed = {one.topic for one in seen}
    return [one for one in found if one["topic"] in allowed]
