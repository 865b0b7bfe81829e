"""Checks of annotations: silent annotators, annotations that wait too long, and agreement of history and state."""

from collections.abc import Callable
from typing import Any

import psycopg
from dagster import AssetCheckResult, AssetChecksDefinition, AssetCheckSeverity, ResourceParam, asset_check

from broker_assets.assets.annotations import ANNOTATIONS
from broker_assets.checks.definition import Verdict, advised
from broker_assets.database.engine import connect
from broker_assets.resources.database import Database
from broker_assets.settings import AnnotationSettings

ASK = "ask the owner; `broker-assets annotator deactivate` ends the warning"
READ = "start the job read_annotations and read its log"
SHOWN = 10


def build_annotation_checks(settings: AnnotationSettings) -> list[AssetChecksDefinition]:
    """Build the checks."""
    return [
        _check(
            "annotators_heard",
            f"Every active annotator has said something in the last {settings.silent_days:g} days.",
            lambda connection: silent(connection, settings.silent_days),
            ASK,
        ),
        _check(
            "filters_ran",
            f"Filters that ask for an annotation have run {settings.filters_seconds:g} s after it came.",
            lambda connection: filters_ran(connection, settings.filters_seconds),
            READ,
        ),
        _check("history_agrees", "The newest annotations of the history are the current ones.", history_agrees, ""),
    ]


def _check(
    name: str, description: str, judge: Callable[[psycopg.Connection[Any]], Verdict], next_step: str
) -> AssetChecksDefinition:
    @asset_check(asset=ANNOTATIONS, name=name, description=description)
    def checked(database: ResourceParam[Database]) -> AssetCheckResult:
        with connect(database.url) as connection:
            return advised(judge(connection), next_step).result()

    return checked


def silent(connection: psycopg.Connection[Any], days: float) -> Verdict:
    """Active annotators from which no message has come for some days: neither a new annotation nor a known one."""
    rows = connection.execute(
        "WITH heard AS (SELECT split_part(topic, '.', 2) AS topic, max(finished_at) AS at FROM ingest_batch"
        " WHERE kind = 'annotation' AND starts_with(topic, 'annotator.') AND received > 0"
        "  AND finished_at > now() - %(days)s * interval '1 day' GROUP BY 1),"
        " said AS (SELECT topic, max(timestamp) AS at FROM annotations"
        "  WHERE timestamp > now() - %(days)s * interval '1 day' GROUP BY 1)"
        " SELECT annotators.topic, annotators.owner, heard.topic IS NULL AND said.topic IS NULL FROM annotators"
        " LEFT JOIN heard USING (topic) LEFT JOIN said USING (topic)"
        " WHERE active AND date_modified < now() - %(days)s * interval '1 day' ORDER BY 1",
        {"days": days},
    ).fetchall()
    quiet = [f"{topic} of {owner}" for topic, owner, is_silent in rows if is_silent]
    if not quiet:
        return Verdict(True, f"{len(rows)} active annotators older than {days:g} days have been heard")
    more = f" and {len(quiet) - SHOWN} more" if len(quiet) > SHOWN else ""
    text = f"nothing has come for {days:g} days from {', '.join(quiet[:SHOWN])}{more}"
    return Verdict(False, text, AssetCheckSeverity.WARN, {"silent annotators": len(quiet)})


def filters_ran(connection: psycopg.Connection[Any], seconds: float) -> Verdict:
    """No annotation waits too long for its filters, and those of the last day that matched were within the limit."""
    row = connection.execute(
        "SELECT count(*), min(finished_at) FROM annotation_due JOIN ingest_batch USING (ingestid)"
        " WHERE finished_at < now() - greatest(%s, 900) * interval '1 second'",
        (seconds,),
    ).fetchone()
    count, since = row or (0, None)
    if count:
        return Verdict(False, f"the filters of {count} annotations have not run since {since:%Y-%m-%d %H:%M} UTC")
    # The time is counted from the message in Kafka, or the call of the function, to the transaction of the match. For
    # an annotation that waited for its object it begins with the batch that released it.
    row = connection.execute(
        "WITH matched AS (SELECT extract(epoch FROM queued.created_at - batch.finished_at)::float8"
        "  + coalesce(batch.latency_max, 0) AS waited"
        " FROM deliveries AS queued JOIN annotation_history AS said"
        "  ON said.annotationid = split_part(queued.trigger, '/', 2)::bigint AND said.diaobjectid = queued.diaobjectid"
        " JOIN ingest_batch AS batch ON batch.ingestid = said.ingestid"
        " WHERE queued.night >= current_date - 1 AND queued.trigger LIKE 'annotation/%%'"
        "  AND queued.created_at > now() - interval '1 day')"
        " SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY waited),"
        " percentile_cont(0.99) WITHIN GROUP (ORDER BY waited), count(*) FILTER (WHERE waited > %s) FROM matched",
        (seconds,),
    ).fetchone()
    count, median, most, late = row or (0, 0.0, 0.0, 0)
    if not count or median is None or most is None:
        return Verdict(True, "no annotation waits for its filters")
    shown = {"median (s)": round(median, 2), "99th percentile (s)": round(most, 2), "messages": count}
    text = f"{count} messages of the last day: half of them {median:.1f} s after their annotation, 99 % {most:.1f} s"
    if most <= seconds:
        return Verdict(True, text, metadata=shown)
    return Verdict(
        False, f"{text}; {late} later than the {seconds:g} s that are promised", AssetCheckSeverity.WARN, shown
    )


def history_agrees(connection: psycopg.Connection[Any]) -> Verdict:
    """Compare the annotations in force with the open entries of the history, row by row."""
    row = connection.execute(
        "SELECT count(*) FILTER (WHERE past.annotationid IS NULL), count(*) FILTER (WHERE now.annotationid IS NULL),"
        " count(*) FROM annotations AS now FULL JOIN"
        " (SELECT * FROM annotation_history WHERE revision_to IS NULL) AS past"
        " ON past.diaobjectid = now.diaobjectid AND past.annotationid = now.annotationid"
        " AND past.content = now.content AND past.topic = now.topic"
    ).fetchone()
    missing, extra, count = row or (0, 0, 0)
    if not missing and not extra:
        return Verdict(True, f"{count} annotations agree with their history")
    return Verdict(False, f"{missing} annotations are not in the history, {extra} of the history are not in force")
