"""Run test files of DESC's TOM, as they are, against this platform: `python run_original_tests.py --help`.

The tests name machines and folders of their containers (`http://tom:8080`, `/tests`). Here they are run from a copy in
which these names are replaced by those of a platform that is started for them: a database with the accounts of the
tests, a web server, and Kafka if a file mentions it. Nothing else in them is changed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import requests

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[2]
KAFKA = "kafka-server:9092"
SITE = "http://tom:8080"
PASSWORD = "fragile"


def adapted(text: str, names: Mapping[str, str]) -> str:
    """A file with other names: of servers as they are written, of folders only where a path begins.

    Examples
    --------
    >>> adapted('get("http://tom:8080"); open("/tests/a"); x = "/other/tests/a", "/tests_of"',
    ...         {"http://tom:8080": "http://127.0.0.1:1", "/tests": "/tmp/t"})
    'get("http://127.0.0.1:1"); open("/tmp/t/a"); x = "/other/tests/a", "/tests_of"'
    """
    for name, replacement in names.items():
        pattern = rf"(?<![\w./-]){re.escape(name)}(?![\w-])" if name.startswith("/") else re.escape(name)
        text = re.sub(pattern, lambda _, new=replacement: new, text)  # type: ignore[misc]
    return text


def copied(files: Path, folder: Path, names: Mapping[str, str]) -> Path:
    """A copy of a folder of tests, with other names in its programs."""
    shutil.copytree(files, folder, ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copyfile)
    for path in folder.rglob("*.py"):
        path.write_text(adapted(path.read_text(), names))
    return folder


@contextlib.contextmanager
def served(environment: Mapping[str, str], log: Path) -> Iterator[str]:
    """The web server as a process of its own, on a free port of loopback; gives its address."""
    from broker_assets.local.platform import commands
    from broker_assets.local.processes import free_ports

    (port,) = free_ports(1)
    made = commands(host="127.0.0.1", dagster_port=0, api_port=port, code_port=0, workspace="")["api"]
    command = [str(Path(sys.executable).with_name(made[0])), *made[1:]]
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as stream, subprocess.Popen(command, env=environment, stdout=stream, stderr=stream) as server:
        try:
            deadline = time.monotonic() + 120
            while True:
                try:
                    requests.get(f"{url}/accounts/login/", timeout=5).raise_for_status()
                    break
                except OSError:
                    if server.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError(f"the web server does not answer; see {log}") from None
                    time.sleep(0.2)
            yield url
        finally:
            server.terminate()
            server.wait(30)


@contextlib.contextmanager
def prepared_database(url: str) -> Iterator[dict[str, str]]:
    """The schema, the accounts and the role of the tests; gives the variables by which everybody finds it."""
    from database_proxy import DatabaseProxy
    from manage import create_test_users
    from sqlalchemy.engine import make_url

    from broker_assets.database import engine, migrations

    migrations.upgrade(url)
    os.environ["BROKER_DATABASE__URL"] = url
    create_test_users()
    with engine.connect(url, autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_roles WHERE rolname = 'postgres_ro'").fetchone() is None:
            connection.execute("CREATE ROLE postgres_ro LOGIN PASSWORD 'fragile' IN ROLE pg_read_all_data")
    # The tests connect to the machine `postgres`: libpq takes its address and port from the environment, and then uses
    # them for whatever host is named. The platform therefore connects in the same way.
    with DatabaseProxy(url) as proxy:
        through = make_url(proxy.url)
        address, port = str(through.host), str(through.port)
        yield {"BROKER_DATABASE__URL": proxy.url, "PGHOSTADDR": address, "PGPORT": port, "PGPASSWORD": PASSWORD}


def main() -> int:
    """Start the services, run pytest over the copy, and give its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=Path, default=HERE, help="folder with the test files")
    parser.add_argument("--data", type=Path, help="folder with the simulations, /elasticc2data in the tests")
    parser.add_argument("--database", help="SQLAlchemy URL of an empty database; one is started otherwise")
    parser.add_argument("--kafka", help="host:port of Kafka; one is started otherwise if a test speaks of it")
    options, arguments = parser.parse_known_args()
    sys.path[:0] = [str(PROJECT), str(HERE), str(HERE.parent)]
    from broker_assets.local.kafka import Tansu, apache_kafka
    from broker_assets.local.postgres import EmbeddedPostgres
    from broker_assets.local.processes import LocalPlatformError

    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tom-tests-")))
        folder.chmod(0o711)
        url = options.database
        if url is None:
            server = stack.enter_context(EmbeddedPostgres(folder / "postgres"))
            url = server.url("tom_desc")
            import psycopg

            with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
                connection.execute("CREATE DATABASE tom_desc")
        variables = stack.enter_context(prepared_database(url))
        kafka = options.kafka
        if kafka is None and any(KAFKA in path.read_text() for path in options.files.glob("*.py")
                                 if path.resolve() != Path(__file__).resolve()):  # fmt: skip
            try:
                broker = apache_kafka(folder / "kafka")
            except LocalPlatformError:
                broker = Tansu(folder / "kafka")
            broker.start()
            stack.callback(broker.stop)
            kafka = broker.bootstrap_servers
        home = folder / "home"
        home.mkdir()
        environment = {
            **os.environ, **variables,
            "BROKER_HOME": str(home), "BROKER_KAFKA__BOOTSTRAP_SERVERS": kafka or "127.0.0.1:1",
            "BROKER_TOM__MAGNITUDE_ZERO_POINT": "27", "DJANGO_SETTINGS_MODULE": "tom_desc.settings",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(PROJECT), str(HERE)]),
        }  # fmt: skip
        site = stack.enter_context(served(environment, folder / "server.log"))
        results = home / "archive" / "query_results"
        results.mkdir(parents=True, exist_ok=True)
        names = {
            SITE: site, KAFKA: kafka or KAFKA, "/tom_desc": str(HERE), "/tests": str(folder / "tests"),
            "/query_results": str(results), "/elasticc2data": str(options.data or "/elasticc2data"),
        }  # fmt: skip
        copy = copied(options.files, folder / "tests", names)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
        return subprocess.run(command, cwd=copy, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
