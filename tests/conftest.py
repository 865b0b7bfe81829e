"""Fixtures of the whole suite: the shared folder, and real PostgreSQL and Kafka.

Services start when the first test asks for them, once per pytest process (with xdist: per worker), listen on loopback
or a private socket only, and end with the session; if a session is killed, they end too, because they are its children.
`BROKER_TEST_DATABASE_URL` and `BROKER_TEST_KAFKA` name running servers that are used instead.
"""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from dagster_leftovers import forget_ended_instances
from run_folders import folder_of_this_run, remove_of_ended_runs

import broker_assets.local  # noqa: F401 - first of all: it sets what gRPC reads when it is imported
from broker_assets.settings import load_settings

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

# Tests share the machine with servers: the time an example takes is no measure of the code.
hypothesis.settings.register_profile(
    "ours", deadline=None, max_examples=1000 if os.environ.get("BROKER_TEST_FULL") else 60
)
hypothesis.settings.load_profile("ours")

BROKER_KINDS = pytest.StashKey[set[str]]()
"""Which Kafka brokers the tests of this session ran against."""

_numbers = itertools.count(1)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable(config: pytest.Config, report: Any) -> Generator[None, Any, Any]:
    """Escape lone surrogates in reports: the workers of pytest-xdist cannot send them, and the whole run ends."""
    return _sendable((yield))


