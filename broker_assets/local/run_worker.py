"""The process of one Dagster run on a single machine: Dagster's own command, ended when the platform has ended.

A run worker outlives the daemon that started it, so that a killed daemon does not affect runs. It must not outlive the
platform itself, whose supervisor is not its parent: a thread checks once a second whether the supervisor named in
`BROKER_SUPERVISOR` (`pid:created`) is still alive.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

from broker_assets.monitoring.state_file import ProcessIdentity

GRACE_SECONDS = 20.0
"""Time for an interrupted run to report its end before the process is terminated."""


def follow(supervisor: ProcessIdentity, *, poll_seconds: float = 1.0, grace_seconds: float = GRACE_SECONDS) -> None:
    """Wait until the supervisor has ended; then interrupt this process, and terminate it if that does not suffice."""
    while supervisor.process() is not None:
        time.sleep(poll_seconds)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_seconds)
    os._exit(1)


def supervisor_of(environment: dict[str, str]) -> ProcessIdentity | None:
    """The supervisor named in an environment, or None outside the one-machine platform.

    Examples
    --------
    >>> supervisor_of({"BROKER_SUPERVISOR": "12:1700000000.5"})
    ProcessIdentity(pid=12, created=1700000000.5)
    """
    pid, _, created = environment.get("BROKER_SUPERVISOR", "").partition(":")
    return ProcessIdentity(int(pid), float(created)) if pid and created else None


def main() -> None:
    """Run `dagster` with the arguments of this process."""
    supervisor = supervisor_of(dict(os.environ))
    if supervisor is not None:
        threading.Thread(target=follow, args=(supervisor,), name="follow-supervisor", daemon=True).start()
    sys.argv[0] = "dagster"
    runpy.run_module("dagster", run_name="__main__")


if __name__ == "__main__":
    main()
