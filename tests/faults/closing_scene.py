"""A night of a million alerts, from the topic to a restored installation that continues the stream.

Simulated packets without cutouts, of 30 points each, go through three drain runs on one topic, one of which is killed
at random. The night lands in the database, as partitions of Iceberg and in a HATS catalogue; Kafka and the archive are
pruned on the way. Months leave the database, and the API gives the same light curves as before. The server is lost
while the next night arrives; its backup is restored into an empty folder, where the stream continues and the next night
changes the catalogue.

    make night ALERTS=1000000
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import psutil
import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "peers"))

from closing_steps import Disk, Stream, empty
from played_scene import Scene, make_factory, size, write_schema

from broker_assets.database import migrations
from broker_assets.local.kafka import apache_kafka
from broker_assets.local.postgres import EmbeddedPostgres


def report(scene: Scene, disk: Disk, seconds: float, options: argparse.Namespace) -> str:
    """As Markdown."""
    memory = psutil.virtual_memory().total / 2**30
    lines = [
        f"### {time.strftime('%Y-%m-%d')}, {options.alerts:,} alerts",
        f"`python tests/faults/closing_scene.py --alerts {options.alerts} --seed {scene.seed}`, {os.cpu_count()} cores,"
        f" {memory:,.0f} GB of memory, load {os.getloadavg()[2]:,.1f} in the last quarter of an hour. **Passed** in"
        f" {seconds / 60:,.1f} minutes.",
        "",
        "| step | what |",
        "|---|---|",
        *(f"| {what} | {said} |" for what, said in scene.rows),
        *(f"| peak on the disk, {name} | {size(number)} |" for name, number in disk.peaks.items()),
    ]
    return "\n".join(lines) + "\n"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--alerts", type=int, default=1_000_000)
    parser.add_argument("--samples", type=int, default=1000, help="objects whose light curves are compared")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats the choices")
    parser.add_argument("--folder", type=Path, help="for everything; default: a temporary one; removed at the end")
    parser.add_argument("--report", type=Path, default=Path("build/night.md"))
    return parser.parse_args()


def main() -> None:
    """Play, and write the report."""
    options = arguments()
    folder = empty(options.folder or Path(tempfile.mkdtemp(prefix="broker-night-")))
    begin = time.perf_counter()
    factory = make_factory()
    kafka = apache_kafka(folder / "kafka")
    parts = {name: folder / name for name in ("postgres", "kafka", "archive", "cold", "hats", "backups", "restored")}
    kafka.start()
    try:
        with Disk(parts) as disk:
            with EmbeddedPostgres(folder / "postgres") as first:
                with psycopg.connect(first.dsn("postgres"), autocommit=True) as connection:
                    connection.execute("CREATE DATABASE night")
                migrations.upgrade(first.url("night"))
                schemas = write_schema(folder / "schemas", factory)
                stream = Stream(first, kafka, folder, schemas, "night", "night")
                scene = Scene(stream, factory, options.alerts, options.seed, options.samples)
                backup = scene.play()
            shutil.rmtree(folder / "postgres")
            scene.restored(backup, folder / "restored")
            with EmbeddedPostgres(folder / "restored") as second:
                scene.go_on(second)
    finally:
        kafka.stop()
        shutil.rmtree(folder, ignore_errors=True)
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(report(scene, disk, time.perf_counter() - begin, options))
    print(f"\n{options.report}")


if __name__ == "__main__":
    main()