def _sendable(data: Any) -> Any:
    if isinstance(data, str):
        return data.encode("utf-8", "backslashreplace").decode()
    if isinstance(data, dict):
        return {_sendable(key): _sendable(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return type(data)(map(_sendable, data))
    return data


@pytest.fixture(autouse=True)
def _state_of_this_test() -> Iterator[None]:
    """Forget the settings that an earlier test read from its environment, and its Dagster instance."""
    load_settings.cache_clear()
    forget_ended_instances()
    yield
    load_settings.cache_clear()


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder with real alerts, telemetry and golden results; not part of the project because of its licences."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("../shared with the real data is not here")
    return folder


@pytest.fixture(scope="session")
def service_folder() -> Iterator[Path]:
    """A folder for servers: its path is short (for sockets), and the user to which PostgreSQL drops may open it.

    It is in memory if there is room: a database has a thousand files, and copying it takes 30 ms there instead of 240.
    """
    memory = Path("/dev/shm")
    if is_mounted := os.path.ismount(memory):
        remove_of_ended_runs(memory)
    roomy = is_mounted and shutil.disk_usage(memory).free > 6 << 30
    with folder_of_this_run(memory if roomy else Path(tempfile.gettempdir())) as folder:
        yield folder


# PostgreSQL -----------------------------------------------------------------------------------------------------------


class RunningPostgres:
    """A PostgreSQL server in which tests may create databases, with the addresses of `EmbeddedPostgres`."""

    def __init__(self, url: str) -> None:
        from sqlalchemy.engine import make_url

        self._url = make_url(url)

    def url(self, database: str = "broker") -> str:
        """SQLAlchemy URL, psycopg 3."""
        return self._render("postgresql+psycopg", database)

    def dagster_url(self, database: str = "dagster") -> str:
        """SQLAlchemy URL, psycopg2."""
        return self._render("postgresql+psycopg2", database)

    def dsn(self, database: str = "broker") -> str:
        """libpq URL."""
        return self._render("postgresql", database)

    def _render(self, driver: str, database: str) -> str:
        return self._url.set(drivername=driver, database=database).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgres(service_folder: Path) -> Iterator[RunningPostgres]:
    """A PostgreSQL server: `.url(database)`, `.dagster_url(database)`, `.dsn(database)`."""
    external = os.environ.get("BROKER_TEST_DATABASE_URL")
    if external:
        yield RunningPostgres(external)
        return
    from broker_assets.local.postgres import EmbeddedPostgres

    # The server survives the death of its processes, which is all that tests need, but not a crash of the machine.
    # Each of a thousand tests has a database of its own: cloning its files takes 30 ms instead of 300.
    configuration = {
        "fsync": "off",
        "shared_buffers": "128MB",
        "max_wal_size": "1GB",
        "file_copy_method": "clone",
    }
    with EmbeddedPostgres(service_folder / "postgres", configuration=configuration) as server:
        yield RunningPostgres(server.url())


@pytest.fixture(scope="session")
def new_database(postgres: RunningPostgres) -> Callable[..., AbstractContextManager[str]]:
    """A function that creates a database for the duration of a `with` block, and returns its name.

    `new_database()` is empty; `new_database(template=name)` is a copy.
    """
    import psycopg
    from psycopg import sql

    @contextmanager
    def make(template: str = "template0") -> Iterator[str]:
        name = f"test_{os.getpid()}_{next(_numbers)}"
        with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
            identifiers = sql.Identifier(name), sql.Identifier(template)
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(*identifiers))
        try:
            yield name
        finally:
            with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    return make


@pytest.fixture(scope="session")
def migrated_template(
    postgres: RunningPostgres, new_database: Callable[..., AbstractContextManager[str]]
) -> Iterator[str]:
    """Name of a database with the newest schema and no rows; copied, never connected to."""
    from broker_assets.database import migrations

    with new_database() as name:
        migrations.upgrade(postgres.url(name))
        yield name


@pytest.fixture
def database_url(
    postgres: RunningPostgres, new_database: Callable[..., AbstractContextManager[str]], migrated_template: str
) -> Iterator[str]:
    """SQLAlchemy URL (psycopg 3) of a migrated, empty database of this test alone."""
    with new_database(migrated_template) as name:
        yield postgres.url(name)


@pytest.fixture(scope="module")
def module_database_url(
    postgres: RunningPostgres, new_database: Callable[..., AbstractContextManager[str]], migrated_template: str
) -> Iterator[str]:
    """Like `database_url`, shared by the tests of a module."""
    with new_database(migrated_template) as name:
        yield postgres.url(name)


@pytest.fixture(scope="session")
def tom_snapshot_template(
    shared_folder: Path,
    postgres: RunningPostgres,
    new_database: Callable[..., AbstractContextManager[str]],
    migrated_template: str,
) -> Iterator[str]:
    """Name of a database with the snapshot of DESC's TOM after an alert cycle; copied, never connected to."""
    import psycopg
    from psycopg import sql

    folder = shared_folder / "data" / "desc_tom" / "alertcycle"
    # In the order of the original dump: referenced tables come first.
    order = "ppdbdiaobject ppdbdiasource ppdbdiaforcedsource ppdbalert diaobjecttruth diaobject diasource"
    order += " diaforcedsource diaobjectinfo brokerclassifier brokermessage brokersourceids"
    with new_database(migrated_template) as name:
        with psycopg.connect(postgres.dsn(name)) as connection:
            # As pg_restore does: names are not resolved by the search path.
            connection.execute("SELECT set_config('search_path', '', false)")
            for table in order.split():
                content = (folder / f"elasticc2_{table}.csv").read_bytes()
                columns = content.split(b"\n", 1)[0].decode().strip().split(",")
                statement = sql.SQL("COPY public.{} ({}) FROM STDIN WITH (FORMAT csv, HEADER)").format(
                    sql.Identifier(f"elasticc2_{table}"), sql.SQL(", ").join(map(sql.Identifier, columns))
                )
                with connection.cursor().copy(statement) as copy:
                    copy.write(content)
            for sequence, value in (
                ('"elasticc2_brokerclassifier_classifierId_seq"', 6),
                ('"elasticc2_brokermessage_brokerMessageId_seq"', 3900),
                ("elasticc2_diaobjectinfo__id_seq", 1050),
            ):
                connection.execute("SELECT setval(%s, %s)", (f"public.{sequence}", value))
        yield name


@pytest.fixture
def tom_snapshot_url(
    postgres: RunningPostgres, new_database: Callable[..., AbstractContextManager[str]], tom_snapshot_template: str
) -> Iterator[str]:
    """SQLAlchemy URL (psycopg 3) of a copy of the snapshot for this test alone."""
    with new_database(tom_snapshot_template) as name:
        yield postgres.url(name)


@pytest.fixture(scope="module")
def module_tom_snapshot_url(
    postgres: RunningPostgres, new_database: Callable[..., AbstractContextManager[str]], tom_snapshot_template: str
) -> Iterator[str]:
    """Like `tom_snapshot_url`, shared by the tests of a module."""
    with new_database(tom_snapshot_template) as name:
        yield postgres.url(name)


@pytest.fixture(scope="session")
def survey_template(
    shared_folder: Path,
    postgres: RunningPostgres,
    new_database: Callable[..., AbstractContextManager[str]],
    migrated_template: str,
) -> Iterator[str]:
    """Name of a database with the shared simulation, of which nothing was sent; copied, never connected to."""
    from broker_assets.tom.survey.loading import load_simulations

    folders = sorted((shared_folder / "data" / "desc_tom" / "elasticc2_alert_test_data").iterdir())
    with new_database(migrated_template) as name:
        report = load_simulations(postgres.url(name), folders, "ppdb")
        assert not report.failed
        yield name


@pytest.fixture
def survey_url(
    postgres: RunningPostgres, new_database: Callable[..., AbstractContextManager[str]], survey_template: str
) -> Iterator[str]:
    """SQLAlchemy URL of a database of this test with the shared simulation, of which nothing was sent."""
    with new_database(survey_template) as name:
        yield postgres.url(name)


@pytest.fixture
def dagster_url(postgres: RunningPostgres, new_database: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    """SQLAlchemy URL (psycopg2) of an empty database for a Dagster instance of this test."""
    with new_database() as name:
        yield postgres.dagster_url(name)


# Kafka ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def kafka(service_folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Bootstrap servers of a Kafka broker: Apache Kafka, or the embedded one where that is not available.

    `BROKER_TEST_KAFKA_REQUIRED=1` makes the absence of Apache Kafka a failure.
    """
    kinds = request.config.stash.setdefault(BROKER_KINDS, set())
    external = os.environ.get("BROKER_TEST_KAFKA")
    if external:
        kinds.add(f"the broker of BROKER_TEST_KAFKA ({external})")
        yield external
        return
    from broker_assets.local.kafka import Tansu, apache_kafka
    from broker_assets.local.processes import LocalPlatformError

    try:
        broker = apache_kafka(service_folder / "kafka")
    except LocalPlatformError as error:
        if os.environ.get("BROKER_TEST_KAFKA_REQUIRED") == "1":
            pytest.fail(f"Apache Kafka is required here: {error}")
        broker = Tansu(service_folder / "tansu")
        kinds.add(f"Tansu, the embedded broker, NOT Apache Kafka ({error})")
    else:
        kinds.add(broker.kind)
    try:
        broker.start()
        yield broker.bootstrap_servers
    finally:
        broker.stop()


@pytest.fixture
def real_kafka(kafka: str, request: pytest.FixtureRequest) -> str:
    """Like `kafka`, for tests of what Tansu cannot do (durability, retention, transactions): skips there."""
    if any(kind.startswith("Tansu") for kind in request.config.stash[BROKER_KINDS]):
        pytest.skip("needs Apache Kafka")
    return kafka


@pytest.fixture(scope="session")
def other_broker(service_folder: Path) -> Iterator[Any]:
    from broker_assets.local.kafka import Tansu, apache_kafka
    from broker_assets.local.processes import LocalPlatformError

    try:
        broker = apache_kafka(service_folder / "other-kafka")
    except LocalPlatformError as error:
        if os.environ.get("BROKER_TEST_KAFKA_REQUIRED") == "1":
            pytest.fail(f"Apache Kafka is required here: {error}")
        broker = Tansu(service_folder / "other-tansu")
    yield broker
    broker.stop()


@pytest.fixture
def other_kafka(other_broker: Any) -> Any:
    """A second broker that the test may stop and start again: `.bootstrap_servers`, `.durable`.

    It is Apache Kafka or, where that is not available, the embedded broker, which forgets its messages.
    """
    if not other_broker.running:
        other_broker.start()
    return other_broker


def wait_for_leaders(admin: Any, topic: str, partitions: int) -> None:
    """Wait until every partition of a new topic answers: a broker confirms a topic before it leads all of it."""
    from confluent_kafka import KafkaException, TopicPartition
    from confluent_kafka.admin import OffsetSpec

    asked = {TopicPartition(topic, number): OffsetSpec.latest() for number in range(partitions)}
    deadline = time.monotonic() + 30
    while True:
        try:
            for future in admin.list_offsets(asked).values():
                future.result(10)
            return
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.fixture(scope="session")
def packets() -> ModuleType:
    """Makers of small alert packets and of sources over lists; see `peers/alert_packets.py`."""
    import alert_packets

    return alert_packets


@pytest.fixture(scope="session")
def tns() -> ModuleType:
    """Makers of TNS files and the server; see `peers/tns_peer.py`."""
    import tns_peer

    return tns_peer


@pytest.fixture
def new_topic(kafka: str) -> Iterator[Callable[..., str]]:
    """A function that makes topics: `new_topic(partitions=2, **configuration)` gives the name; deleted after the test.

    Configuration names have underscores for dots: `new_topic(1, retention_ms=1000)`.
    """
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    made: list[str] = []

    def make(partitions: int = 2, **configuration: object) -> str:
        name = f"test-{os.getpid()}-{next(_numbers)}"
        values = {key.replace("_", "."): str(value) for key, value in configuration.items()}
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=values)
        for future in admin.create_topics([topic]).values():
            future.result(30)
        made.append(name)
        wait_for_leaders(admin, name, partitions)
        return name

    yield make
    if made:
        for future in admin.delete_topics(made).values():
            future.exception(30)


@pytest.fixture
def topic(new_topic: Callable[..., str], request: pytest.FixtureRequest) -> str:
    """Name of a fresh topic of two partitions, or as many as `parametrize("topic", [4], indirect=True)` says."""
    return new_topic(getattr(request, "param", 2))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of xdist tells its controller which broker it used."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        kinds: set[str] = session.config.stash.get(BROKER_KINDS, set())
        output["broker_kinds"] = sorted(kinds)


class _WorkerReports:
    """Collects the reports of the workers of xdist; registered only if xdist is installed."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """A worker ended."""
        kinds = getattr(node, "workeroutput", {}).get("broker_kinds", [])
        self._config.stash.setdefault(BROKER_KINDS, set()).update(kinds)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribute the tests by file, and those of whole platforms to one worker."""
    from platforms_apart import PlatformsApart

    return PlatformsApart(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several workers, begin with the tests that take longest."""
    if hasattr(config, "workerinput"):
        from platforms_apart import platforms_first

        items[:] = platforms_first(items)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Exclude the objects made during collection from garbage collection.

    Ten thousand tests and three thousand modules are a million objects that live until the end. Each full collection
    would visit them all, which takes a second; it happens automatically, and after every picture that is drawn.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(5000)
        gc.enable()


def pytest_configure(config: pytest.Config) -> None:
    """Listen to the workers of xdist."""
    # In the background of a shell SIGINT is ignored; Dagster then ignores SIGTERM too, and so does every child.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(_WorkerReports(config), "broker-worker-reports")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which Kafka the tests ran against."""
    kinds = config.stash.get(BROKER_KINDS, set())
    if kinds:
        terminalreporter.section("Kafka")
        terminalreporter.write_line("Tests of the stream ran against " + ", ".join(sorted(kinds)) + ".")
