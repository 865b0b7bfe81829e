"""From Kafka to committed rows: sustained alerts per second, with a year of history and three cutouts in every packet.

PostgreSQL and Apache Kafka are started in a folder of their own, and objects and sources are loaded whose only purpose
is to give the tables a realistic size. One packet of each object is drained without being measured, so that its history
is stored; then a backlog of the packets of the next visit is produced, and the drain run that empties it is measured.
For comparison, a naive consumer (fastavro and `executemany`, message by message) reads a sample of the same topic. The
full size of the targets:

    python benchmarks/end_to_end.py --alerts 30000 --preload-objects 1000000 --preload-sources 50000000
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import astropy.units as u
import fastavro
import numpy as np
import psutil
import psycopg
import pyarrow as pa
from _rubin_packets import FIELD_DEGREES, FIELDS, ID_BASE, PacketFactory
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from context import SYNTHETIC, make
from mocpy import MOC

from broker_assets.accounting.facts import AlertBatch
from broker_assets.classifiers import default
from broker_assets.classifiers.alert_scores import AlertScores
from broker_assets.classifiers.store import ClassifierStore
from broker_assets.context import object_context
from broker_assets.context.defaults import load_defaults
from broker_assets.context.in_force import CataloguesInForce
from broker_assets.context.object_context import ObjectContext
from broker_assets.context.store import CatalogueStore
from broker_assets.database import engine, migrations, partitions
from broker_assets.database.tables import diaforcedsources, diasources
from broker_assets.delivery import sinks
from broker_assets.enrichment_plan import filter_matches
from broker_assets.filters.query import Form
from broker_assets.filters.store import FilterChanges, change_filter, create_filter
from broker_assets.lightcurves.curves import LightCurves
from broker_assets.lightcurves.object_features import ObjectFeatures
from broker_assets.local.kafka import apache_kafka
from broker_assets.local.postgres import EmbeddedPostgres
from broker_assets.settings import DeliverySettings, Settings
from broker_assets.sky.in_force import AREAS, CONES
from broker_assets.sky.indices import refresh_area_index, refresh_cone_index
from broker_assets.sky.lists import create_area, create_watchlist
from broker_assets.sky.matching import SkyMatching
from broker_assets.sky.watchlists import Cones
from broker_assets.stream.enrichment import Enrichment, EnrichmentPlan
from broker_assets.stream.simulated_examples import ExampleSurvey, simulated_examples

TOPIC = "alerts"
CATALOGUES, CLASSIFIERS = "catalogues", "classifiers"
OTHERS = 1 << 45
"""Added to the identifiers of what is only loaded: no packet has them."""


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alerts", type=int, default=4000, help="backlog to drain")
    parser.add_argument("--preload-objects", type=int, default=20_000)
    parser.add_argument("--preload-sources", type=int, default=400_000)
    parser.add_argument("--history", type=int, default=100, help="earlier sources in a packet")
    parser.add_argument("--forced", type=int, default=365, help="forced points in a packet")
    parser.add_argument("--new-forced", type=int, default=3, help="of these, newer than what is stored")
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--batch-max", type=int, default=4000)
    parser.add_argument("--batch-megabytes", type=float, default=96.0)
    parser.add_argument("--naive", type=int, default=100, help="messages for the naive consumer; 0 leaves it out")
    parser.add_argument("--folder", type=Path, help="where servers keep their data; a temporary one by default")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave the folder, so that a second run needs no preload; it meets the same alerts again, as duplicates",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON as well")
    parser.add_argument(
        "--fits", type=float, help="compute features, with black-body fits for this share of the objects"
    )
    parser.add_argument(
        "--context",
        type=int,
        help="associate with the default catalogues and a synthetic one of this number of galaxies",
    )
    parser.add_argument("--no-defaults", dest="defaults", action="store_false", help="without the default catalogues")
    parser.add_argument("--classify", action="store_true", help="score with the default classifier, trained beforehand")
    parser.add_argument(
        "--everything",
        action="store_true",
        help="the target: 1M cones, 1,000 areas, context, fits for 10 %%, scores, 200 filters",
    )
    parser.add_argument("--filters", type=int, default=0, help="active filters, each with a Kafka topic")
    parser.add_argument("--cones", type=int, default=0, help="cones of active watchlists; one object in ten is in one")
    parser.add_argument("--areas", type=int, default=0, help="active areas, circles of 1 to 3 degrees")
    parser.add_argument("--profile", action="store_true", help="profile the threads of the drain run")
    arguments = parser.parse_args()
    if arguments.everything:
        arguments.cones, arguments.areas, arguments.fits = arguments.cones or 1_000_000, arguments.areas or 1000, 0.1
        arguments.context, arguments.classify = arguments.context or 5_000_000, True
        arguments.filters = arguments.filters or 200
    return arguments


def preload(server: EmbeddedPostgres, database: str, objects: int, sources: int, newest: float) -> None:
    """Objects and their sources of the year before `newest` (MJD TAI), made inside PostgreSQL month by month."""
    with psycopg.connect(server.dsn(database), autocommit=True) as connection:
        if connection.execute("SELECT EXISTS (SELECT FROM objects)").fetchone() == (True,):
            return
        connection.execute("SET synchronous_commit = off")
        connection.execute(
            "INSERT INTO objects (diaobjectid, survey, ra, decl, lastdiasourcemjdtai, firstdiasourcemjdtai,"
            " lastforcedmjdtai, ndiasources, g_psffluxmean, g_psffluxmeanerr, r_psffluxmean, r_psffluxmeanerr, night)"
            " SELECT %(base)s + n, 1, random() * 360, degrees(asin(random() * 2 - 1)), %(newest)s, %(newest)s - 365,"
            " %(newest)s, 50, random() * 1e4, 30, random() * 1e4, 30, '2025-01-01' FROM generate_series(0, %(last)s) n",
            {"base": ID_BASE + OTHERS, "newest": newest, "last": objects - 1},
        )
        connection.execute("ANALYZE objects")
    months = partitions.months(np.arange(newest - 365, newest))
    starts = [max(partitions.month_start(month), newest - 365) for month in months]
    ends = [min(partitions.month_start(month + 1), newest) for month in months]
    per_object = sources / objects
    work = []
    for table, identifier in ((diasources, "diasourceid"), (diaforcedsources, "diaforcedsourceid")):
        for month, start, end in zip(months, starts, ends, strict=True):
            work.append((table, identifier, month, start, end, per_object * (end - start) / 365))
    # Forced points are as many as sources here, and stand for the half of a year: their index is what matters.
    with ThreadPoolExecutor(2) as pool:
        for future in [
            pool.submit(_preload_month, server.dsn(database), objects, *item) for item in work[: len(months)]
        ]:
            future.result()
    with psycopg.connect(server.dsn(database), autocommit=True) as connection:
        partitions.ensure(connection, np.arange(newest - 365, newest + 60, 10.0))
        connection.execute("ANALYZE diasources")
        connection.execute("CHECKPOINT")


def _preload_month(
    dsn: str, objects: int, table: Any, identifier: str, month: Any, start: float, end: float, per_object: float
) -> None:
    name = partitions.partition_name(table, month)
    low, high = partitions.month_start(month), partitions.month_start(month + 1)
    rows = round(objects * per_object)
    with psycopg.connect(dsn) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET maintenance_work_mem = '512MB'")
        # Table and rows in one transaction: with wal_level = minimal nothing of it goes through the log.
        connection.execute(f"CREATE TABLE {name} (LIKE {table.name} INCLUDING DEFAULTS)")
        connection.execute(f"ALTER TABLE {name} ADD CHECK (midpointmjdtai >= {low} AND midpointmjdtai < {high})")
        connection.execute(
            f"INSERT INTO {name} (diaobjectid, {identifier}, midpointmjdtai, survey, night, visit, detector, band, ra,"
            " decl, psfflux, psffluxerr, snr, reliability, x, y, isdipole, pixelflags, pixelflags_bad, pixelflags_cr)"
            " SELECT %(base)s + (n * 7919) %% %(objects)s, %(base)s + %(month)s * 10000000::bigint + n,"
            " %(start)s + (%(end)s - %(start)s) * n / %(rows)s, 1, '2025-01-01', n, n %% 189, 'r', random() * 360,"
            " random() * 90 - 45, random() * 1e4, 30, 20, 0.9, 100, 100, false, false, false, false"
            " FROM generate_series(0::bigint, %(rows)s - 1) n",
            {
                "base": ID_BASE + OTHERS, "objects": objects, "month": int(np.datetime64(month, "M").astype(int)),
                "start": start, "end": end, "rows": rows,
            },
        )  # fmt: skip
        for (definition,) in connection.execute(
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = %s::regclass", (table.name,)
        ).fetchall():
            head, _, tail = definition.partition(" USING ")
            unique = "UNIQUE " if "UNIQUE" in head else ""
            connection.execute(f"CREATE {unique}INDEX ON {name} USING {tail}")
        connection.execute(f"ALTER TABLE {table.name} ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({high})")


def load_lists(url: str, folder: Path, factory: PacketFactory, arguments: argparse.Namespace) -> None:
    """Active watchlists and areas, and their indices as the platform makes them."""
    random = np.random.default_rng(11)
    inside = min(arguments.alerts // 10, arguments.cones)
    ra, dec = random.uniform(0, 360, arguments.cones), np.degrees(np.arcsin(random.uniform(-1, 1, arguments.cones)))
    ra[:inside], dec[:inside] = factory.positions(np.arange(inside) * 10)
    size = 100_000
    with engine.connect(url) as connection:
        for number, start in enumerate(range(0, arguments.cones, size)):
            part = slice(start, start + size)
            length = len(ra[part])
            cones = Cones(
                ra[part], dec[part], np.full(length, 2.0), pa.nulls(length, pa.string()), np.arange(1, length + 1), ()
            )
            create_watchlist(connection, "benchmark", f"watchlist {number}", cones, radius=2.0)
        for number in range(arguments.areas):
            centre = random.uniform(0, 360), np.degrees(np.arcsin(random.uniform(-1, 1)))
            moc = MOC.from_cone(centre[0] * u.deg, centre[1] * u.deg, radius=random.uniform(1, 3) * u.deg, max_depth=10)
            create_area(connection, "benchmark", f"area {number}", moc)
    with engine.connect(url) as connection:
        refresh_cone_index(connection, folder / CONES)
        refresh_area_index(connection, folder / AREAS)


def load_filters(url: str, count: int) -> None:
    """Active filters of several kinds, each passing about one alert in a hundred, to a Kafka topic."""
    tables = ("objects", "objects, sherlock_classifications", "objects, watchlist:1", "objects, object_classes")
    conditions = (
        "objects.diaObjectId % 100 = {} AND objects.nDiaSources > 5",
        "objects.diaObjectId % 50 = {} AND sherlock_classifications.classification <> 'ORPHAN'",
        "objects.diaObjectId % 10 = {} AND objects.r_psfFlux > 0",
        "objects.diaObjectId % 200 = {} AND object_classes.score > 0.3",
    )
    with engine.connect(url, autocommit=True) as connection:
        for number in range(count):
            kind = number % len(tables)
            form = Form(
                "objects.diaObjectId, objects.ra, objects.decl, objects.r_psfFlux, objects.latestR",
                tables[kind],
                conditions[kind].format(number % 10),
            )
            identifier = create_filter(connection, "benchmark", f"filter {number}", form, public=True)
            sinks.add(connection, DeliverySettings(), identifier, "kafka")
            change_filter(connection, "benchmark", identifier, FilterChanges(active=True))


def produce(servers: str, factory: PacketFactory, objects: range, visit: int, kafka_partitions: int) -> float:
    """Fill the topic with a packet of each object at a visit, in no order; returns megabytes."""
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "acks": "1",
            "linger.ms": 20,
            "batch.size": 4_000_000,
            "queue.buffering.max.kbytes": 256 * 1024,
            "message.max.bytes": 15_000_000,
        }
    )
    total = 0
    order = np.random.default_rng(5 + visit).permutation(np.arange(objects.start, objects.stop))
    for sent, packet in enumerate(factory.packets(order, visit)):
        while True:
            try:
                producer.produce(TOPIC, packet, partition=sent % kafka_partitions)
                break
            except BufferError:
                producer.poll(0.05)
        total += len(packet)
    producer.flush()
    return total / 1e6


def naive(servers: str, database: str, factory: PacketFactory, messages: int) -> float:
    """Message by message with fastavro and `executemany`, every row of the packet; alerts a second."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "naive", "enable.auto.commit": False})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    done, began = 0, 0.0
    columns = {table.name: {column.name for column in table.columns} for table in (diasources, diaforcedsources)}
    with psycopg.connect(database) as connection:
        while done < messages:
            message = consumer.poll(10.0)
            if message is None or message.error():
                continue
            began = began or time.perf_counter()
            alert: Any = fastavro.schemaless_reader(io.BytesIO((message.value() or b"")[5:]), factory.parsed, None)
            for name, records in (
                ("diasources", [alert["diaSource"], *alert["prvDiaSources"]]),
                ("diaforcedsources", alert["prvDiaForcedSources"]),
            ):
                rows = [
                    {("decl" if field == "dec" else field.lower()): value for field, value in record.items()}
                    | {"survey": 1}
                    for record in records
                ]
                names = [column for column in rows[0] if column in columns[name]]
                statement = (
                    f"INSERT INTO {name} ({', '.join(names)}) VALUES ({', '.join(f'%({n})s' for n in names)})"
                    " ON CONFLICT DO NOTHING"
                )
                connection.cursor().executemany(statement, rows)
            connection.commit()
            done += 1
    rate = done / (time.perf_counter() - began)
    consumer.close()
    return rate


