"""A pool between Dagster and its database, by a real pgbouncer with our configuration; our own database refuses it."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest
import yaml
from compose_schema import COMPOSE_SCHEMA
from dagster import AssetKey, AssetMaterialization, DagsterInstance, DagsterRun, RunsFilter, asset, materialize
from debian_programs import needed_program
from sqlalchemy.engine import make_url

from broker_assets.database.engine import DatabaseUnavailableError, connect
from broker_assets.local.instance import create_instance, write_instance
from broker_assets.local.processes import free_ports

pytestmark = pytest.mark.database
DOCKER = Path(__file__).parents[2] / "docker"
CONFIGURATION = (DOCKER / "pgbouncer" / "pgbouncer.ini").read_text()


@dataclass(frozen=True)
class Pool:
    """The pool, and the database behind it."""

    url: str
    """SQLAlchemy URL (psycopg2) through the pool."""
    direct: str
    """URL of libpq without it."""
    size: int


@pytest.fixture(scope="module")
def pool(
    postgres: Any,
    new_database: Callable[..., AbstractContextManager[str]],
    service_folder: Path,
) -> Iterator[Pool]:
    """Our configuration, with another address, and without passwords as the server of the tests."""
    program = needed_program("pgbouncer")
    (port,) = free_ports(1)
    folder = service_folder / f"pgbouncer-{port}"
    folder.mkdir(mode=0o755)
    with new_database() as name:
        server = make_url(postgres.dsn(name))
        host = server.query.get("host", server.host)
        text = CONFIGURATION
        for old, new in {
            "dagster = host=postgres port=5432 dbname=dagster": f"dagster = host={host} port=5432 dbname={name}",
            "listen_addr = 0.0.0.0": "listen_addr = 127.0.0.1",
            "listen_port = 6432": f"listen_port = {port}",
            "auth_type = scram-sha-256": "auth_type = trust",
            "/tmp/userlist.txt": str(folder / "userlist.txt"),
            "default_pool_size = 20": "default_pool_size = 4",
            "reserve_pool_size = 5": "reserve_pool_size = 0",
        }.items():
            assert old in text
            text = text.replace(old, new)
        (folder / "pgbouncer.ini").write_text(text)
        (folder / "userlist.txt").write_text(f'"{server.username}" ""\n')
        command = [program, str(folder / "pgbouncer.ini")]
        if os.geteuid() == 0:
            # That of the server, whose socket is in a folder of its own.
            command[1:1] = ["--user", pwd.getpwuid(Path(str(host)).stat().st_uid).pw_name]
        process = subprocess.Popen(command, stderr=(folder / "log").open("wb"))
        try:
            url = f"postgresql+psycopg2://{server.username}@127.0.0.1:{port}/dagster"
            deadline = time.monotonic() + 10
            while True:
                try:
                    psycopg.connect(url.replace("+psycopg2", ""), connect_timeout=2).close()
                    break
                except psycopg.OperationalError as error:
                    if time.monotonic() > deadline:
                        pytest.fail(f"{error} {(folder / 'log').read_text()}")
                    time.sleep(0.05)
            yield Pool(url, postgres.dsn(name), 4)
        finally:
            process.terminate()
            process.wait(10)


@asset
def counted() -> int:
    """An asset."""
    return 1


def _work(home: Path, number: int, failures: list[Exception]) -> None:
    """What runs and daemons ask for, each question over a connection of its own."""
    try:
        with DagsterInstance.from_config(str(home)) as instance:
            for step in range(5):
                run = DagsterRun(job_name="asked", run_id=str(uuid.uuid4()), tags={"number": str(number)})
                instance.add_run(run)
                instance.report_engine_event("working", run)
                instance.report_runless_asset_event(AssetMaterialization("counted", metadata={"step": step}))
                instance.get_runs(filters=RunsFilter(tags={"number": str(number)}), limit=5)
    except Exception as error:  # noqa: BLE001 - the test shows it
        failures.append(error)


def test_dagster_works_through_it_with_more_clients_than_connections(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_PG_URL", pool.url)
    home = tmp_path / "dagster"
    write_instance(home)
    create_instance(home)
    failures: list[Exception] = []
    threads = [threading.Thread(target=_work, args=(home, n, failures)) for n in range(3 * pool.size)]
    for thread in threads:
        thread.start()
    most = 0
    with psycopg.connect(pool.direct, autocommit=True) as connection:
        while any(thread.is_alive() for thread in threads):
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND backend_type = 'client backend'"
            ).fetchone()
            most = max(most, row[0] if row else 0)
            time.sleep(0.02)
    assert failures == []
    assert 0 < most <= pool.size
    with DagsterInstance.from_config(str(home)) as instance:
        assert instance.get_runs_count() == 5 * len(threads)
        assert len(instance.fetch_materializations(AssetKey("counted"), limit=100).records) == 5 * len(threads)
        done = materialize([counted], instance=instance)
        assert done.success
        seen: list[Any] = []
        run_id = done.run_id
        # The web server follows a run so; it asks again and again, and does not listen on a connection.
        instance.watch_event_logs(run_id, None, lambda event, cursor: seen.append(event))
        deadline = time.monotonic() + 20
        while not seen:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.parametrize("options", [{}, {"read_only": True}, {"statement_timeout": 5.0}])
def test_connections_of_our_own_are_refused(pool: Pool, options: Any) -> None:
    """What they carry would be lost without a word: reading only, time limits, the schema of the canary."""
    with pytest.raises(DatabaseUnavailableError, match="options"):
        connect(pool.url.replace("psycopg2", "psycopg"), **options)


def test_compose_puts_it_before_dagsters_database_only() -> None:
    override = yaml.safe_load((DOCKER / "compose.pgbouncer.yaml").read_text())
    jsonschema.validate(override, COMPOSE_SCHEMA)
    base = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    services = override["services"]
    pooled = {name for name in services if name != "pgbouncer"}
    asking = {name for name, one in base["services"].items() if "DAGSTER_PG_URL" in one.get("environment", {})}
    assert pooled == asking
    for name in pooled:
        assert set(services[name]["environment"]) == {"DAGSTER_PG_URL", "BROKER_DATABASE__DAGSTER_URL"}
        assert all("@pgbouncer:6432/dagster" in url for url in services[name]["environment"].values())
    port = re.search(r"listen_port = (\d+)", CONFIGURATION)
    assert port is not None
    assert f":{int(port[1]):04X} " in services["pgbouncer"]["healthcheck"]["test"][1]
    server = base["services"]["postgres"]["command"]
    limit = next(int(part.split("=")[1]) for part in server if part.startswith("max_connections="))
    size = sum(int(number) for number in re.findall(r"(?:default|reserve)_pool_size = (\d+)", CONFIGURATION))
    assert size < limit / 4
    assert "options" not in CONFIGURATION[CONFIGURATION.index("ignore_startup_parameters") :]
