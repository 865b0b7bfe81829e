"""The process of one Dagster run on a single machine: Dagster's own command, which ends with the platform.

It imports the code that is on the disk, which may be newer than what the code server has loaded and Dagster's pages
show. A run whose code versions are not the deployed ones is refused, until the definitions are reloaded.

A run worker outlives the daemon that started it, so that a killed daemon does not affect runs. It must not outlive the
platform itself, whose supervisor is not its parent: a thread checks once a second whether the supervisor named in
`BROKER_SUPERVISOR` (`pid:created`) is still alive.
"""

from __future__ import annotations

import logging
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Mapping

import psycopg

from broker_assets.database.engine import DatabaseUnavailableError, transaction
from broker_assets.monitoring.state_file import ProcessIdentity
from broker_assets.provenance import versions
from broker_assets.settings import load_settings

MAX_RETRIES_TAG = "dagster/max_retries"
SHOWN_ASSETS = 5

_log = logging.getLogger(__name__)

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


def differing_code(code_versions: Mapping[str, str]) -> str | None:
    """A sentence that names assets whose code version here differs from the deployed one; None if there are none.

    Without a database, or if it is unavailable, no run is refused: a run that needs it fails by itself.
    """
    url = load_settings().database.url
    if url is None:
        return None
    try:
        with transaction(url.get_secret_value(), connect_timeout=5.0) as connection:
            differing = versions.not_deployed(connection, code_versions)
    except (DatabaseUnavailableError, psycopg.Error):
        _log.warning("the code version could not be compared with the deployed one", exc_info=True)
        return None
    if not differing:
        return None
    shown = [f"{asset} {own} (deployed: {other or 'none'})" for asset, (own, other) in differing.items()]
    more = f" and {len(shown) - SHOWN_ASSETS} more" if len(shown) > SHOWN_ASSETS else ""
    return (
        f"Refused: the code on the disk is not the code that Dagster shows: {', '.join(shown[:SHOWN_ASSETS])}{more}. "
        "Reload the definitions (Deployment, Code locations, Reload), then start the run again."
    )


def refuse_other_code(serialized: str) -> None:
    """Fail a run whose code is not the deployed one, and end this process.

    Parameters
    ----------
    serialized : str
        The run, in the form of `dagster api execute_run`.
    """
    from dagster import DagsterInstance, Definitions, deserialize_value

    from broker_assets.dagster_internals import ExecuteRunArgs

    arguments = deserialize_value(serialized, ExecuteRunArgs)
    # Loaded here once, for the run as well.
    definitions = arguments.job_origin.repository_origin.code_pointer.load_target()
    if not isinstance(definitions, Definitions):
        return
    graph = definitions.resolve_asset_graph()
    code_versions = {
        key.to_user_string(): version for key in graph.get_all_asset_keys() if (version := graph.get(key).code_version)
    }
    refusal = differing_code(code_versions)
    if refusal is None:
        return
    if arguments.instance_ref is None:
        raise ValueError("the run does not say which Dagster instance it belongs to")
    with DagsterInstance.from_ref(arguments.instance_ref) as instance:
        run = instance.get_run_by_id(arguments.run_id)
        if run is not None and not run.is_finished:
            # Retries would be refused as well.
            instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: "0"})
            instance.report_run_failed(instance.get_run_by_id(run.run_id) or run, refusal)
    sys.exit(refusal)


def main() -> None:
    """Run `dagster` with the arguments of this process."""
    supervisor = supervisor_of(dict(os.environ))
    if supervisor is not None:
        threading.Thread(target=follow, args=(supervisor,), name="follow-supervisor", daemon=True).start()
    refuse_other_code(sys.argv[-1])
    sys.argv[0] = "dagster"
    runpy.run_module("dagster", run_name="__main__")


if __name__ == "__main__":
    main()
