"""The state file of a platform that runs in this process, as tests write it."""

from __future__ import annotations

import os

from broker_assets.monitoring.state_file import Addresses, PlatformState, ProcessIdentity, ServiceState

ADDRESSES = Addresses(
    home="/state",
    database_url="postgresql+psycopg://postgres@/broker?host=/state",
    dagster_url="postgresql+psycopg2://postgres@/dagster?host=/state",
    bootstrap_servers="127.0.0.1:9092",
    broker="Apache Kafka",
    dagster_home="/state/dagster",
    webserver_url="http://127.0.0.1:3000",
    api_url="http://127.0.0.1:8000",
    code_server_host="127.0.0.1",
    code_server_port=4000,
)


def state(pid_offset: float = 0.0) -> PlatformState:
    me = ProcessIdentity.of(os.getpid())
    assert me is not None
    service = ServiceState("daemon", "running", 1, 2.0, 0, "/state/logs/daemon.log")
    return PlatformState(ProcessIdentity(me.pid, me.created + pid_offset), 1.5, ADDRESSES, [service])
