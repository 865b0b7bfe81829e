"""Every row of every table has an answer to "why", after simulated nights of two surveys and a day of telemetry."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import psycopg
import pytest
from dagster import DagsterInstance
from event_notices import icecube
from psycopg import sql
from stored_filters import enabled
from telemetry_arrivals import make_site
from tiny_classifiers import tiny
from whole_sky_notice import whole_sky_notice

from broker_assets.accounting import balance
from broker_assets.accounting.quarantine import entries
from broker_assets.annotations.annotators import AnnotatorChange, add_annotator, change_annotator, get
from broker_assets.assets.alerts.statistics import PARENTS
from broker_assets.classifiers.alert_scores import AlertScores
from broker_assets.classifiers.store import ClassifierStore, set_version
from broker_assets.context.in_force import CataloguesInForce
from broker_assets.context.object_context import CONTEXT_VERSION, ObjectContext
from broker_assets.context.rules import read_rules
from broker_assets.context.store import CatalogueStore
from broker_assets.database import engine
from broker_assets.database.tables.tom import diaobjecttruth
from broker_assets.filters.matching import FilterMatches
from broker_assets.jobs.receive_telemetry import build_ingest_telemetry
from broker_assets.lightcurves.object_features import ObjectFeatures
from broker_assets.lightcurves.object_statistics import compute_night
from broker_assets.lightcurves.statistics import STATISTICS_VERSION
from broker_assets.packets.archive import read_packet
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.kafka_place import kafka_place
from broker_assets.packets.registry import schema_source
from broker_assets.packets.tables import SQL_TABLES
from broker_assets.provenance.origins import ROUTES, key_columns
from broker_assets.provenance.versions import Artefact, Input, record
from broker_assets.provenance.why import Origin, why
from broker_assets.resources.database import Database
from broker_assets.settings import AnnotationSettings, DrainSettings, MovingListSettings
from broker_assets.settings.surveys import BrokerSettings, SurveySettings
from broker_assets.simulation import Survey
from broker_assets.simulation.cadence import mjd_of
from broker_assets.sky.cells import cells_at
from broker_assets.sky.htm import htm
from broker_assets.sky.in_force import AREAS, CONES
from broker_assets.sky.indices import refresh_area_index, refresh_cone_index
from broker_assets.sky.lists import add_cones, create_area, create_watchlist, delete_cones
from broker_assets.sky.matching import SkyMatching
from broker_assets.sky.object_links import link_night
from broker_assets.sky.object_links import version as links_version
from broker_assets.sky.regions import cone_area
from broker_assets.sky.rematch import lists_to_rematch, rematch
from broker_assets.sky.watchlists import parse_watchlist
from broker_assets.stream.annotation_followup import annotate
from broker_assets.stream.annotation_messages import annotation_streams
from broker_assets.stream.annotations import read_annotations
from broker_assets.stream.broker_message_batches import read_broker_messages
from broker_assets.stream.broker_messages import BrokerStream
from broker_assets.stream.data_versions import data_versions
from broker_assets.stream.drain import drain
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.notices import moving_list_topic, notice_topic, read_notices
from broker_assets.stream.one_by_one import retry_each
from broker_assets.stream.reprocess import reprocess_night
from broker_assets.tns.bulk import parse_bulk_csv
from broker_assets.tns.refresh import apply_bulk_file
from broker_assets.tom.contradictions.finding import find
from broker_assets.tom.contradictions.rule import Rule
from broker_assets.tom.messages.forms import uploaded
from broker_assets.tom.messages.uploading import store_upload
from broker_assets.tom.objects.importing import import_reported
from broker_assets.tom.taxonomy.stored import in_force

pytestmark = [pytest.mark.database, pytest.mark.slow]

SURVEYS = {"rubin-alerts": "rubin", "ztf-alerts": "ztf"}
FRAMINGS = {"rubin-alerts": "confluent", "ztf-alerts": "container"}
FIRST = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=4)
"""A night within the time for which the map of an event of now is matched."""
EVENT = datetime.datetime.combine(FIRST + datetime.timedelta(days=1), datetime.time(12), datetime.UTC)
NOTICES = "igwn.gwalert"
ALL = 10**6
LINK_RADIUS = 36_000.0
"""Wide enough for a pair on every date: where the surveys look depends on it."""
IMPORTED = 5
"""An object of the simulated survey that a broker reported; it is in no packet."""
OF_PACKETS = (
    *("diasources", "diaforcedsources", "dianondetectionlimits", "objects", "sssources", "ssobjects", "mpc_orbits"),
    *("watchlist_facts", "area_facts", "sky_map_facts", "object_features", "context_matches", "associations"),
    *("class_scores", "object_classes", "filter_matches"),
    *("object_statistics", "object_link"),
    *("watchlist_hits", "area_hits", "mma_area_hits"),
)


@dataclass
class Night:
    """A platform after some nights."""

    database_url: str
    folder: Path
    packets: ModuleType
    sources: dict[str, Any] = field(default_factory=dict)

    @property
    def plan(self) -> EnrichmentPlan:
        sky = SkyMatching(self.folder / "sky")
        return EnrichmentPlan(
            [
                sky,
                ObjectContext(CataloguesInForce(self.folder / "catalogues")),
                ObjectFeatures(),
                AlertScores(self.folder / "classifiers", "context_matches"),
                FilterMatches(sky.matches),
            ]
        )

    def catalogue(self) -> None:
        """A catalogue of one star, far from everything."""
        path = self.folder / "stars.csv"
        path.write_text("identifier,ra,dec\nfar,0.001,89.9\n")
        CatalogueStore(self.folder / "catalogues").add("vsx", path)

    def filters(self) -> None:
        """One that passes some alerts."""
        with engine.connect(self.database_url) as connection:
            enabled(connection, "SELECT diaObjectId FROM objects WHERE diaObjectId % 2 = 0")

    def classifiers(self) -> None:
        """One that scores alerts, and one whose file is damaged."""
        store = ClassifierStore(self.folder / "classifiers")
        store.add(tiny(self.folder / "tiny"))
        damaged = store.add(tiny(self.folder / "other", name="other"))
        (damaged.folder / "model.onnx").write_bytes(b"x")

    def asteroid(self) -> bytes:
        """An alert of schema 7.4, the last one with a record of the solar-system object."""
        record = self.packets.blank("alert", "7_4")
        record["diaSource"] = self.packets.source(0, 1, mjd_of(FIRST) + 0.3, "7_4")
        record["diaSource"] |= {"diaSourceId": 77, "ssObjectId": 55, "diaObjectId": None}
        record["alertId"] = 77
        record["ssObject"] = self.packets.blank("ssObject", "7_4") | {"ssObjectId": 55}
        return bytes(self.packets.encode(record, version="7_4", schema_id=704))

    def decoder(self, topic: str) -> AlertDecoder:
        return AlertDecoder(SURVEYS[topic], FRAMINGS[topic], schema_source(), topic=topic)

    def drain(self, topic: str, values: list[bytes]) -> None:
        """Messages arrive in two partitions, with one that cannot be read."""
        source = self.sources.setdefault(topic, self.packets.ListSource.of([], partitions=2))
        for number, value in enumerate([*values, b"no packet"]):
            source.append(number % 2, value)
        settings = DrainSettings(batch_max=97, batch_seconds=0.2, idle_seconds=0.1)
        report = drain(
            source,
            self.database_url,
            (self.folder / "archive").as_uri(),
            lambda: self.decoder(topic),
            settings,
            topic=topic,
            partitions=source.partitions(),
            run_id="run",
            plan=self.plan,
        )
        assert (report.stored, report.quarantined) == (len(values), 1)

    def lists(self, tns: ModuleType) -> None:
        """A watchlist and an area around objects, TNS objects, and changes of them."""
        with engine.connect(self.database_url) as connection:
            positions = connection.execute("SELECT ra, decl FROM objects").fetchall()
            lines = [f"{ra}, {dec}, c{number}, 5" for number, (ra, dec) in enumerate(positions)]
            watchlist = create_watchlist(connection, "ann", "mine", parse_watchlist(lines), radius=3)
            create_area(connection, "ann", "around", cone_area(positions[0][0], positions[0][1], 60.0, order=6))
            add_cones(
                connection, "ann", watchlist, parse_watchlist([f"{positions[0][0]}, {positions[0][1]}, again, 9"])
            )
            rows = [tns.tns_row(n, f"2025{n}", ra, dec) for n, (ra, dec) in enumerate(positions[:9], 1)]
            for name in ("tns_public_objects", "tns_public_objects_20251002"):
                apply_bulk_file(
                    connection,
                    parse_bulk_csv(tns.bulk_csv([*rows, {**rows[0], "objid": "9x"}])),
                    name=name,
                    kind="day",
                    covers_until=datetime.datetime(2025, 10, 2, tzinfo=datetime.UTC),
                )
                rows[0]["type"] = "SN Ia"
            connection.commit()
            refresh_cone_index(connection, self.folder / "sky" / CONES)
            refresh_area_index(connection, self.folder / "sky" / AREAS)
            connection.commit()

    def later(self) -> None:
        """A night is rebuilt, a cone goes, lists are matched again, messages are retried."""
        reprocess_night(self.database_url, str(FIRST + datetime.timedelta(days=1)), surveys=SURVEYS, plan=self.plan)
        with engine.connect(self.database_url) as connection:
            ((watchlist, cone),) = connection.execute(
                "SELECT wl_id, cone_id FROM watchlist_cones JOIN watchlists USING (wl_id) WHERE watchlist_cones.name ="
                " 'again' AND owner = 'ann'"
            )
            delete_cones(connection, "ann", watchlist, [cone])
            refresh_cone_index(connection, self.folder / "sky" / CONES)
            connection.commit()
            for kind, identifier, _ in lists_to_rematch(connection):
                rematch(connection, kind, identifier)

    def after_the_nights(self) -> None:
        """Statistics and links of both nights, and what they were made from."""
        with engine.connect(self.database_url) as connection:
            for night in (str(FIRST), str(FIRST + datetime.timedelta(days=1))):
                known = data_versions(connection, [night])
                statistics = compute_night(connection, night).data_version
                # The simulated surveys have no object in common: some are linked that are far apart.
                links = link_night(connection, night, LINK_RADIUS).data_version
                made = (
                    ("object_statistics", statistics, STATISTICS_VERSION, PARENTS),
                    ("object_link", links, links_version(LINK_RADIUS), ("objects",)),
                )
                artefacts = [
                    Artefact(
                        asset=asset, partition=night, data_version=version, code_version=code,
                        inputs=tuple(
                            Input(asset=parent, partition=night, data_version=known[parent, night])
                            for parent in parents
                        ),
                    )
                    for asset, version, code, parents in made
                ]  # fmt: skip
                record(connection, artefacts)

    def notices(self) -> None:
        """A map of the whole sky that could not be read at first, a retraction, and a neutrino of a moving list."""
        source = self.packets.ListSource.of(
            [whole_sky_notice("S1", EVENT), whole_sky_notice("S2", EVENT, "RETRACTION")], partitions=1
        )
        read_notices(source, self.database_url, notice_topic(NOTICES), run_id="notices", idle_seconds=0.1)
        wanted = MovingListSettings(name="neutrinos", topics=("nu",), days_after=20_000)
        source = self.packets.ListSource.of([icecube(1), icecube(2, "update")], partitions=1)
        read_notices(source, self.database_url, moving_list_topic("nu", wanted), run_id="notices", idle_seconds=0.1)

    def annotations(self) -> None:
        """One of a known object and one that waits, by message, and one by function."""
        with engine.connect(self.database_url) as connection:
            [(known,)] = connection.execute("SELECT diaobjectid FROM objects ORDER BY 1 LIMIT 1").fetchall()
            add_annotator(connection, "fastfinder", "ann", version="2")
            stream = annotation_streams(get(connection, "fastfinder"))[0]
            connection.commit()
            values = [
                json.dumps({"objectId": number, "classification": text}).encode()
                for number, text in ((known, "SN"), (known, "AGN"), (3, "SN"))
            ]
            source = self.packets.ListSource.of(values, partitions=1)
            read_annotations(source, self.database_url, stream, AnnotationSettings(), idle_seconds=0.1)
            change_annotator(connection, "fastfinder", AnnotatorChange(owner="otto"))
            annotate(connection, "otto", [{"topic": "fastfinder", "objectId": known, "classification": "kilonova"}])
            connection.commit()

    def brokers(self) -> None:
        """A simulated object whose detections a broker reports by Kafka and by upload, and that is imported."""
        with engine.connect(self.database_url, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO simulation_files (target, path, sha256, objects, sources, forced, truth)"
                " VALUES ('ppdb', 'a_HEAD.FITS.gz', 'a', 1, 2, 1, 1)"
            )
            files = Input(asset="simulation_files", partition="", data_version="f")
            survey = Artefact(
                asset="simulated_survey", partition="", data_version="s", code_version="1", inputs=(files,)
            )
            record(connection, [survey])
            connection.execute(
                "INSERT INTO elasticc2_ppdbdiaobject (diaobject_id, ra, decl, isddf) VALUES (5, 1, 2, false)"
            )
            for number, days in ((500_000, 0), (500_001, 1)):
                connection.execute(
                    "INSERT INTO elasticc2_ppdbdiasource VALUES (%s, %s, 'r', 1, 2, 100, 10, 10, 5)",
                    (number, 60300 + days),
                )
                connection.execute(
                    "INSERT INTO elasticc2_ppdbalert (alert_id, diaobject_id, diasource_id) VALUES (%s, 5, %s)",
                    (number, number),
                )
            connection.execute("INSERT INTO elasticc2_ppdbdiaforcedsource VALUES (500000, 60300, 'r', 100, 10, 5)")
            truth = diaobjecttruth
            connection.execute(
                sql.SQL("INSERT INTO elasticc2_diaobjecttruth VALUES ({})").format(
                    sql.SQL(", ").join(
                        sql.Literal(5 if column.name == "diaobject_id" else 1) for column in truth.columns
                    )
                )
            )
            said = {
                "alertId": 500_000, "diaSourceId": 500_000, "elasticcPublishTimestamp": 1.7e12,
                "brokerIngestTimestamp": 1.7e12, "brokerName": "broker", "brokerVersion": "1",
                "classifierName": "first", "classifierParams": "", "classifications": [
                    {"classId": 2222, "probability": 0.75}, {"classId": 2223, "probability": 0.25},
                ],
            }  # fmt: skip
            stream = BrokerStream("ours", "answers", BrokerSettings(kind="json", topics=["answers"]))
            source = self.packets.ListSource.of([json.dumps(said).encode()], partitions=1)
            read_broker_messages(source, self.database_url, stream, SurveySettings(), idle_seconds=0.1)
            with connection.transaction():
                # As if the message had come by a subscription.
                connection.execute(
                    'INSERT INTO subscription_message (stream, messageid, "offset", ingestid)'
                    " SELECT topicname, '7', streammessage_id, ingestid FROM elasticc2_brokermessage"
                    " WHERE topicname = 'answers'"
                )
            self.upload(connection, [{**said, "alertId": 500_001, "diaSourceId": 500_001, "classifierName": "second"}])
            assert import_reported(connection, lambda ra, decl: (cells_at(ra, decl), htm(ra, decl))).sources == 2

    def upload(self, connection: psycopg.Connection[Any], messages: list[dict[str, Any]]) -> int:
        """Store an upload; the number of its first message."""
        with connection.transaction():
            content = json.dumps(messages).encode()
            first = store_upload(connection, uploaded(messages), username="apibroker", content=content).first
        assert first is not None
        return first

    def contradictions(self) -> None:
        """A broker says otherwise of the object that has an annotation."""
        with engine.connect(self.database_url) as connection:
            connection.execute("UPDATE annotators SET public = true")
            connection.execute(
                "INSERT INTO elasticc2_diaobjectdetails (diaobject_id, isddf) SELECT DISTINCT diaobjectid, false"
                " FROM annotations JOIN objects USING (diaobjectid)"
            )
            message = self.upload(
                connection,
                [
                    {
                        "alertId": 1, "diaSourceId": 1, "elasticcPublishTimestamp": 1.7e12,
                        "brokerIngestTimestamp": 1.7e12, "brokerName": "broker", "brokerVersion": None,
                        "classifierName": "classifier", "classifierParams": None,
                        "classifications": [{"classId": 2332, "probability": 0.9}],
                    }
                ],
            )  # fmt: skip
            connection.execute(
                "INSERT INTO elasticc2_diaobjectclassification (diaobject_id, classifier_id, brokermessage_id,"
                " latestclass1id, latestclass1prob) SELECT diaobject_id, classifier_id, brokermessage_id, 2332, 0.9"
                " FROM elasticc2_diaobjectdetails, elasticc2_brokermessage WHERE brokermessage_id = %s"
                " AND diaobject_id <> 5",
                (message,),
            )
            assert find(connection, Rule.read(in_force(connection, "elasticc2")[1])).pairs
            connection.commit()

    def telemetry(self) -> None:
        """A day of housekeeping, with a damaged packet."""
        site = make_site(self.folder)
        site.arrive(1, range(3))
        path = site.arrive(2, range(3, 6))
        path.write_bytes(path.read_bytes().replace(b"</Packet>", b"AA</Packet>", 1))
        with DagsterInstance.ephemeral() as instance:
            build_ingest_telemetry(site.settings.telemetry).execute_in_process(
                instance=instance,
                resources={"database": Database(self.database_url), "telemetry": site.telemetry},
                raise_on_error=False,
            )


@pytest.fixture(scope="module")
def night(
    postgres: Any,
    new_database: Any,
    migrated_template: str,
    packets: ModuleType,
    tns: ModuleType,
    tmp_path_factory: Any,
) -> Iterator[Night]:
    """The platform after simulated nights."""
    made: AbstractContextManager[str] = new_database(migrated_template)
    with made as name:
        night = Night(postgres.url(name), tmp_path_factory.mktemp("platform"), packets)
        night.classifiers()
        night.filters()
        night.notices()
        night.catalogue()
        surveys = {
            topic: [
                alert.payload
                for alert in Survey(
                    survey=survey,  # type: ignore[arg-type]
                    seed=5,
                    objects=200,
                    nights=2,
                    history=9,
                    first_night=str(FIRST),
                ).alerts()
            ]
            for topic, survey in SURVEYS.items()
        }
        surveys["rubin-alerts"].append(night.asteroid())
        for topic, values in surveys.items():
            # In turn, so that objects around which lists are made have alerts later, whatever the cadence.
            night.drain(topic, values[::2])
            night.lists(tns) if topic == "rubin-alerts" else None
            night.drain(topic, values[1::2])
        night.later()
        night.after_the_nights()
        night.annotations()
        night.brokers()
        night.contradictions()
        night.telemetry()
        yield night


@pytest.fixture
def connection(night: Night) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(night.database_url) as opened:
        yield opened


@pytest.mark.parametrize("table", sorted(ROUTES))
def test_every_row_is_explained(connection: psycopg.Connection[Any], table: str) -> None:
    ((rows,),) = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
    found = why(connection, table, {}, kafka_place, limit=ALL)
    assert len(found) == rows
    assert [item for item in found if item.missing] == []
    assert [item for item in found if item.packet and item.packet.problem] == []
    if not table.startswith(("publication", "stream_gap")):
        assert rows, "nothing was tested"
    keys = {tuple(str(value) for value in item.row.values()) for item in found}
    assert len(keys) == rows


@pytest.mark.parametrize("table", OF_PACKETS)
def test_the_packet_named_has_the_row(night: Night, connection: psycopg.Connection[Any], table: str) -> None:
    found = why(connection, table, {}, kafka_place, limit=ALL)
    assert found
    by_packet: dict[tuple[str, int, int], list[Origin]] = {}
    for item in found:
        if item.row.get("diaobjectid") == IMPORTED:
            assert item.computed is not None
            continue
        assert item.packet is not None
        by_packet.setdefault((item.packet.archive_url, item.packet.position, item.packet.length), []).append(item)
    assert by_packet
    decoders = {topic: night.decoder(topic) for topic in SURVEYS}
    for place, items in by_packet.items():
        packet = read_packet(*place)
        named = items[0].packet
        assert named is not None
        assert (packet.partition, packet.offset) == (named.partition, named.offset)
        decoder = decoders[named.topic]
        tables = decoder.decode(decoder.identify([packet.value]))
        assert tables.packet["diasourceid"].to_pylist() == [named.diasourceid]
        inside = {name: getattr(tables, name) for name in SQL_TABLES}
        for item in items:
            assert _is_in(table, item.row, inside)


def _is_in(table: str, row: dict[str, Any], inside: dict[str, Any]) -> bool:
    """Whether a packet's tables have a row."""
    name = next((name for name, item in SQL_TABLES.items() if item.name == table), None)
    if name is None:  # facts and hits are of the object of the packet
        return row["diaobjectid"] in inside["object"]["diaobjectid"].to_pylist()
    rows = inside[name]
    columns = [column for column in key_columns(table) if column in rows.column_names and column in row]
    mask = np.ones(rows.num_rows, bool)
    for column in columns:
        values = rows[column].to_pylist()
        mask &= np.array([value == row[column] for value in values], bool)
    return bool(mask.any())


