"""Preparation of real servers, by the supervisor's function and by the command of containers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from confluent_kafka.admin import AdminClient
from dagster import DagsterInstance

from broker_assets.database import migrations
from broker_assets.local.instance import write_instance
from broker_assets.local.prepare import prepare
from broker_assets.monitoring.state_file import Addresses
from broker_assets.settings import DatabaseSettings, KafkaSettings, Settings, StreamSettings

pytestmark = [pytest.mark.kafka, pytest.mark.database, pytest.mark.slow]


@pytest.fixture
def empty_url(postgres: Any, new_database: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    """A database without tables."""
    with new_database() as name:
        yield postgres.url(name)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home of Dagster."""
    folder = tmp_path / "dagster"
    write_instance(folder)
    return folder


def topics(kafka: str) -> set[str]:
    """Topics that exist."""
    return set(AdminClient({"bootstrap.servers": kafka, "log_level": 0}).list_topics(timeout=20).topics)


def test_servers_are_prepared_once_and_stay_so(
    empty_url: str, dagster_url: str, kafka: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = f"prepared-{os.getpid()}"
    settings = Settings(
        home=home.parent,
        database=DatabaseSettings(url=empty_url),  # type: ignore[arg-type]
        kafka=KafkaSettings(bootstrap_servers=kafka),
        streams=[
            StreamSettings(topic=topic, survey="rubin", framing="confluent"),
            StreamSettings.model_validate(
                {
                    "topic": f"elsewhere-{os.getpid()}",
                    "survey": "ztf",
                    "framing": "container",
                    "kafka": {"bootstrap_servers": "127.0.0.1:9"},
                }
            ),
        ],
    )
    addresses = Addresses(
        home=str(home.parent),
        database_url=empty_url,
        dagster_url=dagster_url,
        bootstrap_servers=kafka,
        broker="Kafka",
        dagster_home=str(home),
        webserver_url="",
        api_url="",
        code_server_host="127.0.0.1",
        code_server_port=4000,
    )
    before = dict(os.environ)
    try:
        for _ in range(2):
            prepare(settings, addresses)
        assert os.environ["DAGSTER_HOME"] == str(home)
        with DagsterInstance.get() as instance:
            assert instance.get_runs() == []  # its tables are there
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
    assert migrations.current(empty_url) == migrations.head()
    assert topic in topics(kafka)
    # The topics of another cluster are its own affair.
    assert f"elsewhere-{os.getpid()}" not in topics(kafka)


def test_the_command_of_containers_takes_its_servers_from_the_environment(
    empty_url: str, dagster_url: str, kafka: str, home: Path
) -> None:
    topic = f"command-{os.getpid()}"
    url = sa.make_url(empty_url)
    reader = url.set(username=f"reader_{os.getpid()}", password="of-the-test")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BROKER_")} | {
        "BROKER_HOME": str(home.parent),
        "BROKER_DATABASE__URL": empty_url,
        "BROKER_DATABASE__DAGSTER_URL": dagster_url,
        "BROKER_DATABASE__READER_URL": reader.render_as_string(hide_password=False),
        "BROKER_KAFKA__BOOTSTRAP_SERVERS": kafka,
        "BROKER_STREAMS": f'[{{"topic": "{topic}", "survey": "rubin", "framing": "confluent"}}]',
        "DAGSTER_HOME": str(home),
    }
    command = [sys.executable, "-m", "broker_assets.local.prepare"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert migrations.check(empty_url) == []
    assert topic in topics(kafka)
    with psycopg.connect(
        url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
    ) as connection:
        rows = connection.execute(
            "SELECT has_table_privilege(rolname, 'objects', 'SELECT'),"
            " has_table_privilege(rolname, 'objects', 'INSERT') FROM pg_roles WHERE rolname = %s",
            (reader.username,),
        ).fetchall()
        assert rows == [(True, False)]
        connection.execute(f"DROP OWNED BY {reader.username}")
        connection.execute(f"DROP ROLE {reader.username}")
    del environment["BROKER_DATABASE__URL"]
    lost = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert lost.returncode != 0
    assert "BROKER_DATABASE__URL" in lost.stderr
