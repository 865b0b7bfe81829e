"""The simulated survey by night: loaded, sent, archived, answered, reported by brokers, imported, rolled up.

A night of the simulation is a partition once the survey is loaded. The steps are in `tom.survey`,
`stream.broker_message_run` and `tom.objects`; repeating a step does nothing twice.
"""

import datetime
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    Failure,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    RetryRequested,
    asset,
)

from broker_assets.assets.labels import SIMULATION_OBSERVER, STREAM_OPERATORS, SURVEY_NIGHT, about, labels
from broker_assets.assets.metadata import table_metadata
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.assets.tom.taxonomies import SECOND_TAXONOMY
from broker_assets.automation import on_new_versions
from broker_assets.dagster_internals import capture_interrupts, pop_captured_interrupt
from broker_assets.database.engine import connect
from broker_assets.database.tables import tom as tables
from broker_assets.partitions import simulated_nights
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.resources.kafka import Kafka, client_configuration
from broker_assets.resources.pubsub import ender, opener
from broker_assets.settings import Settings
from broker_assets.sky.cells import cells_at
from broker_assets.sky.htm import htm
from broker_assets.stream.broker_message_batches import MESSAGES_VERSION
from broker_assets.stream.broker_message_run import run_brokers
from broker_assets.tom.objects.class_rollup import update_classes
from broker_assets.tom.objects.curve_rollup import update_curves
from broker_assets.tom.objects.importing import VERSION as IMPORT_VERSION
from broker_assets.tom.objects.importing import ImportRunning, import_reported
from broker_assets.tom.survey import night_contents
from broker_assets.tom.survey.archives import write_archive
from broker_assets.tom.survey.fake_broker import run_fake_broker
from broker_assets.tom.survey.journal import SenderBusy
from broker_assets.tom.survey.kafka_topics import KafkaTopics
from broker_assets.tom.survey.loading import load_simulations, simulation_files
from broker_assets.tom.survey.nights import night_window
from broker_assets.tom.survey.sending import AlertTopics, Pace, send_alerts

FILES: Final = "simulation_files"
SURVEY: Final = "simulated_survey"
ALERTS: Final = "survey_alerts"
ARCHIVES: Final = "survey_archives"
ANSWERS: Final = "rehearsed_answers"
MESSAGES: Final = "broker_messages"
REPORTED: Final = "reported_objects"
ROLLUPS: Final = "object_rollups"
NIGHTLY: Final = (ALERTS, ARCHIVES, ANSWERS, MESSAGES, REPORTED, ROLLUPS)
"""Assets of a night."""

SURVEY_VERSION: Final = "1"
"""Version of the code that loads and sends."""
PARENTS: Final[Mapping[str, tuple[str, ...]]] = {
    SURVEY: (FILES,),
    ALERTS: (SURVEY,),
    ARCHIVES: (SURVEY,),
    ANSWERS: (ALERTS,),
    MESSAGES: (ALERTS, ANSWERS),
    REPORTED: (MESSAGES,),
    ROLLUPS: (REPORTED, SECOND_TAXONOMY),
}
BUSY_SECONDS: Final = 20.0
"""Seconds after which a step that another process is doing is tried again."""


def build_survey_assets(settings: Settings) -> list[AssetsDefinition | AssetSpec]:
    """The assets."""
    return [
        AssetSpec(
            FILES,
            group_name="tom",
            kinds={"files"},
            **labels(STREAM_OPERATORS, survey="elasticc", level="input", family="alerts", store="files"),
            **about("Files of simulations in the folders of the setting `survey.simulations`.", SIMULATION_OBSERVER),
        ),
        _survey(settings), _alerts(settings), _archives(settings), _answers(settings), _messages(settings),
        _reported(), _rollups(),
    ]  # fmt: skip


def simulation_entry(settings: Settings) -> Entry:
    """The entry of the present files of simulations: their names, sizes and times."""
    files = simulation_files(settings.survey.simulations)
    digest = hashlib.sha256(repr(files).encode()).hexdigest()
    artefact = versions.Artefact(asset=FILES, partition="", data_version=digest)
    return Entry(artefact, metadata={"files": len(files), "bytes": sum(size for _, size, _ in files)})


def _arguments(name: str, level: str, family: str, store: str, text: str, table: Any = None) -> dict[str, Any]:
    """Arguments of the definition of an asset of a night."""
    return {
        "name": name,
        "deps": list(PARENTS.get(name, ())),
        "group_name": "tom",
        "kinds": {store},
        **labels(STREAM_OPERATORS, survey="elasticc", level=level, family=family, store=store),
        **about(
            text,
            None if name == SURVEY else SURVEY_NIGHT,
            table_metadata(table) if table is not None else None,
        ),
    }