def test_rows_of_a_history_name_the_packet_that_brought_them(connection: psycopg.Connection[Any]) -> None:
    found = why(connection, "diasources", {}, kafka_place, limit=ALL)
    of_histories = [item for item in found if item.packet and item.packet.diasourceid != item.row["diasourceid"]]
    places = {(item.packet.partition, item.packet.offset) for item in of_histories if item.packet}
    assert len(places) > 10


def test_a_notice_that_was_retried_names_its_message(
    night: Night, connection: psycopg.Connection[Any], packets: ModuleType
) -> None:
    """The message keeps its place although another batch applied it."""
    topic = "retried.notices"
    source = packets.ListSource.of([b"no notice", whole_sky_notice("S3", EVENT)], partitions=1)
    read_notices(source, night.database_url, notice_topic(topic), idle_seconds=0.1)
    (waiting,) = entries(connection, topic=topic)
    connection.execute(
        "UPDATE quarantine SET payload = %s WHERE quarantineid = %s",
        (whole_sky_notice("S4", EVENT), waiting.quarantineid),
    )
    connection.commit()
    assert retry_each(night.database_url, notice_topic(topic)).stored == 1
    for event, offset in (("S4", 0), ("S3", 1)):
        (found,) = why(connection, "mma_areas", {"otherid": event}, kafka_place)
        assert found.message is not None
        assert (found.message.topic, found.message.offset) == (topic, offset)


