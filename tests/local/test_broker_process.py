"""What the embedded brokers share: ports, readiness, and what a killed predecessor left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient

from broker_assets.local.broker_process import BrokerProcess
from broker_assets.local.kafka import TANSU, Tansu
from broker_assets.local.processes import FolderInUseError, LocalPlatformError

pytestmark = [pytest.mark.kafka, pytest.mark.skipif(not TANSU.exists(), reason="the embedded broker is not installed")]


class Unlucky(Tansu):
    """A broker whose first ports are taken by others between their choice and its start."""

    def __init__(self, folder: Path, taken: list[int]) -> None:
        super().__init__(folder)
        self.taken = taken
        self.chosen: list[int] = []

    def _choose_ports(self) -> None:
        super()._choose_ports()
        if self.taken:
            self.port = self.taken.pop()
        assert self.port is not None
        self.chosen.append(self.port)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


def test_there_is_no_address_before_the_first_start(tmp_path: Path) -> None:
    with pytest.raises(LocalPlatformError, match="Tansu has not been started"):
        _ = Tansu(tmp_path).bootstrap_servers


def test_it_answers_when_it_is_started_and_has_another_port_the_next_time(tmp_path: Path) -> None:
    broker: BrokerProcess = Tansu(tmp_path)
    with broker:
        servers = broker.bootstrap_servers
        assert AdminClient({"bootstrap.servers": servers, "log_level": 0}).list_topics(timeout=10).brokers
        with pytest.raises(FolderInUseError):
            Tansu(tmp_path).start()
    assert not broker.running
    with broker:
        assert broker.running


def test_a_port_that_was_taken_meanwhile_is_replaced(tmp_path: Path, taken: int) -> None:
    broker = Unlucky(tmp_path, [taken])
    with broker:
        assert broker.chosen[0] == taken
        assert broker.port == broker.chosen[-1] != taken
        assert broker.running


def test_after_three_ports_it_gives_up_with_the_log(tmp_path: Path, taken: int) -> None:
    broker = Unlucky(tmp_path, [taken] * 3)
    with pytest.raises(LocalPlatformError, match="ended before it was ready"):
        broker.start()
    assert broker.chosen == [taken] * 3
    assert not broker.running
    with Tansu(tmp_path):  # the folder is free again
        pass


def test_what_a_killed_predecessor_left_is_ended_first(tmp_path: Path) -> None:
    """A broker that survives its starter holds the folder's data: a new one must not run beside it."""
    folder = tmp_path / "kafka"
    program = f"""
        import subprocess, sys, time
        from broker_assets.local.kafka import Tansu, TANSU
        broker = Tansu({str(folder)!r})
        address = "tcp://127.0.0.1:0"
        command = [str(TANSU), "broker", "--cluster-id", broker._marker, "--storage-engine", "memory://tansu/"]
        child = subprocess.Popen([*command, "--listener-url", "tcp://127.0.0.1:" + sys.argv[1],
                                  "--advertised-listener-url", "tcp://127.0.0.1:" + sys.argv[1]])
        print(child.pid, flush=True)
        time.sleep(600)
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    starter = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), port], stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    orphan = int(starter.stdout.readline())
    starter.kill()
    starter.wait()
    starter.stdout.close()
    try:
        assert psutil.pid_exists(orphan)
        broker = Tansu(folder)
        broker.patience = 0.5
        with broker:
            assert broker.running
            assert broker.pid != orphan
            deadline = time.monotonic() + 10
            while psutil.pid_exists(orphan) and psutil.Process(orphan).status() != psutil.STATUS_ZOMBIE:
                assert time.monotonic() < deadline
                time.sleep(0.05)
    finally:
        if psutil.pid_exists(orphan):
            os.kill(orphan, signal.SIGKILL)