class CpuMeter(threading.Thread):
    """Adds up the CPU time of a process and of everything it starts, including processes that end in the meantime."""

    def __init__(self, pids: dict[str, int]) -> None:
        super().__init__(daemon=True)
        self._pids = pids
        self._seen: dict[str, dict[int, float]] = {name: {} for name in pids}
        self._first: dict[str, dict[int, float]] = {name: {} for name in pids}
        self._stopped = threading.Event()

    def run(self) -> None:
        """Sample four times a second."""
        while not self._stopped.wait(0.25):
            self._sample()

    def _sample(self) -> None:
        for name, pid in self._pids.items():
            try:
                top = psutil.Process(pid)
                processes = [top, *top.children(recursive=True)]
            except psutil.Error:
                continue
            for process in processes:
                try:
                    times = process.cpu_times()
                except psutil.Error:
                    continue
                spent = times.user + times.system
                self._first[name].setdefault(process.pid, spent if process.create_time() < self.began else 0.0)
                self._seen[name][process.pid] = spent

    def __enter__(self) -> CpuMeter:
        self.began = time.time()
        self._sample()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._sample()
        self._stopped.set()

    def seconds(self) -> dict[str, float]:
        """By name."""
        return {
            name: sum(spent - self._first[name][pid] for pid, spent in seen.items())
            for name, seen in self._seen.items()
        }