def _made(
    context: AssetExecutionContext,
    database: Database,
    name: str,
    made: night_contents.Content,
    code_version: str,
    metadata: Mapping[str, Any],
) -> Iterator[MaterializeResult[Any]]:
    """Report the content of a night, with the versions of its parents."""
    night = context.partition_key
    wanted = [(parent, "" if parent in (SURVEY, SECOND_TAXONOMY) else night) for parent in PARENTS[name]]
    with database.transaction() as connection:
        known = versions.recorded(connection, wanted)
    inputs = tuple(
        versions.Input(asset=parent, partition=partition, data_version=found.data_version)
        for (parent, partition), found in known.items()
    )
    artefact = versions.Artefact(
        asset=name, partition=night, data_version=made.version, code_version=code_version, inputs=inputs
    )
    entry = Entry(artefact, metadata={"dagster/row_count": made.rows, **metadata})
    yield from Reporter(context.instance, database, context.log, run_id=context.run.run_id).made(entry)


def _evening(context: AssetExecutionContext) -> datetime.date:
    return datetime.date.fromisoformat(context.partition_key)


def _survey(settings: Settings) -> AssetsDefinition:
    @asset(
        **_arguments(
            SURVEY, "input", "alerts", "postgres",
            "The simulated survey: objects, detections and forced photometry of all times, and the truth, from the "
            "folders of the setting `survey.simulations`. Its nights become partitions.",
            tables.ppdbdiasource,
        ),
        code_version=SURVEY_VERSION,
        automation_condition=on_new_versions(),
    )  # fmt: skip
    def simulated_survey(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        report = load_simulations(database.url, settings.survey.simulations, "ppdb")
        if report.failed:
            reasons = [str(one.failure) for one in report.failed]
            raise Failure(
                f"{len(reasons)} of {len(report.files)} files could not be loaded, the others are: {reasons[0]}",
                metadata={"failures": MetadataValue.json(reasons[:100])},
                allow_retries=False,
            )
        with database.transaction() as connection:
            known = versions.recorded(connection, [(FILES, "")])
            loaded = night_contents.survey_content(connection)
            evenings = night_contents.simulated_nights(connection)
        context.instance.add_dynamic_partitions(str(simulated_nights.name), [one.isoformat() for one in evenings])
        entry = Entry(
            versions.Artefact(
                asset=SURVEY, partition="", data_version=loaded.version, code_version=SURVEY_VERSION,
                inputs=tuple(
                    versions.Input(asset=FILES, partition="", data_version=found.data_version)
                    for found in known.values()
                ),
            ),
            metadata={
                "dagster/row_count": loaded.rows,
                "nights": len(evenings),
                "new objects": report.rows("objects"),
                "new forced measurements": report.rows("forced"),
                "files": len(report.files),
            },
        )  # fmt: skip
        yield from Reporter(context.instance, database, context.log, run_id=context.run.run_id).made(entry)

    return simulated_survey  # type: ignore[no-any-return]


def _alerts(settings: Settings) -> AssetsDefinition:
    survey = settings.survey

    @asset(
        **_arguments(
            ALERTS, "raw", "alerts", "kafka",
            "The alerts of a night of the simulation, sent to Kafka by time, each once.", tables.ppdbalert,
        ),
        partitions_def=simulated_nights,
        code_version=SURVEY_VERSION,
    )  # fmt: skip
    def survey_alerts(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        evening = _evening(context)
        topics = KafkaTopics(
            client_configuration(settings.survey_cluster), partitions=survey.topic_partitions,
            confirm_seconds=survey.confirm_seconds,
        )  # fmt: skip
        try:
            # An interrupt would otherwise be raised in the middle of a batch.
            with capture_interrupts():
                report = send_alerts(
                    database.url,
                    topics,
                    night_window(evening),
                    streams=AlertTopics(survey.wide_topic, survey.deep_full_topic, survey.deep_limited_topic),
                    version=survey.schema_version,
                    pace=Pace(survey.flush_every, survey.rate, survey.confirm_seconds),
                    stop=pop_captured_interrupt,
                )
        except SenderBusy as error:
            raise RetryRequested(max_retries=30, seconds_to_wait=BUSY_SECONDS) from error
        finally:
            topics.close()
        with database.transaction() as connection:
            made = night_contents.content(connection, "sent", evening)
        shown = {"sent now": report.alerts, "begun by a sender that died": report.recovered, **report.messages}
        yield from _made(context, database, ALERTS, made, SURVEY_VERSION, shown)

    return survey_alerts  # type: ignore[no-any-return]


def _archives(settings: Settings) -> AssetsDefinition:
    @asset(
        **_arguments(
            ARCHIVES, "archive", "alerts", "files",
            "The alerts of a night of the simulation as a tar file in the folder of the setting `survey.archives`; "
            "without that, nothing.",
        ),
        partitions_def=simulated_nights,
        code_version=SURVEY_VERSION,
    )  # fmt: skip
    def survey_archives(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        evening = _evening(context)
        folder = settings.survey.archives
        path = None if folder is None else folder / f"{evening.isoformat()}.tar"
        with database.transaction() as connection:
            alerts = write_archive(
                connection, night_window(evening), path, version=settings.survey.schema_version, clobber=True
            )
        made = night_contents.Content(alerts if path else 0, f"{alerts}-{settings.survey.schema_version}-{path}")
        yield from _made(context, database, ARCHIVES, made, SURVEY_VERSION, {"file": str(path or "none")})

    return survey_archives  # type: ignore[no-any-return]


def _answers(settings: Settings) -> AssetsDefinition:
    survey = settings.survey

    @asset(
        **_arguments(
            ANSWERS, "raw", "alerts", "kafka",
            "Answers of a test broker to the alerts, for rehearsals, on the topic of the setting "
            "`survey.rehearsal_topic`; without that, nothing.",
        ),
        partitions_def=simulated_nights,
        code_version=SURVEY_VERSION,
    )  # fmt: skip
    def rehearsed_answers(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        answered = 0
        if survey.rehearsal_topic is not None:
            done = run_fake_broker(
                client_configuration(settings.survey_cluster),
                [survey.wide_topic, survey.deep_full_topic],
                survey.rehearsal_topic,
                group=f"rehearsal-{survey.rehearsal_topic}",
                idle_seconds=2.0,
            )
            answered = done.messages
        with database.transaction() as connection:
            sent = night_contents.content(connection, "sent", _evening(context))
        version = f"{sent.version}-{survey.rehearsal_topic}"
        made = night_contents.Content(2 * sent.rows if survey.rehearsal_topic else 0, version)
        yield from _made(context, database, ANSWERS, made, SURVEY_VERSION, {"answered now": answered})

    return rehearsed_answers  # type: ignore[no-any-return]


def _messages(settings: Settings) -> AssetsDefinition:
    @asset(
        **_arguments(
            MESSAGES, "rows", "alerts", "postgres",
            "What brokers say about the alerts of a night of the simulation. A run reads everything waiting on their "
            "topics; later messages are read by the next run.", tables.brokermessage,
        ),
        partitions_def=simulated_nights,
        code_version=MESSAGES_VERSION,
    )  # fmt: skip
    def broker_messages(
        context: AssetExecutionContext, database: ResourceParam[Database], kafka: ResourceParam[Kafka]
    ) -> Iterator[MaterializeResult[Any]]:
        with capture_interrupts():
            run = run_brokers(
                database.url, settings, opener(kafka.source_at), ender(kafka.ends_at), kafka.topics_at,
                run_id=context.run.run_id, stop=pop_captured_interrupt,
            )  # fmt: skip
        for name, problem in sorted(run.problems.items()):
            context.log.warning(f"{name}: {problem}")
        with database.transaction() as connection:
            made = night_contents.content(connection, "messages", _evening(context))
        shown = {f"{name} now": run.count(name) for name in ("received", "stored", "duplicate", "quarantined")}
        yield from _made(context, database, MESSAGES, made, MESSAGES_VERSION, shown)

    return broker_messages  # type: ignore[no-any-return]


def _reported() -> AssetsDefinition:
    @asset(
        **_arguments(
            REPORTED, "rows", "alerts", "postgres",
            "Objects, detections and forced photometry that brokers reported, imported from the survey.",
            tables.diaobjectdetails,
        ),
        partitions_def=simulated_nights,
        code_version=IMPORT_VERSION,
    )  # fmt: skip
    def reported_objects(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        try:
            with connect(database.url, application="broker-assets import", autocommit=True) as connection:
                done = import_reported(connection, lambda ra, decl: (cells_at(ra, decl), htm(ra, decl)))
                made = night_contents.content(connection, "reported", _evening(context))
        except ImportRunning as error:
            raise RetryRequested(max_retries=30, seconds_to_wait=BUSY_SECONDS) from error
        shown = {f"{name} now": number for name, number in asdict(done).items()}
        yield from _made(context, database, REPORTED, made, IMPORT_VERSION, shown)

    return reported_objects  # type: ignore[no-any-return]


def _rollups() -> AssetsDefinition:
    @asset(
        **_arguments(
            ROLLUPS, "facts", "alerts", "postgres",
            "Roll-ups of the objects of a night, by band and by classifier. The import maintains them; a run rebuilds "
            "them from what is stored.", tables.diaobjectinfo,
        ),
        partitions_def=simulated_nights,
        code_version=IMPORT_VERSION,
    )  # fmt: skip
    def object_rollups(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        evening = _evening(context)
        with database.transaction() as connection:
            objects = night_contents.objects_of_night(connection, evening)
            changed = {"curves": update_curves(connection, objects), "classes": update_classes(connection, objects)}
        with database.transaction() as connection:
            made = night_contents.content(connection, "rollups", evening)
        shown = {"objects": len(objects), **{f"{name} changed": number for name, number in changed.items()}}
        yield from _made(context, database, ROLLUPS, made, IMPORT_VERSION, shown)

    return object_rollups  # type: ignore[no-any-return]
