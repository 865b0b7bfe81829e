"""A separate platform under `broker-assets up --demo`, on a disk and a network of its own, to which faults are applied.

Used by the soak test (`tests/faults/soak.py`).
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from fault_engine import (
    ClockStep,
    CutLink,
    Fault,
    FaultImpossibleError,
    FullDisk,
    Intruder,
    Kill,
    LoopbackDown,
    Pause,
    ResetPort,
    SlowDisk,
    steppable_clock,
)
from network_link import NetworkLink, postgres_socket
from platform_victims import LOADED_CODE, Victims

from broker_assets.local.instance import project_file
from broker_assets.local.jars import kafka_jars
from broker_assets.local.postgres import EmbeddedPostgres
from broker_assets.local.processes import LocalPlatformError, free_ports, start_child
from broker_assets.telemetry.simulation.mission import write_mission

APART = "BROKER_SOAK_APART"
"""Set in a process that has namespaces of its own."""
START_SECONDS = 900.0
TOPIC = "rubin-alerts"


def apart() -> None:
    """Continue in a network and a mount namespace of its own; nothing changes without root."""
    if os.environ.get(APART) or os.geteuid() != 0 or shutil.which("unshare") is None:
        return
    with suppress(LocalPlatformError):
        kafka_jars()  # fetched while there is a network
    os.environ[APART] = "1"
    os.execvp("unshare", ["unshare", "--net", "--mount", sys.executable, *sys.argv])  # noqa: S606


class Hook(BaseHTTPRequestHandler):
    """Takes the alerts to operators."""

    def do_POST(self) -> None:
        """Keep the message."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.received.append(str(body["message"]))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


