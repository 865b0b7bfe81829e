"""From Kafka to committed rows in two checkouts of this repository: CPU seconds per alert, old commit and new.

    git worktree add /tmp/before COMMIT
    python benchmarks/versus.py --before /tmp/before --rounds 5

`make bench-compare BASE=COMMIT` does this with a checkout of its own (`benchmarks/compare.py`).

One PostgreSQL, with a database for each checkout, and one Apache Kafka, whose topic both read. Each round produces the
packets of the next visit of different objects, whose year of history is stored, and each checkout drains them with its
own `benchmarks/end_to_end.py --drain-child`, one after the other, alternating which is first. The start-up time of a
run, measured on the empty topic, is subtracted. Without `--before` nothing is compared or measured. The exit code is 1
if the median grew by more than the bound and by more than the rounds of one commit differ.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg
from _judgement import BOUND, Judgement, judge
from _rubin_packets import PacketFactory
from confluent_kafka.admin import AdminClient, NewTopic
from end_to_end import TOPIC, CpuMeter, produce

from broker_assets.local.kafka import apache_kafka
from broker_assets.local.postgres import EmbeddedPostgres

HERE = Path(__file__).resolve().parent.parent
PARTITIONS = 4
MIGRATE = "import sys; from broker_assets.database import migrations; migrations.upgrade(sys.argv[1])"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="a checkout of the commit to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bound", type=float, default=BOUND, help="a median that grew by more is too slow")
    parser.add_argument("--alerts", type=int, default=6000, help="in each round")
    parser.add_argument("--history", type=int, default=100, help="earlier sources in a packet")
    parser.add_argument("--forced", type=int, default=365, help="forced points in a packet")
    parser.add_argument("--new-forced", type=int, default=3, help="of these, newer than what is stored")
    return parser.parse_args()


class Checkout:
    """One of the two, with its database."""

    def __init__(self, name: str, tree: Path, folder: Path, server: EmbeddedPostgres, servers: str) -> None:
        self.name, self.tree, self.server = name, tree.resolve(), server
        self._environment = os.environ | {"PYTHONPATH": str(self.tree)}
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        self._run("-c", MIGRATE, server.url(name))
        self.arguments = {
            "servers": servers,
            "database_url": server.url(name),
            "archive_url": (folder / name / "archive").as_uri(),
            "schemas": str(folder / "schemas"),
            "sky": str(folder / name / "sky"),  # which older commits ask for
            "folder": str(folder / name),
            "fits": None,
            "classify": False,
            "bounds": {
                "batch_max": 4000, "batch_bytes": 96 << 20, "idle_seconds": 1.0, "budget_seconds": 3600.0,
            },
        }  # fmt: skip

    def _run(self, *arguments: str) -> str:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.tree,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
            text=True,
        ).stdout

    def settle(self) -> None:
        """Vacuum the tables, so that the rounds find them alike."""
        with psycopg.connect(self.server.dsn(self.name), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")

    def drain(self) -> dict[str, float]:
        """Drain the topic; processor seconds of the run and of PostgreSQL, and how many alerts it stored."""
        assert self.server.pid is not None
        with CpuMeter({"PostgreSQL": self.server.pid}) as meter:
            output = self._run("benchmarks/end_to_end.py", "--drain-child", json.dumps(self.arguments))
        result: dict[str, Any] = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
        return {"drain": result["cpu"], **meter.seconds(), "stored": result["stored"]}


def measure(arguments: argparse.Namespace, folder: Path) -> Judgement:
    """All rounds; prints the table."""
    factory = PacketFactory(arguments.history, arguments.forced, arguments.new_forced)
    (folder / "schemas").mkdir()
    (folder / "schemas" / f"{factory.schema_id}.avsc").write_text(json.dumps(factory.schema))
    broker = apache_kafka(folder / "kafka")
    # Vacuum and checkpoints happen at arbitrary times: they would affect one checkout or the other.
    configuration = {
        "wal_level": "minimal", "max_wal_senders": "0", "autovacuum": "off", "checkpoint_timeout": "1d",
        "max_wal_size": "32GB",
    }  # fmt: skip
    with EmbeddedPostgres(folder / "postgres", configuration=configuration) as server:
        broker.start()
        try:
            servers = broker.bootstrap_servers
            admin = AdminClient({"bootstrap.servers": servers})
            topic = NewTopic(TOPIC, num_partitions=PARTITIONS, replication_factor=1)
            next(iter(admin.create_topics([topic]).values())).result(30)
            trees = [("before", arguments.before), ("now", HERE)]
            checkouts = [Checkout(name, tree, folder, server, servers) for name, tree in trees]
            starting = {}
            for checkout in checkouts:
                checkout.drain()  # compiles
                starting[checkout.name] = checkout.drain()["drain"]
                print(f"{checkout.name}: a run starts with {starting[checkout.name]:.2f} s", flush=True)
            produce(servers, factory, range(arguments.alerts * arguments.rounds), 0, PARTITIONS)
            for checkout in checkouts:
                checkout.drain()
                checkout.settle()
            spent: dict[str, list[tuple[float, float]]] = {name: [] for name, _ in trees}
            print(f"{'round':>5}  {'':8}{'drain':>8}{'PostgreSQL':>12}{'together':>10}  µs per alert", flush=True)
            for turn in range(arguments.rounds):
                objects = range(turn * arguments.alerts, (turn + 1) * arguments.alerts)
                produce(servers, factory, objects, 1, PARTITIONS)
                for checkout in checkouts if turn % 2 == 0 else checkouts[::-1]:
                    found = checkout.drain()
                    checkout.settle()
                    if found["stored"] != arguments.alerts:
                        raise SystemExit(f"{checkout.name} stored {found['stored']} of {arguments.alerts} alerts")
                    drain = (found["drain"] - starting[checkout.name]) / arguments.alerts * 1e6
                    database = found["PostgreSQL"] / arguments.alerts * 1e6
                    spent[checkout.name].append((drain, database))
                    print(
                        f"{turn:>5}  {checkout.name:8}{drain:>8.0f}{database:>12.0f}{drain + database:>10.0f}",
                        flush=True,
                    )
            together = {name: [sum(pair) for pair in pairs] for name, pairs in spent.items()}
            for name, values in together.items():
                print(f"{name:8} median {statistics.median(values):.0f}, {min(values):.0f} to {max(values):.0f}")
            return judge("stream: µs per alert", together["before"], together["now"], arguments.bound)
        finally:
            broker.stop()


def main() -> None:
    """Run the comparison."""
    arguments = parse()
    if arguments.before is None:
        print("nothing to compare with: --before CHECKOUT")
        return
    folder = Path(tempfile.mkdtemp(prefix="versus-"))
    try:
        judgement = measure(arguments, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(judgement)
    if judgement.slower:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
