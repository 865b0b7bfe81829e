"""Annotations of objects: `annotations`, one partition for each annotator.

Runs of `read_annotations` write them and report them here. The data version consists of the change number of the
annotator's newest annotation and the number of annotated objects, so that two nodes with the same numbers have the same
rows.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

import psycopg
from dagster import AssetMaterialization, AssetSpec, DagsterInstance

from broker_assets.assets.labels import ALL_SURVEYS, ANNOTATE, STREAM_OPERATORS, about, labels
from broker_assets.assets.metadata import table_metadata
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.database.tables import metadata as tables
from broker_assets.partitions import annotators
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.stream.annotation_messages import annotator_of
from broker_assets.stream.annotation_run import AnnotationRun
from broker_assets.stream.annotations import ANNOTATIONS_VERSION, AnnotationsRead

ANNOTATIONS: Final = "annotations"


def build_annotation_assets() -> list[AssetSpec]:
    """The assets."""
    return [
        AssetSpec(
            ANNOTATIONS,
            partitions_def=annotators,
            group_name="annotations",
            code_version=ANNOTATIONS_VERSION,
            kinds={"postgres"},
            **labels(STREAM_OPERATORS, survey=ALL_SURVEYS, level="rows", family="annotations", store="postgres"),
            **about(
                "What outside annotators and brokers say about objects: the newest annotation of each object and "
                "annotator. The "
                "partitions are the annotators. All annotations ever made are in annotation_history.",
                ANNOTATE,
                table_metadata(tables.tables["annotations"]),
            ),
        )
    ]


def report_annotations(
    instance: DagsterInstance, database: Database, log: logging.Logger, run: AnnotationRun
) -> Iterator[AssetMaterialization]:
    """Report the annotators whose annotations have changed since they were last reported."""
    with database.transaction() as connection:
        entries = annotation_entries(connection, run.read)
    instance.add_dynamic_partitions(str(annotators.name), [entry.artefact.partition for entry in entries])
    yield from Reporter(instance, database, log).report(entries, partitions=annotators)


def annotation_entries(connection: psycopg.Connection[Any], read: Mapping[str, AnnotationsRead]) -> list[Entry]:
    """The entry that reports each annotator.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    read : mapping of str to AnnotationsRead
        Counts of what a run has read, by stream; shown with the version.
    """
    by_annotator: dict[str, list[AnnotationsRead]] = {}
    for stream, found in read.items():
        named = annotator_of(stream)
        if named is not None:
            by_annotator.setdefault(named[0], []).append(found)
    rows = connection.execute(
        "SELECT annotators.topic, count(annotations.topic), coalesce(max(annotations.revision), 0),"
        " (SELECT count(*) FROM annotation_waiting AS held WHERE held.topic = annotators.topic)"
        " FROM annotators LEFT JOIN annotations USING (topic) GROUP BY annotators.topic ORDER BY annotators.topic"
    ).fetchall()
    return [
        Entry(
            versions.Artefact(
                asset=ANNOTATIONS,
                partition=topic,
                data_version=f"{revision}/{count}",
                code_version=ANNOTATIONS_VERSION,
            ),
            description=f"{count} objects, as of change {revision}",
            metadata={
                "dagster/row_count": count,
                "as of change": revision,
                "waiting for their objects": held,
                "received": sum(found.received for found in by_annotator.get(topic, ())),
                "quarantined": sum(found.quarantined for found in by_annotator.get(topic, ())),
            },
        )
        for topic, count, revision, held in rows
        if revision
    ]