class SoakedPlatform:
    """The platform, its surroundings, and the faults that are possible here.

    Parameters
    ----------
    folder : Path
        Everything is below it.
    disk_megabytes : int
        Size of the disk of the platform, if one can be mounted.
    clock : bool
        Whether the clock of its processes can be stepped.
    """

    def __init__(self, folder: Path, *, disk_megabytes: int, clock: bool) -> None:
        self.folder = folder
        self.disk = folder / "disk"
        self.home = self.disk / "state"
        self.log = folder / "up.log"
        self.notes: list[str] = []
        """What is not possible here, and what was done in its place."""
        self.alone = bool(os.environ.get(APART))
        self._disk_megabytes = disk_megabytes
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self.victims = Victims(self.home)
        self.hook = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        self.hook.received = []  # type: ignore[attr-defined]
        socket = EmbeddedPostgres(self.home / "postgres").socket_folder
        self.link = NetworkLink(lambda: postgres_socket(socket))
        self.environment: dict[str, str] = {}

    @property
    def database_url(self) -> str:
        """The database, not through the link: for measurements."""
        return EmbeddedPostgres(self.home / "postgres").url()

    @property
    def bootstrap_servers(self) -> str:
        """Kafka."""
        state = self.victims.state()
        return state.addresses.bootstrap_servers if state is not None and state.addresses is not None else ""

    @property
    def alerts(self) -> list[str]:
        """Messages to operators so far."""
        return list(self.hook.received)  # type: ignore[attr-defined]

    @contextmanager
    def running(self, settings: dict[str, str]) -> Iterator[None]:
        """Everything runs within."""
        self._mount()
        threading.Thread(target=self.hook.serve_forever, daemon=True).start()
        try:
            with self.link:
                self._start(settings)
                try:
                    yield
                finally:
                    self._stop()
        finally:
            self.hook.shutdown()
            if os.path.ismount(self.disk):
                subprocess.run(["umount", "-l", str(self.disk)], check=False)

    def _mount(self) -> None:
        if self.alone:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        else:
            self.notes.append("Not root: no network of its own, so connections are cut at the database only.")
        self.disk.mkdir(parents=True)
        image = self.folder / "disk.img"
        made = self.alone
        if made:
            with image.open("wb") as file:
                file.truncate(self._disk_megabytes << 20)
            for command in (["mkfs.ext4", "-q", "-m", "0"], ["mount", "-o", "loop"]):
                places = [str(image)] if command[0] != "mount" else [str(image), str(self.disk)]
                made = made and subprocess.run([*command, *places], capture_output=True, check=False).returncode == 0
        if not made:
            self.notes.append("No disk of its own can be mounted: the disk is never full.")
        self.disk.chmod(0o711)

    def _start(self, settings: dict[str, str]) -> None:
        dagster_port, api_port = free_ports(2)
        hook = f"json://127.0.0.1:{self.hook.server_port}/hook"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("BROKER_")} | {
            "BROKER_HOME": str(self.home),
            "BROKER_SERVER__DAGSTER_PORT": str(dagster_port),
            "BROKER_SERVER__API_PORT": str(api_port),
            "BROKER_DATABASE__URL": f"postgresql+psycopg://postgres@127.0.0.1:{self.link.port}/broker",
            "BROKER_NOTIFIER__URLS": json.dumps([hook]),
            "BROKER_NOTIFIER__LOOK_SECONDS": "10",
            **settings,
        }
        if self._clock:
            try:
                self.environment |= steppable_clock(self.folder / "clock")
            except FaultImpossibleError as error:
                self._clock = False
                self.notes.append(f"The clock is not stepped: {error}.")
        command = [str(Path(sys.executable).with_name("broker-assets")), "up", "--demo", "--alerts", "300"]
        self._process = start_child(command, log=self.log, environment=self.environment)
        deadline = time.monotonic() + START_SECONDS
        while "Everything is running" not in self.log.read_text():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the platform did not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.5)

    def _stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(120)
        command = [str(Path(sys.executable).with_name("broker-assets")), "down"]
        subprocess.run(command, env=self.environment, capture_output=True, check=False, timeout=180)

    @property
    def supervised(self) -> bool:
        """Whether `broker-assets up` still runs."""
        return self._process is not None and self._process.poll() is None

    # Faults -------------------------------------------------------------------------------------------------------

    def faults(self) -> list[Fault]:
        """All that are possible here."""
        kinds = self.victims.kinds()
        found: list[Fault] = [Kill(f"kill {name}", find) for name, find in kinds.items()]
        # Runs are children of the process with the loaded code, but are paused as a kind of their own.
        found += [Pause(f"pause {name}", find, children=name != LOADED_CODE) for name, find in kinds.items()]
        found += [CutLink(f"database link: {how.replace('_', ' ')}", self.link, how) for how in LINK_FAULTS]
        found.append(SlowDisk("slow disk of PostgreSQL", lambda: self.victims.with_children("PostgreSQL")))
        found.append(SlowDisk("slow disk of a run", self.victims.runs))
        found.append(Intruder("second daemon", self._second_daemon))
        if self.alone:
            found += [LoopbackDown(), ResetPort("reset connections to Kafka", self._kafka_port)]
        if os.path.ismount(self.disk):
            found.append(FullDisk("full disk", self.disk))
        if self._clock:
            found.append(ClockStep("clock step", self.folder / "clock"))
        return found

    def _kafka_port(self) -> int:
        servers = self.bootstrap_servers
        if not servers:
            raise FaultImpossibleError("Kafka is being started")
        return int(servers.rpartition(":")[2])

    def _second_daemon(self) -> subprocess.Popen[bytes]:
        state = self.victims.state()
        if state is None or state.addresses is None:
            raise FaultImpossibleError("the platform is being started")
        program = str(Path(sys.executable).with_name("dagster-daemon"))
        return start_child(
            [program, "run", "--workspace", str(project_file("workspace.yaml"))],
            log=self.folder / "second-daemon.log",
            environment=self.environment | state.addresses.environment(),
        )

    # Telemetry ----------------------------------------------------------------------------------------------------

    def telemetry(self, stop: threading.Event, minutes: float) -> None:
        """Let a file of telemetry arrive in each interval: days before the demonstration's, simulated as they come."""
        incoming = self.home / "telemetry-demo" / "incoming"
        day = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=2)
        waiting: list[Path] = []
        while not stop.wait(60.0 * minutes):
            with suppress(OSError):  # the disk is full
                if not waiting:
                    folder = self.folder / f"mission-{day}"
                    write_mission(folder, start=day, seed=1)
                    waiting = sorted((folder / "incoming").glob("*.xml"))
                    day -= datetime.timedelta(days=1)
                part = incoming.parent / f".{waiting[0].name}"
                shutil.copy(waiting[0], part)
                part.rename(incoming / waiting.pop(0).name)


LINK_FAULTS = ("stall", "reset", "half_close")
