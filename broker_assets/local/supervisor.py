"""`broker-assets up`: starts everything on this machine, keeps it running, and stops it again.

Start order: PostgreSQL and Kafka, our migrations, Dagster's tables (once, since its services race on an empty
database), the topics, then code server, webserver, daemon and API in parallel. A service that ends unexpectedly is
restarted after an increasing delay. The shutdown happens in reverse order; run workers, which are not children of the
supervisor, are found by the marker in their environment.
"""

from __future__ import annotations

import datetime
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

from broker_assets.backoff import SERVICE, pause_after
from broker_assets.local import instance, kafka, platform, readiness
from broker_assets.local.compiling import Compiling
from broker_assets.local.loaded_code import LoadedCode
from broker_assets.local.postgres import EmbeddedPostgres
from broker_assets.local.processes import (
    Child,
    FolderInUseError,
    FolderLock,
    LocalPlatformError,
    end_orphans,
    free_ports,
    run_child,
    shorten_log,
    start_child,
    tail,
    wait_for_end,
)
from broker_assets.local.run_processes import is_run_worker
from broker_assets.local.service import CodeServer, Part, Service
from broker_assets.monitoring import daily_logs, state_file
from broker_assets.monitoring.state_file import Addresses, PlatformState, ProcessIdentity, ServiceState
from broker_assets.settings import Settings
from broker_assets.storage.atomic import remove_abandoned

CLOSED = 0o027
"""Permissions that no file of the platform has: every process that it starts inherits this umask."""

LOW_SPACE = 500 * 1024**2
"""Free disk space below which a running platform warns, bytes."""

STABLE_SECONDS = 60.0
"""A service that has run for this long, seconds, restarts with the shortest delay again."""

PREPARE_SECONDS = 1800.0
"""Time limit of the preparation; a migration of large tables takes minutes."""

UNHEALTHY_SECONDS = 90.0
"""A live service that has not answered for this long is restarted."""

STARTING_OTHERS = ("code-server", "daemon")
"""Services that start processes with loaded code: the one with the definitions, and runs."""

LARGEST_DAEMON = 1536 * 1024**2
"""Resident memory above which the Dagster daemon is restarted, bytes (it is known to grow; runs are not affected)."""


class StopRequested(BaseException):
    """The platform was requested to stop."""


@dataclass
class _Watched:
    name: str
    part: Part
    state: str = "starting"
    restarts: int = 0
    failures: int = 0
    started: float = 0.0
    next_start: float = 0.0
    answered: float = 0.0