def test_an_annotation_names_its_message_and_its_annotator_as_it_was(connection: psycopg.Connection[Any]) -> None:
    first, second, by_function = why(connection, "annotation_history", {}, kafka_place)
    for number, item in enumerate((first, second)):
        assert item.message is not None
        assert (item.message.topic, item.message.partition, item.message.offset) == ("anno_fastfinder", 0, number)
        assert item.annotator is not None
        assert (item.annotator.owner, item.annotator.version) == ("ann", "2")
        assert item.batch is not None
        assert item.batch.kind == "annotation"
    assert by_function.message is None
    assert by_function.annotator is not None
    assert by_function.annotator.owner == "otto"
    (now,) = why(connection, "annotations", {}, kafka_place)
    assert (now.message, now.annotator) == (None, by_function.annotator)
    (waiting,) = why(connection, "annotation_waiting", {}, kafka_place)
    assert waiting.message is not None
    assert (waiting.message.topic, waiting.message.offset) == ("anno_fastfinder", 2)


def test_an_archive_that_cannot_be_read_leaves_the_rest(night: Night, connection: psycopg.Connection[Any]) -> None:
    stored = connection.execute("SELECT min(diaobjectid) FROM object_features").fetchone()
    assert stored is not None
    where = {"diaobjectid": stored[0]}
    (found,) = why(connection, "objects", where, lambda *_: kafka_place(f"{night.folder}/none", 0, 1), limit=1)
    assert found.packet is not None
    assert found.packet.offset is None
    assert "no such file" in found.packet.problem
    assert found.missing == ()


