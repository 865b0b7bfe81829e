"""Faults other than kills: pauses, cut connections, slow and full disks, a clock that steps.

Nothing is lost or duplicated, and everything agrees afterwards. Three kinds of fault happen here; with
`BROKER_FAULT_ROUNDS=8` or more all of them, once per eight rounds. `BROKER_FAULT_SEED` repeats a run's choices. The
soak test applies faults to the whole platform (`make soak`, docs/soak.md).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
from fault_engine import (
    ClockStep,
    CutLink,
    Fault,
    FaultEngine,
    FaultImpossibleError,
    FullDisk,
    Kill,
    Pause,
    SlowDisk,
    steppable_clock,
)
from network_link import NetworkLink, postgres_socket
from sqlalchemy.engine import make_url

pytestmark = [
    pytest.mark.faults,
    pytest.mark.database,
    pytest.mark.kafka,
    pytest.mark.slow,
    pytest.mark.timeout(3600),
]

ROUNDS = int(os.environ.get("BROKER_FAULT_ROUNDS", "0")) // 8
"""How often each kind happens; 0: three kinds happen once."""


@pytest.fixture
def small_disk(platform: Any) -> Iterator[Path]:
    """The archive on a file system of its own where one can be mounted."""
    platform.archive.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(platform.archive)]
    mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
    yield platform.archive
    if mounted:
        subprocess.run(["umount", "-l", str(platform.archive)], check=True)


def test_a_round_of_every_kind(platform: Any, packets: ModuleType, small_disk: Path, tmp_path: Path) -> None:
    seed = int(os.environ.get("BROKER_FAULT_SEED", str(random.randrange(10**6))))
    print(f"BROKER_FAULT_SEED={seed}")
    survey = packets.Survey(objects=100 * max(1, ROUNDS), visits=6, visits_per_night=2, shuffle=seed)
    stop = threading.Event()

    def feed() -> None:
        producer = platform.producer()
        for packet in survey.packets():
            platform.produce(producer, packet)
            # The rest follows at once when the faults are over.
            stop.wait(0.03)
        assert producer.flush(120.0) == 0

    feeding = threading.Thread(target=feed, daemon=True)
    server = Path(str(make_url(platform.database_url).query["host"]))
    clock: list[Fault] = []
    environment: dict[str, str] = {}
    try:
        environment = steppable_clock(tmp_path / "clock")
        clock = [ClockStep("clock", tmp_path / "clock", seconds=(1.5, 2.0))]
    except FaultImpossibleError as error:
        print(error)
    with NetworkLink(lambda: postgres_socket(server)) as link:
        through = f"postgresql+psycopg://postgres@127.0.0.1:{link.port}/{platform.database}"
        options = {"database_url": through, "retry_seconds": 20.0, "idle_seconds": 30.0}
        child = platform.start_child(environment=environment, **options)

        def draining() -> list[psutil.Process]:
            return [psutil.Process(child.process.pid)] if child.alive else []

        def kafka() -> list[psutil.Process]:
            return [psutil.Process(platform.kafka.pid)]

        def postgres() -> list[psutil.Process]:
            postmaster = psutil.Process(platform.postgres.pid)
            return [postmaster, *postmaster.children()]

        kinds: list[Fault] = [
            Kill("kill of the drain", draining),
            Pause("pause of the drain", draining, (1.0, 2.0)),
            # This is longer than the clients wait for an answer.
            Pause("pause of Kafka", kafka, (6.0, 7.0)),
            Pause("pause of PostgreSQL", lambda: postgres()[:1], (1.0, 2.0)),
            CutLink("stall", link, "stall", (1.0, 2.0)),
            CutLink("reset", link, "reset", (0.2, 0.4)),
            CutLink("half close", link, "half_close", (0.5, 1.0)),
            SlowDisk("slow disk", postgres, 0.1, (1.0, 2.0)),
            FullDisk("full disk", small_disk, seconds=(1.5, 2.0)),
            *clock,
        ]
        chance = random.Random(seed)
        engine = FaultEngine(kinds if ROUNDS else chance.sample(kinds, 3), chance)
        feeding.start()
        for _ in range(max(1, ROUNDS) * len(engine.faults)):
            done = engine.strike()
            print(f"{done.fault}: {done.struck}")
            reached, deadline = platform.received(), time.monotonic() + 90
            while platform.received() <= reached and feeding.is_alive():
                assert time.monotonic() < deadline, f"nothing goes on after {done.fault}"
                if not child.alive:
                    child = platform.start_child(environment=environment, **options)
                time.sleep(0.1)
        assert sum(one.happened for one in engine.strikes) > 0
        stop.set()
        feeding.join(120)
        if not child.alive:
            child = platform.start_child(environment=environment, **options)
        platform.wait_until_drained()
        assert child.stop() == 0
    platform.assert_agreement()
    held = platform.query("SELECT reason FROM quarantine")
    assert held == [], "none of these faults is the fault of a message"
    stored = platform.query("SELECT diaobjectid, diasourceid FROM diasources WHERE archivefileid IS NOT NULL")
    assert len(stored) == len(set(stored))
    assert set(stored) == survey.sources()


CUT = """
import sys, time
sys.path.insert(0, {peers!r})
from fault_engine import LoopbackDown, _run
from network_link import NetworkLink
from broker_assets.database import engine
_run("ip", "link", "set", "lo", "up")
engine.NETWORK_LOST["tcp_user_timeout"] = 2000
with NetworkLink(lambda: {socket!r}) as link:
    url = f"postgresql+psycopg://postgres@127.0.0.1:{{link.port}}/postgres"
    connections = [engine.connect(url, autocommit=True), engine.engine(url).connect()]
    LoopbackDown().begin(None)
    for connection in connections:
        begun = time.monotonic()
        try:
            if connection is connections[0]:
                connection.execute("SELECT 1")
            else:
                connection.exec_driver_sql("SELECT 1")
        except Exception as error:
            print(type(error).__name__, time.monotonic() - begun < 10)
"""


def test_a_network_that_was_cut_is_noticed(platform: Any) -> None:
    """A query that nobody answers fails within a minute (here: two seconds) when the network is gone."""
    socket = postgres_socket(Path(str(make_url(platform.database_url).query["host"])))
    peers = str(Path(__file__).parents[1] / "peers")
    script = textwrap.dedent(CUT).format(peers=peers, socket=socket)
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    if "Operation not permitted" in done.stderr:
        pytest.skip("no network of its own can be made here")
    assert done.stdout.splitlines() == ["OperationalError True"] * 2, done.stderr