def place(folder: Path, factory: PacketFactory, arguments: argparse.Namespace) -> None:
    """Load catalogues, and let every other object lie near a galaxy of the synthetic one."""
    store = CatalogueStore(folder / CATALOGUES)
    for outcome in load_defaults(store) if arguments.defaults else ():
        if outcome.stored is None:
            print(f"without {outcome.default.catalogue}: {outcome.problem}")
    make(folder, arguments.context)
    galaxies = store.open(SYNTHETIC).all()
    ra, dec = factory.positions(np.arange(arguments.alerts))
    offset = (galaxies.ra[:, None] - FIELDS[0] + 180.0) % 360.0 - 180.0
    seen = np.hypot(offset * np.cos(np.radians(FIELDS[1])), galaxies.dec[:, None] - FIELDS[1]) < FIELD_DEGREES
    rows = np.flatnonzero(seen.any(axis=1))[: arguments.alerts // 2]
    ra[: 2 * len(rows) : 2], dec[: 2 * len(rows) : 2] = galaxies.ra[rows], galaxies.dec[rows] + 2.0 / 3600.0
    factory.places = ra, dec


def train(folder: Path) -> None:
    """The default classifier, active, as the platform trains it."""
    examples = simulated_examples(ExampleSurvey(), default.INPUT, ObjectFeatures())
    ClassifierStore(folder / CLASSIFIERS).put(default.train(examples).checked, source="benchmark")


def plan_of(folder: Path, arguments: dict[str, Any]) -> EnrichmentPlan:
    """The matches of the sky, and what else the command line asks for.

    Features take a share of the objects for possible explosions.
    """

    class SomeFits(ObjectFeatures):
        def _curves(self, batch: AlertBatch, context: pa.Table | None) -> LightCurves:
            chosen = batch.alerts["diaobjectid"].to_numpy() % 1000 < 1000 * (arguments["fits"] or 0.0)
            return super()._curves(batch, context).with_(explosive=chosen)

    sky = SkyMatching(folder / "sky")
    enrichments: list[Enrichment] = [sky]
    if arguments["fits"] is not None:
        enrichments += [ObjectContext(CataloguesInForce(folder / CATALOGUES)), SomeFits()]
    if arguments["classify"]:
        enrichments.append(AlertScores(folder / CLASSIFIERS, object_context.ASSET))
    if arguments["filters"]:
        enrichments.append(filter_matches(Settings(), sky))
    return EnrichmentPlan(enrichments)


def _peak(pid: int | str) -> int:
    """Largest resident memory of a process, bytes; `ru_maxrss` also counts that of the process that started it."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def drain_child(arguments: dict[str, Any]) -> None:
    """Drain the topic once and report what it took; runs in a process of its own."""
    from broker_assets.packets.decoder import AlertDecoder
    from broker_assets.packets.registry import SchemaFolder
    from broker_assets.resources.kafka import KafkaSource
    from broker_assets.settings import DrainSettings, KafkaSettings
    from broker_assets.stream.drain import drain

    source = KafkaSource(KafkaSettings(bootstrap_servers=arguments["servers"]), TOPIC)
    report = drain(
        source,
        arguments["database_url"],
        arguments["archive_url"],
        lambda: AlertDecoder("rubin", "confluent", SchemaFolder(arguments["schemas"]), topic=TOPIC),
        DrainSettings(**arguments["bounds"]),
        topic=TOPIC,
        partitions=source.partitions(),
        run_id="benchmark",
        plan=plan_of(Path(arguments["folder"]), arguments),
    )
    source.close()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    apart = sum(_peak(child.pid) for child in psutil.Process().children(recursive=True))
    rates = [rate for _, rate in report.rates]
    steady = report.rates[len(report.rates) // 4 :]
    result = report.metadata() | {
        "cpu": usage.ru_utime + usage.ru_stime,
        "cpu_system": usage.ru_stime,
        "peak_rss": _peak("self") + apart,
        "busy_seconds": report.busy_seconds,
        "batch_rates": [min(rates, default=0.0), float(np.median([rate for _, rate in steady] or [0.0]))],
    }
    print(json.dumps(result))


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything, in a folder."""
    factory = PacketFactory(arguments.history, arguments.forced, arguments.new_forced)
    schemas = folder / "schemas"
    schemas.mkdir(exist_ok=True)
    (schemas / f"{factory.schema_id}.avsc").write_text(json.dumps(factory.schema))
    shutil.rmtree(folder / "archive", ignore_errors=True)
    configuration = {"wal_level": "minimal", "max_wal_senders": "0"}
    server = EmbeddedPostgres(folder / "postgres", configuration=configuration)
    shutil.rmtree(folder / "kafka", ignore_errors=True)
    broker = apache_kafka(folder / "kafka")
    with server:
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = 'benchmark'").fetchone() is None:
                connection.execute("CREATE DATABASE benchmark")
        migrations.upgrade(server.url("benchmark"))
        clock = time.perf_counter()
        preload(server, "benchmark", arguments.preload_objects, arguments.preload_sources, factory.old_mjd)
        preloaded = time.perf_counter() - clock
        if arguments.context:
            place(folder, factory, arguments)
        if arguments.classify:
            train(folder)
        if not (folder / "sky").exists():
            load_lists(server.url("benchmark"), folder / "sky", factory, arguments)
            load_filters(server.url("benchmark"), arguments.filters)
        with psycopg.connect(server.dsn("benchmark"), autocommit=True) as connection:
            # A second run on a kept folder begins with a new topic.
            if connection.execute("SELECT EXISTS (SELECT FROM ingest_batch)").fetchone() == (True,):
                connection.execute("TRUNCATE stream_offset, ingest_batch, ingest_batch_range, ingest_batch_night")
                connection.execute("TRUNCATE archive_file, quarantine, stream_gap")
            size = connection.execute("SELECT pg_database_size('benchmark')").fetchone()
        broker.start()
        try:
            admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
            topic = NewTopic(TOPIC, num_partitions=arguments.partitions, replication_factor=1)
            next(iter(admin.create_topics([topic]).values())).result(30)
            child = {
                "servers": broker.bootstrap_servers,
                "database_url": server.url("benchmark"),
                "archive_url": (folder / "archive").as_uri(),
                "schemas": str(schemas),
                "folder": str(folder),
                "fits": arguments.fits,
                "classify": arguments.classify,
                "filters": arguments.filters,
                "bounds": {
                    "batch_max": arguments.batch_max,
                    "batch_bytes": int(arguments.batch_megabytes * 2**20),
                    "idle_seconds": 1.0,
                    "budget_seconds": 3600.0,
                },
            }
            command = [sys.executable, __file__, "--drain-child", json.dumps(child)]
            produce(broker.bootstrap_servers, factory, range(arguments.alerts), 0, arguments.partitions)
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            with psycopg.connect(server.dsn("benchmark"), autocommit=True) as connection:
                connection.execute("TRUNCATE ingest_batch, ingest_batch_range, ingest_batch_night")
                connection.execute("VACUUM ANALYZE objects")
            clock = time.perf_counter()
            megabytes = produce(broker.bootstrap_servers, factory, range(arguments.alerts), 1, arguments.partitions)
            produced = time.perf_counter() - clock
            if arguments.profile:
                command = [sys.executable, "-m", "cProfile", "-s", "cumtime", *command[1:]]
            assert server.pid is not None
            assert broker.pid is not None
            with CpuMeter({"PostgreSQL": server.pid, "Kafka": broker.pid}) as meter:
                output = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
            result: dict[str, Any] = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
            with psycopg.connect(server.dsn("benchmark")) as connection:
                # What compiling and connecting take is paid once in a run of ten minutes: from first to last commit.
                steady = connection.execute(
                    "SELECT (sum(received) - min(received) FILTER (WHERE first)) / extract(epoch FROM"
                    " max(finished_at) - min(finished_at)) FROM (SELECT *, ingestid = min(ingestid) OVER () AS first"
                    " FROM ingest_batch WHERE received > 0) AS batch"
                ).fetchone()
                result["steady"] = float(steady[0]) if steady and steady[0] else 0.0
                counted = connection.execute(
                    "SELECT (SELECT count(*) FROM filter_matches), (SELECT count(*) FROM deliveries)"
                ).fetchone()
                result["matches"], result["deliveries"] = counted or (0, 0)
            result["cpu_by_process"] = {"drain": result.pop("cpu"), **meter.seconds()}
            result |= {"preload_seconds": preloaded, "produce_seconds": produced, "megabytes": megabytes}
            result["database_bytes"] = size[0] if size else 0
            if arguments.naive:
                result["naive"] = naive(
                    broker.bootstrap_servers, server.dsn("benchmark"), factory, min(arguments.naive, arguments.alerts)
                )
            return result
        finally:
            broker.stop()


def target(arguments: argparse.Namespace) -> float:
    """Alerts a second that are aimed at: with filters, with what is computed before them, and with matching alone."""
    if arguments.filters:
        return 1026.0
    return 1300.0 if arguments.fits is not None else 1200.0


def table(arguments: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print the figures."""
    packet = result["megabytes"] / arguments.alerts
    print(
        f"\n{arguments.alerts:,} alerts of {packet * 1000:.0f} kB ({arguments.history} sources, {arguments.forced}"
        f" forced points, three cutouts), {arguments.preload_objects:,} objects and {arguments.preload_sources:,}"
        f" sources in the database ({result['database_bytes'] / 1e9:.1f} GB)"
    )
    rate = result["received"] / result["busy_seconds"]
    lines = [
        (
            "alerts a second, sustained (first to last commit)",
            f"{result['steady']:,.0f}",
            f"target {target(arguments):,.0f}",
        ),
        ("the same with the start of the process", f"{rate:,.0f}", ""),
        (
            "naive consumer, alerts a second",
            f"{result.get('naive', 0):,.1f}",
            f"{rate / result['naive']:,.0f} times" if result.get("naive") else "",
        ),
        ("megabytes a second", f"{rate * packet:,.0f}", ""),
        ("archive, of the bytes received", f"{result['archived_bytes'] / result['received_bytes']:.0%}", ""),
        ("stored, duplicate, quarantined", f"{result['stored']}, {result['duplicate']}, {result['quarantined']}", ""),
        ("matches of filters, messages for their topics", f"{result['matches']:,}, {result['deliveries']:,}", ""),
        ("peak memory of the drain run", f"{result['peak_rss'] / 2**20:,.0f} MiB", "limit 1,536"),
    ]
    for name, value, note in lines:
        print(f"  {name:<52}{value:>14}  {note}")
    print("  time by stage (threads overlap)")
    for stage, seconds in sorted(result["stage_seconds"].items(), key=lambda item: -item[1]):
        print(f"    {stage:<12}{seconds:>8.1f} s{seconds / result['received'] * 1e6:>10.0f} µs per alert")
    print("  processor time")
    result["cpu_by_process"]["drain, of that in the kernel"] = result["cpu_system"]
    for name, seconds in result["cpu_by_process"].items():
        print(f"    {name:<30}{seconds:>8.1f} s{seconds / result['received'] * 1e6:>10.0f} µs per alert")


def main() -> None:
    """Run the benchmark."""
    if sys.argv[1:2] == ["--drain-child"]:
        drain_child(json.loads(sys.argv[2]))
        return
    arguments = parse()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="broker-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    try:
        result = measure(arguments, folder)
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
    table(arguments, result)
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
