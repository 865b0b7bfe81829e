"""Where the rows of each table come from, as SQL: the parts of an answer, and how they are joined.

A part is an origin of a row: the packet of an alert, a Kafka message, a file, the lists with which it was compared,
or the batch that wrote it. `why` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import sqlalchemy as sa

from broker_assets.database.tables import SURVEYS, metadata
from broker_assets.database.tables.tom import tom_metadata
from broker_assets.provenance.origin_parts import Part, batch_part, file_part, json_part, survey_part
from broker_assets.provenance.tom_origins import TOM_BOOKKEEPING, TOM_ROUTES


def _packet(source: str, *, of_object: str = "NULL", time: str = "", survey: str = "", joins: str = "") -> Part:
    """The packet of a source; since the object of a source may change, the packet of the same object is preferred."""
    at = f" AND own.midpointmjdtai = {time}" if time else ""
    at += f" AND own.survey = {survey}" if survey else ""
    return Part(
        "packet",
        json_part(
            "file.archivefileid IS NOT NULL",
            diasourceid="packet.diasourceid",
            diaobjectid="packet.diaobjectid",
            midpointmjdtai="packet.midpointmjdtai",
            night="file.night",
            topic="file.topic",
            archive_url="file.url",
            sha256="file.sha256",
            position="packet.archiveposition",
            length="packet.archivelength",
            schema_id="file.schema",
            ingestid="file.ingestid",
        ),
        f"{joins} LEFT JOIN LATERAL (SELECT own.* FROM diasources AS own WHERE own.diasourceid = {source}{at}"  # noqa: S608
        f" AND own.archivefileid IS NOT NULL ORDER BY own.diaobjectid IS NOT DISTINCT FROM {of_object} DESC LIMIT 1)"
        " AS packet ON true LEFT JOIN archive_file AS file ON file.archivefileid = packet.archivefileid",
        source=source,
        before=joins,
    )


def _message(ingestid: str) -> Part:
    """The message of a batch with one message, or that in quarantine from which it was retried."""
    return Part(
        "message",
        json_part(
            "message.topic IS NOT NULL",
            topic="message.topic",
            partition='message."partition"',
            offset='message."offset"',
        ),
        'LEFT JOIN LATERAL (SELECT topic, "partition", next_offset - 1 AS "offset" FROM ingest_batch_range'  # noqa: S608
        f' WHERE ingestid = {ingestid} UNION ALL SELECT topic, "partition", "offset" FROM quarantine'
        f" WHERE resolved_ingestid = {ingestid} LIMIT 1) AS message ON true",
    )


def _lists(query: str) -> Part:
    """Lists, from a query for kind, id, owner, name and revision."""
    return Part(
        "lists",
        "found.lists",
        f"LEFT JOIN LATERAL (SELECT jsonb_agg(to_jsonb(item)) AS lists FROM ({query}) AS item) AS found ON true",  # noqa: S608
    )


_WATCHLIST: Final = (
    "SELECT 'watchlist' AS kind, {id} AS id, list.owner, list.name, {revision} AS revision"
    " FROM (SELECT 1) AS one LEFT JOIN watchlists AS list ON list.wl_id = {id}"
)
_AREA: Final = (
    "SELECT 'area' AS kind, wanted.id, list.owner, list.name, list.revision"
    " FROM unnest({ids}) AS wanted (id) LEFT JOIN areas AS list ON list.ar_id = wanted.id"
)
_SKY_MAP: Final = (
    "SELECT 'sky_map' AS kind, mw_id AS id, namespace AS owner, otherid || ' ' || version AS name,"
    " revision_from AS revision FROM mma_areas WHERE mw_id = this.mw_id"
)
_CONE: Final = (
    "SELECT 'watchlist' AS kind, cone.wl_id AS id, list.owner, list.name, cone.revision_from AS revision"
    " FROM (SELECT cone_id, wl_id, revision_from FROM watchlist_cones WHERE cone_id = this.cone_id UNION ALL"
    " SELECT cone_id, wl_id, revision_from FROM watchlist_cone_gone WHERE cone_id = this.cone_id) AS cone"
    " LEFT JOIN watchlists AS list USING (wl_id)"
)
_IMPORTED: Final = survey_part(
    f"this.broughtby IS NULL AND this.survey = {SURVEYS['elasticc']}", instead_of=("packet", "batch")
)
"""Part for objects and points that brokers reported and that were imported without a packet."""
_POINT: Final = (
    _packet("this.broughtby", of_object="this.diaobjectid", time="this.broughtbymjdtai"),
    batch_part(),
    _IMPORTED,
)
_NEWEST_ALERT: Final = (_packet("this.broughtby"), batch_part())
_ALERT: Final = _packet("this.diasourceid", of_object="this.diaobjectid")


def _computed(asset: str) -> Part:
    """What computed a fact: an enrichment, with the versions of its inputs."""
    return Part(
        "computed",
        json_part(
            "entry.ingestid IS NOT NULL",
            enrichment="entry.enrichment",
            code_version="entry.version",
            inputs="entry.inputs",
        ),
        "LEFT JOIN ingest_batch_facts AS entry ON entry.ingestid = this.ingestid AND entry.night = this.night"
        f" AND entry.asset = '{asset}'",
    )


def _annotation(past: str, joins: str = "") -> tuple[Part, ...]:
    """The message of an annotation, if it came in one, its batch, and its annotator as it was then.

    `past` is the row of `annotation_history`, which `joins` may find.
    """
    return (
        Part(
            "message",
            json_part(
                f"{past}.stream IS NOT NULL",
                topic=f"regexp_replace({past}.stream, '^annotator[.][^.]*[.]', '')",
                partition=f'{past}."partition"',
                offset=f'{past}."offset"',
            ),
            joins,
            required=False,
        ),
        batch_part(f"{past}.ingestid"),
        Part(
            "annotator",
            json_part(
                "annotator.topic IS NOT NULL",
                topic="annotator.topic",
                owner="annotator.owner",
                version=f"{past}.version",
                revision="annotator.revision_from",
                source="annotator.source",
            ),
            f"LEFT JOIN annotator_history AS annotator ON annotator.topic = {past}.topic"
            f" AND annotator.revision_from <= {past}.revision_from"
            f" AND (annotator.revision_to IS NULL OR {past}.revision_from < annotator.revision_to)",
        ),
    )


_ASSOCIATION: Final = (
    _packet(
        "match.diasourceid",
        of_object="this.diaobjectid",
        joins="LEFT JOIN LATERAL (SELECT * FROM context_matches WHERE diaobjectid = this.diaobjectid"
        " AND associationid = this.associationid ORDER BY diasourceid LIMIT 1) AS match ON true",
    ),
    batch_part("match.ingestid"),
    Part(
        "computed",
        _computed("context_matches").value,
        "LEFT JOIN ingest_batch_facts AS entry ON entry.ingestid = match.ingestid AND entry.night = match.night"
        " AND entry.asset = 'context_matches'",
    ),
)
"""An association comes from the first alert that has it."""

_OF_NIGHT: Final = (
    "LEFT JOIN LATERAL (SELECT entry.asset, entry.code_version, (SELECT coalesce(jsonb_object_agg(used.input_asset"
    " || ':' || used.input_partition, used.input_data_version), '{{}}') FROM artefact_input AS used"
    ' WHERE used.asset = entry.asset AND used."partition" = entry."partition") AS inputs FROM artefact AS entry'
    " WHERE entry.asset = '{asset}' AND entry.\"partition\" = this.night::text) AS made ON true"
)


def _made_by_night(asset: str) -> Part:
    """The asset, made outside the stream, of the night of a row, with the versions of its inputs."""
    return Part(
        "computed",
        json_part(
            "made.asset IS NOT NULL",
            enrichment="made.asset",
            code_version="made.code_version",
            inputs="made.inputs",
        ),
        _OF_NIGHT.format(asset=asset),
    )


_OBJECT_OF_HIT: Final = (
    _packet(
        "objects.broughtby",
        of_object="this.diaobjectid",
        joins="LEFT JOIN objects ON objects.diaobjectid = this.diaobjectid",
    ),
    batch_part(required=False),
)
_TELEMETRY_FILE: Final = {
    "name": "telemetry.name",
    "url": "telemetry.url",
    "sha256": "telemetry.sha256",
    "run_id": "telemetry.run_id",
    "at": "telemetry.first_seen",
}
_TELEMETRY: Final = (
    file_part(
        "telemetry.telemetryfileid IS NOT NULL",
        "LEFT JOIN telemetry_file AS telemetry ON telemetry.telemetryfileid = this.telemetryfileid",
        **_TELEMETRY_FILE,
    ),
)
_TNS: Final = (
    file_part(
        "this.tns_file IS NOT NULL",
        name="this.tns_file",
        sha256="this.tns_file_sha256",
        at="this.lasairmodified_date",
    ),
)
_MIRRORED_TNS: Final = Part(
    "file",
    json_part(
        "tns.tns_file IS NOT NULL", name="tns.tns_file", sha256="tns.tns_file_sha256", at="tns.lasairmodified_date"
    ),
    "LEFT JOIN watchlists AS mirror ON mirror.wl_id = this.wl_id AND mirror.owner = 'system'"
    " AND mirror.name = '__TNS__' LEFT JOIN crossmatch_tns AS tns ON mirror.wl_id IS NOT NULL"
    " AND tns.tns_name = this.name",
    required=False,
)
_PRODUCT: Final = {
    "name": "product.name",
    "url": "product.path",
    "sha256": "product.digest",
    "run_id": "product.run_id",
    "at": "product.made_at",
}

_LINK: Final = (_OBJECT_OF_HIT[0], _made_by_night("object_link"))

ROUTES: Final[Mapping[str, Sequence[Part]]] = {
    "diasources": _POINT,
    "diaforcedsources": _POINT,
    "dianondetectionlimits": _POINT,
    "objects": (_packet("this.broughtby", of_object="this.diaobjectid"), batch_part(), _IMPORTED),
    "ssobjects": _NEWEST_ALERT,
    "mpc_orbits": _NEWEST_ALERT,
    "sssources": (_packet("this.diasourceid", survey="this.survey"), batch_part()),
    "watchlist_facts": (_ALERT, batch_part(), _lists(_CONE)),
    "area_facts": (_ALERT, batch_part(), _lists(_AREA.format(ids="this.ar_ids"))),
    "sky_map_facts": (_ALERT, batch_part(), _lists(_SKY_MAP)),
    "object_features": (_ALERT, batch_part(), _computed("object_features")),
    "context_matches": (_ALERT, batch_part(), _computed("context_matches")),
    "associations": _ASSOCIATION,
    "class_scores": (_ALERT, batch_part(), _computed("class_scores")),
    "object_classes": (_ALERT, batch_part(), _computed("class_scores")),
    "classifier_failures": (batch_part(), _computed("class_scores")),
    "filter_matches": (_ALERT, batch_part(), _computed("filter_matches")),
    "filter_runs": (batch_part(), _computed("filter_matches")),
    "object_statistics": (_ALERT, _made_by_night("object_statistics")),
    "contradictions": (_OBJECT_OF_HIT[0],),
    "contradictions_history": (_OBJECT_OF_HIT[0],),
    "object_link": _LINK,
    "object_link_history": _LINK,
    "watchlist_hits": (*_OBJECT_OF_HIT, _lists(_CONE)),
    "area_hits": (*_OBJECT_OF_HIT, _lists(_AREA.format(ids="ARRAY[this.ar_id]"))),
    "mma_area_hits": (*_OBJECT_OF_HIT, _lists(_SKY_MAP)),
    "mma_areas": (_message("this.ingestid"), batch_part()),
    "mma_retractions": (_message("this.ingestid"), batch_part()),
    "event_notices": (_message("this.ingestid"), batch_part()),
    "notice_events": (
        _message("(SELECT ingestid FROM event_notices WHERE noticeid = this.noticeid)"),
        _lists(_CONE),
    ),
    "annotations": _annotation(
        "past",
        "LEFT JOIN annotation_history AS past ON past.diaobjectid = this.diaobjectid"
        " AND past.annotationid = this.annotationid",
    ),
    "annotation_history": _annotation("this"),
    "annotation_waiting": (
        Part(
            "message",
            json_part(
                "true",
                topic="regexp_replace(this.stream, '^annotator[.][^.]*[.]', '')",
                partition='this."partition"',
                offset='this."offset"',
            ),
        ),
        batch_part(),
    ),
    "watchlists": (_lists(_WATCHLIST.format(id="this.wl_id", revision="this.revision")),),
    "watchlist_cones": (_lists(_CONE), _MIRRORED_TNS),
    "watchlist_cone_gone": (_lists(_CONE),),
    "watchlist_periods": (_lists(_WATCHLIST.format(id="this.wl_id", revision="this.revision_from")),),
    "areas": (_lists(_AREA.format(ids="ARRAY[this.ar_id]")),),
    "area_periods": (_lists(_AREA.format(ids="ARRAY[this.ar_id]")),),
    "crossmatch_tns": _TNS,
    "crossmatch_tns_history": _TNS,
    "tns_file": (file_part("true", name="this.name", sha256="this.sha256", at="this.applied_at"),),
    "quarantined_line": (file_part("true", name="this.source", at="this.created_at"),),
    "telemetry_file": _TELEMETRY,
    "telemetry_file_day": _TELEMETRY,
    "telemetry_quarantine": _TELEMETRY,
    "product_file": (
        file_part(
            "product.productfileid IS NOT NULL",
            "LEFT JOIN product_file AS product USING (productfileid)",
            **_PRODUCT,
        ),
    ),
    "product_file_input": (
        file_part(
            "product.productfileid IS NOT NULL",
            "LEFT JOIN product_file AS product USING (productfileid)",
            **_PRODUCT,
        ),
    ),
    "publication": (
        file_part(
            "true", name="this.name", url="this.path", sha256="this.digest", run_id="this.run_id", at="this.made_at"
        ),
    ),
    "publication_receipt": (
        file_part(
            "decision.publicationid IS NOT NULL",
            "LEFT JOIN publication AS decision USING (publicationid)",
            name="decision.name",
            url="decision.path",
            sha256="decision.digest",
            run_id="this.run_id",
            at="decision.made_at",
        ),
    ),
    "publication_mirror": (
        file_part("true", name="this.path", sha256="this.sha256", run_id="this.run_id", at="this.verified_at"),
    ),
    "archive_file": (batch_part(),),
    "ingest_batch": (batch_part(),),
    "ingest_batch_range": (batch_part(),),
    "ingest_batch_night": (batch_part(),),
    "ingest_batch_facts": (batch_part(),),
    "stream_offset": (batch_part(),),
    "stream_gap": (batch_part(),),
    "subscription_message": (batch_part(),),
    "quarantine": (
        Part(
            "message",
            json_part("true", topic="this.topic", partition='this."partition"', offset='this."offset"'),
        ),
        batch_part(),
    ),
    **TOM_ROUTES,
}
"""Parts of the answer, by table."""

BOOKKEEPING: Final[Mapping[str, str]] = {
    "annotation_due": "recorded by the batch of the annotation, until its filters have run",
    "annotator_history": "each row is a change of an annotator by its owner",
    "annotators": "entered by its owner; annotator_history has every change",
    "artefact": "`broker-assets why ASSET:PARTITION` shows it with its inputs",
    "artefact_history": "each row names the run that made it",
    "artefact_input": "`broker-assets why ASSET:PARTITION` shows it",
    "classifier_classes": "recorded by the first batch that a version of a classifier has scored",
    "code": "recorded when the code location starts",
    "cold_months": "recorded by the run of `detached_months` that let the month leave",
    "cold_nights": "recorded by the run of `cold_night` that wrote the night",
    "cold_tables": "recorded by the run of `cold_night` that wrote to the table last",
    "cold_thawed": "recorded by the reprocessing of the night",
    "context_compared": "recorded when catalogues or rules have changed, see `context.comparison`",
    "stale_facts": "each row names what has changed",
    "annotation_matches": "recorded by the batch of the annotation that is named, by the version of the filter",
    "change_feeds": "entered by its owner",
    "enriched_topics": "written by the sender of the topic",
    "deliveries": "`broker-assets why --notification` shows its path",
    "delivery_identities": "recorded with the delivery that has the same identity; kept when that is deleted",
    "delivery_usage": "counted by the sender from the deliveries of the night",
    "filter_periods": "each row is a change of a filter by its owner or the platform",
    "filter_sinks": "entered by the owner of its filter",
    "filter_versions": "each row was saved by the account in it",
    "filters": "entered by its owner; filter_versions has every definition",
    "heartbeat": "recorded by the component in the row",
    "notification": "each row names its cause",
    "owner_contacts": "entered by the owner in the row",
    "owner_messages": "each row names its cause",
    "point_sums": "recounted from the stored points of the object",
    "publication_run": "each row is a run",
    "snapshots": "each row has its question and the versions that it was answered with",
    "rematch": "recorded by the job `match_lists`, for the revision in the row",
    "lasair_statistics": "computed from the ledger at the end of each drain run",
    "revision_counter": "advanced by every change of a list",
    "run_costs": "recorded by the run in the row when it reports",
    "stream_attempt": "recorded by the run in the row before it decodes messages",
    **TOM_BOOKKEEPING,
}
"""Tables that the platform keeps for itself, and how their rows are made."""


def table_of(name: str) -> sa.Table:
    """A table by its name."""
    found = metadata.tables.get(name)
    return found if found is not None else tom_metadata.tables[name]


def key_columns(table: str) -> tuple[str, ...]:
    """Columns that identify a row of a table."""
    found = table_of(table)
    if found.primary_key.columns:
        return tuple(found.primary_key.columns.keys())
    unique = next(index for index in sorted(found.indexes, key=lambda item: str(item.name)) if index.unique)
    return tuple(column.name for column in unique.columns if isinstance(column, sa.Column))


def origin_query(table: str) -> str:
    """SQL for rows of a table, named `this`, and the parts of their answer as JSON; conditions can be appended."""
    parts = ROUTES[table]
    key = ", ".join(f"'{name}', this.\"{name}\"" for name in key_columns(table))
    values = ", ".join(f"{part.value} AS {part.name}" for part in parts)
    joins = " ".join(part.joins for part in parts)
    return f"SELECT jsonb_build_object({key}) AS row, {values} FROM {table} AS this {joins} WHERE true"  # noqa: S608


def sources_query(table: str) -> str | None:
    """SQL for the sources whose packets provided the rows of a table, named `this`; conditions can be appended."""
    packet = next((part for part in ROUTES[table] if part.source), None)
    if packet is None:
        return None
    return f"SELECT DISTINCT {packet.source} FROM {table} AS this {packet.before} WHERE true"  # noqa: S608
