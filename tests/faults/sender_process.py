"""Sends due messages until it is killed; started by the tests.

Usage: sender_process.py DATABASE_URL BOOTSTRAP_SERVERS
"""

from __future__ import annotations

import sys
import time

from delivery_peers import PlainContents, settings

from broker_assets.delivery.sender import Sender
from broker_assets.settings.stream import ClusterSettings


def main(database_url: str, bootstrap_servers: str) -> None:
    """Send until killed."""
    cluster = ClusterSettings(bootstrap_servers=bootstrap_servers)
    sender = Sender(
        database_url,
        settings(confirm_seconds=1.0, attempts=1000),
        cluster,
        PlainContents(),
        pages_url="http://b.example",
    )
    print("ready", flush=True)
    while True:
        sender.send_due()
        time.sleep(0.02)


if __name__ == "__main__":
    main(*sys.argv[1:])
