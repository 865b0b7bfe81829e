"""A run of the publisher in a process that can be killed: database URL, archive, target URL and options as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from broker_assets.database.engine import connect
from broker_assets.publication.run import publish
from broker_assets.publication.selection import Rules, files_below
from broker_assets.publication.targets import Target

if __name__ == "__main__":
    database, archive, url, options = sys.argv[1:]
    with connect(database) as connection, Target("soar", url, json.loads(options)) as target:
        print("begun", flush=True)
        report = publish(connection, files_below(Path(archive)), target, Rules())
        print(report.model_dump_json(), flush=True)