class Supervisor:
    """Runs the platform of a folder in the main thread.

    Parameters
    ----------
    settings : Settings
        Configured servers are used; the others are started here.
    report : callable
        Receives each message for the user.
    """

    def __init__(self, settings: Settings, report: Callable[[str], None]) -> None:
        self.settings = settings
        self.home = settings.home.resolve()
        self._say = report
        self._watched: list[_Watched] = []
        self._addresses: Addresses | None = None
        self._started = time.time()
        self._stopping = threading.Event()
        self._low_space = False
        self._unsaved = False
        self._loaded = LoadedCode(lambda: self.home / "logs" / "loaded-code.log", idle_seconds=0)

    def run(self, on_ready: Callable[[Addresses, threading.Event], None] | None = None) -> None:
        """Start everything, then watch it until a signal or `down` stops it.

        Parameters
        ----------
        on_ready : callable, optional
            Called in a separate thread once everything answers; the event is set when the platform stops.

        Raises
        ------
        LocalPlatformError
            If something cannot be started; everything already started is stopped first.
        """
        # PostgreSQL may run as another user, who must pass through it.
        self.home.mkdir(parents=True, exist_ok=True)
        umask = os.umask(CLOSED)
        lock = FolderLock(self.home / "lock", subject="the platform")
        try:
            lock.acquire()
        except FolderInUseError as error:
            os.umask(umask)
            raise FolderInUseError(f"{error}: `broker-assets status` shows it, `broker-assets down` stops it") from None
        previous = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        previous[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._on_signal)
        thread: threading.Thread | None = None
        try:
            self._prepare()
            addresses = self._start()
            if on_ready is not None:
                thread = threading.Thread(
                    target=on_ready, args=(addresses, self._stopping), name="on-ready", daemon=True
                )
                thread.start()
            self._watch()
        except StopRequested:
            self._report("Stopping (press Ctrl-C again to stop immediately) …")
        finally:
            self._stopping.set()
            self._end()
            if thread is not None:
                thread.join(10.0)
            state_file.state_path(self.settings).unlink(missing_ok=True)
            for number, handler in previous.items():
                signal.signal(number, handler)
            lock.release()
            os.umask(umask)

    # Start --------------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        if platform.platform_processes(self.home):
            self._report("Stopping what an earlier platform of this folder left behind …")
            end_orphans(self._marked, patience=10.0)
        remove_abandoned(self.home)
        readiness.check_space(self.home)
        server = self.settings.server
        readiness.check_port(server.host, server.dagster_port, "Dagster's web pages", "dagster_port")
        readiness.check_port(server.host, server.api_port, "the API", "api_port")
        self._save()

    def _marked(self) -> list[psutil.Process]:
        return platform.platform_processes(self.home)

    def _start(self) -> Addresses:
        # Everything started from here on has the marker, except PostgreSQL's programs, which are found by their folder.
        os.environ[state_file.MARKER] = str(self.home)
        identity = ProcessIdentity.of(os.getpid())
        if identity is not None:
            os.environ["BROKER_SUPERVISOR"] = f"{identity.pid}:{identity.created!r}"
        (self.home / "logs").mkdir(exist_ok=True)
        self._loaded.begin(_of_services())  # while the servers start
        self._compiling = Compiling(self.home / "logs" / "compiling.log", self._report)
        self._compiling.begin()
        addresses = self._start_servers()
        self._addresses = addresses
        os.environ.update(addresses.environment())
        instance.write_instance(Path(addresses.dagster_home))
        self._report("Database schema, Dagster's tables and topics …")
        run_child(
            [sys.executable, "-m", "broker_assets.local.prepare", "--end-abandoned-runs"],
            failure="The servers could not be prepared",
            seconds=PREPARE_SECONDS,
            log=self.home / "logs" / "prepare.log",
            start=self._start_program,
            name="prepare",
        )
        self._start_services(addresses)
        self._save()
        return addresses

    def _start_program(self, command: Sequence[str], *, log: Path, name: str) -> Child:
        forked = self._loaded.start(
            command, log=log, name=name, environment=_of_services(), death_signal=signal.SIGTERM
        )
        return forked if forked is not None else start_child(command, log=log)

    def _start_servers(self) -> Addresses:
        settings, server = self.settings, self.settings.server
        database, dagster = settings.database.url, settings.database.dagster_url
        database_url = database.get_secret_value() if database else ""
        dagster_url = dagster.get_secret_value() if dagster else ""
        if not (database_url and dagster_url):
            self._report("PostgreSQL …")
            postgres = EmbeddedPostgres(self.home / "postgres")
            self._start_part("PostgreSQL", postgres)
            database_url = database_url or postgres.url()
            dagster_url = dagster_url or postgres.dagster_url()
        bootstrap = settings.kafka.bootstrap_servers or ""
        broker = "Kafka of the settings" if bootstrap else "each stream names its own"
        if settings.needs_embedded_kafka:
            self._report("Kafka (the first time Maven fetches it) …")
            embedded, broker = kafka.embedded(settings.model_copy(update={"home": self.home}))
            self._start_part("Kafka", embedded)
            bootstrap = embedded.bootstrap_servers
            self._report(broker)
        return Addresses(
            home=str(self.home),
            database_url=database_url,
            dagster_url=dagster_url,
            bootstrap_servers=bootstrap,
            broker=broker,
            dagster_home=str(self.home / "dagster"),
            webserver_url=f"http://{server.host}:{server.dagster_port}",
            api_url=f"http://{server.host}:{server.api_port}",
            code_server_host="127.0.0.1",
            code_server_port=free_ports(1)[0],
        )

    def _start_part(self, name: str, part: Part) -> None:
        watched = _Watched(name, part)
        self._watched.append(watched)
        part.start()
        self._ready(watched)

    def _start_services(self, addresses: Addresses) -> None:
        self._report("Code server, webserver, daemon and API …")
        logs = self.home / "logs"
        server = self.settings.server
        commands = platform.commands(
            host=server.host,
            dagster_port=server.dagster_port,
            api_port=server.api_port,
            code_port=addresses.code_server_port,
            workspace=str(instance.project_file("workspace.yaml")),
        )
        commands["code-server"][commands["code-server"].index("--host") + 1] = addresses.code_server_host
        health = {
            "code-server": readiness.answers_grpc(addresses.code_server_host, addresses.code_server_port),
            "daemon": readiness.daemon_is_alive(addresses.dagster_url),
            "webserver": readiness.answers_http(f"{addresses.webserver_url}/server_info"),
            "api": readiness.answers_http(addresses.api_url),
        }
        if self.settings.backup.continuous:
            commands["log-receiver"] = ["python", "-m", "broker_assets.cli", "backup", "receive"]
            health["log-receiver"] = lambda: True  # it has no address; it ends when it cannot continue
        services: list[Service] = []
        for name, command in commands.items():
            log = logs / f"{name}.log"
            kind = CodeServer if name == "code-server" else Service
            service = kind(
                name,
                command,
                log=log,
                environment=_of_services(),
                healthy=health[name],
                loaded=self._loaded,
                forks=name in STARTING_OTHERS,
            )
            self._watched.append(_Watched(name, service))
            services.append(service)
            if name == "daemon":  # it starts runs, which would compile the same functions
                self._compiling.wait()
            service.launch()
            if name == "code-server":  # the others query it immediately and would log errors
                service.wait_until_ready()
        for service in services:
            service.wait_until_ready()
        for watched in self._watched:
            self._ready(watched)

    def _ready(self, watched: _Watched) -> None:
        watched.state = "running"
        watched.started = watched.answered = time.monotonic()
        self._save()

    # Watch --------------------------------------------------------------------------------------------------------

    def _watch(self) -> NoReturn:
        next_check = time.monotonic() + 10.0
        while True:
            for watched in self._watched:
                if not watched.part.running:
                    self._attend(watched)
                elif watched.state == "waiting":  # it recovered by itself: somebody reloaded its definitions
                    self._ready(watched)
                elif time.monotonic() - watched.started > STABLE_SECONDS:
                    watched.failures = 0
            if time.monotonic() > next_check:
                self._check_health()
                self._keep_logs()
                next_check = time.monotonic() + 10.0
            time.sleep(0.3)

    def _keep_logs(self) -> None:
        """Copy the output of services to their daily logs; a full disk stops nothing."""
        now = datetime.datetime.now(datetime.UTC)
        oldest = now.date() - datetime.timedelta(days=self.settings.server.log_days)
        try:
            daily_logs.collect(self.home / "logs", self.home / "service_logs", now)
            daily_logs.prune(self.home / "service_logs", before=oldest)
        except OSError as error:
            if not self._low_space:
                self._report(f"Logs of services cannot be kept by day: {error}")

    def _attend(self, watched: _Watched) -> None:
        """Handle the end of a part: report it, and restart it after its delay."""
        now = time.monotonic()
        if watched.state == "running":
            self._plan_restart(watched, f"{watched.name} has ended unexpectedly")
        elif now >= watched.next_start:
            watched.state = "starting"
            watched.restarts += 1
            self._save()
            try:
                watched.part.stop()  # releases its lock
                watched.part.start()
            except LocalPlatformError as error:
                watched.part.stop()
                self._plan_restart(watched, str(error))
            except OSError as error:  # a full disk, on which its settings cannot be written
                watched.part.stop()
                self._plan_restart(watched, f"{watched.name} could not be started: {error}")
            else:
                self._ready(watched)
                self._report(f"{watched.name} is running again.")

    def _plan_restart(self, watched: _Watched, reason: str) -> None:
        watched.failures += 1
        pause = pause_after(watched.failures, SERVICE)
        watched.next_start = time.monotonic() + pause
        watched.state = "waiting"
        words = tail(watched.part.log, lines=3) if "Last lines" not in reason else ""
        self._report(f"{reason}; it will be restarted in {pause:.0f} s. Log: {watched.part.log}\n{words}".rstrip())
        self._save()

    def _check_health(self) -> None:
        if self._unsaved:
            self._save()
        for watched in self._watched:
            part = watched.part
            shorten_log(part.log)
            if watched.state != "running" or not isinstance(part, Service):
                continue
            now = time.monotonic()
            if part.healthy():
                watched.answered = now
            elif now - watched.answered > UNHEALTHY_SECONDS:
                self._report(f"{watched.name} is alive but does not answer.")
                part.stop()
            if watched.name == "daemon" and _resident(part.pid) > LARGEST_DAEMON:
                self._report("The daemon has grown too large.")
                part.stop()
        free = shutil.disk_usage(self.home).free
        if (free < LOW_SPACE) != self._low_space:
            self._low_space = free < LOW_SPACE
            word = "The disk is nearly full" if self._low_space else "There is space on the disk again"
            self._report(f"{word}: {free / 1024**2:.0f} MB free for {self.home}.")

    # Stop ---------------------------------------------------------------------------------------------------------

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._stopping.is_set():
            self._stopping.set()
            raise StopRequested
        # The second time: stop waiting.
        for process in [*self._marked(), *self._server_processes()]:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _server_processes(self) -> list[psutil.Process]:
        found = []
        for watched in self._watched:
            with suppress(psutil.NoSuchProcess):
                if watched.part.pid is not None:
                    found.append(psutil.Process(watched.part.pid))
        return found

    def _end(self) -> None:
        """Stop the services, then remaining runs, then the servers they use."""
        services = {watched.name: watched.part for watched in self._watched if isinstance(watched.part, Service)}
        code_server = services.pop("code-server", None)
        for service in services.values():
            service.interrupt()
        for service in services.values():
            service.stop()
        workers = [process for process in self._marked() if is_run_worker(process)]
        if workers:
            self._report(f"Interrupting {len(workers)} run(s); they will be retried at the next start …")
            for process in workers:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGTERM)
            wait_for_end(workers, 20.0)
        if code_server is not None:
            code_server.stop()
        self._loaded.close()
        for watched in reversed(self._watched):
            watched.part.stop()
        os.environ.pop(state_file.MARKER, None)
        end_orphans(self._marked, patience=1.0)

    def _report(self, message: str) -> None:
        with suppress(OSError):  # the output may be a file on a full disk
            self._say(message)

    def _save(self) -> None:
        identity = ProcessIdentity.of(os.getpid())
        if identity is None:
            return
        services = []
        for watched in self._watched:
            pid = watched.part.pid if watched.part.running else None
            process = ProcessIdentity.of(pid) if pid is not None else None
            created = process.created if process else None
            log = str(watched.part.log)
            services.append(ServiceState(watched.name, watched.state, pid, created, watched.restarts, log))
        try:
            state_file.write_state(self.settings, PlatformState(identity, self._started, self._addresses, services))
            self._unsaved = False
        except OSError as error:
            # What runs goes on while the disk is full; only `status` and `down` read the file.
            if not self._unsaved:
                self._report(
                    f"The state of the services could not be written, and will be as soon as possible: {error}"
                )
            self._unsaved = True


def end_platform(settings: Settings, *, timeout: float = 90.0) -> bool:
    """Stop the platform running in the folder, including what a killed one left behind.

    Returns
    -------
    bool
        Whether there was anything to stop.

    Raises
    ------
    LocalPlatformError
        If it has not ended in time.
    """
    state = state_file.running(settings)
    supervisor = state.supervisor.process() if state is not None else None
    if supervisor is not None:
        supervisor.send_signal(signal.SIGTERM)
        if wait_for_end([supervisor], timeout):
            raise LocalPlatformError(f"process {supervisor.pid} has not ended within {timeout:.0f} s")
    home = settings.home.resolve()
    left = platform.platform_processes(home)
    end_orphans(lambda: platform.platform_processes(home), patience=5.0)
    return supervisor is not None or bool(left)


def _of_services() -> dict[str, str]:
    """Environment of the services."""
    return os.environ | {
        "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": "60",
        "DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD": "10",
        "PYTHONUNBUFFERED": "1",
    }


def _resident(pid: int | None) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss) if pid is not None else 0
    except psutil.Error:
        return 0