def test_a_match_names_the_code_the_rules_and_the_catalogue(night: Night, connection: psycopg.Connection[Any]) -> None:
    store = CatalogueStore(night.folder / "catalogues")
    for table in ("context_matches", "associations"):
        found = why(connection, table, {}, kafka_place, limit=20)
        assert len(found) == 20
        for item in found:
            assert item.computed is not None
            assert item.computed.code_version == CONTEXT_VERSION
            assert item.computed.inputs == {
                "catalogues:vsx": store.get("vsx").version,
                "context_rules": read_rules().version,
            }


def test_statistics_name_the_code_and_the_rows_of_their_night(connection: psycopg.Connection[Any]) -> None:
    found = why(connection, "object_statistics", {}, kafka_place, limit=ALL)
    assert found
    for item in found:
        assert item.computed is not None
        assert item.computed.code_version == STATISTICS_VERSION
        assert set(item.computed.inputs) == {f"{asset}:{item.row['night']}" for asset in PARENTS}


def test_links_name_the_radius(connection: psycopg.Connection[Any]) -> None:
    found = why(connection, "object_link", {}, kafka_place, limit=ALL)
    assert found
    for item in found:
        assert item.computed is not None
        assert item.computed.code_version == links_version(LINK_RADIUS)


def test_features_name_the_code_and_the_dust_map(connection: psycopg.Connection[Any]) -> None:
    found = why(connection, "object_features", {}, kafka_place, limit=ALL)
    assert found
    for item in found:
        assert item.computed is not None
        assert item.computed.code_version == ObjectFeatures().version
        assert item.computed.inputs == {"dust_map": ObjectFeatures().dust.version}


