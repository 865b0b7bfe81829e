"""Keeps the write-ahead log while a test runs, as the service of the compose file does."""

from __future__ import annotations

import subprocess
from pathlib import Path

from broker_assets.backups.log import make_slot, receive_arguments
from broker_assets.backups.programs import Connection, Programs


def start_receiving(
    programs: Programs, folder: Path, connection: Connection, *, compress: bool, output: Path | None = None
) -> subprocess.Popen[bytes]:
    """Keep the log until the process is ended; it connects again by itself when the server was unavailable."""
    make_slot(programs, folder, connection)
    arguments = receive_arguments(folder, connection, compress=compress)
    return programs.start("pg_receivewal", arguments, environment=connection.environment, output=output)