@pytest.mark.parametrize("table", ["class_scores", "object_classes"])
def test_scores_name_the_models(night: Night, connection: psycopg.Connection[Any], table: str) -> None:
    found = why(connection, table, {"classifier": "tiny"}, kafka_place, limit=ALL)
    assert found
    version = set_version(ClassifierStore(night.folder / "classifiers").active())
    for item in found:
        assert item.row["classifier"] == "tiny"
        assert item.computed is not None
        assert item.computed.inputs == {"active_classifiers": version}


def test_what_a_broker_says_names_its_message_or_its_upload(night: Night, connection: psycopg.Connection[Any]) -> None:
    table = "elasticc2_diaobjectclassification"
    first, second = why(connection, table, {"diaobject_id": 5}, kafka_place)
    assert first.message is not None
    assert (first.message.topic, first.message.partition, first.message.offset) == ("answers", 0, 0)
    assert first.batch is not None
    assert first.batch.topic == "broker.ours.answers"
    assert second.file is not None
    assert second.file.name == "upload by apibroker"
    assert len(second.file.sha256 or "") == 64
    assert second.message is None
    assert second.batch is not None
    assert (second.batch.topic, second.batch.kind) == ("REST_push", "annotation")
    (survey,) = why(connection, "elasticc2_ppdbdiaobject", {"diaobject_id": 5}, kafka_place)
    assert survey.computed is not None
    assert survey.computed.inputs == {"simulation_files:": "f"}
    # The ledger closes over uploads too.
    assert balance.batches(connection) == []
