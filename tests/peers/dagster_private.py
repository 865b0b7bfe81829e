"""Private names of Dagster that tests use but the package does not; see `broker_assets.dagster_internals`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dagster import DagsterInstance
from dagster._config import validate_config
from dagster._core.code_pointer import FileCodePointer
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.definitions.reconstruct import ReconstructableJob
from dagster._core.instance.config import dagster_instance_config_schema
from dagster._core.loader import LoadingContextForTest
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import TickData, TickStatus
from dagster._core.test_utils import create_run_for_test
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

__all__ = [
    "CachingStaleStatusResolver",
    "FileCodePointer",
    "FreshnessState",
    "FreshnessStateChange",
    "JobPythonOrigin",
    "LoadingContextForTest",
    "QueuedRunCoordinatorDaemon",
    "RegisteredCodeLocationOrigin",
    "RemoteJobOrigin",
    "RemoteRepositoryOrigin",
    "RepositoryPythonOrigin",
    "TickData",
    "TickStatus",
    "create_run_for_test",
    "dagster_instance_config_schema",
    "instance_in_files",
    "job_of_file",
    "validate_config",
]


def job_of_file(path: Path, name: str) -> JobPythonOrigin:
    """Where other processes find a job: the name of a function in a file."""
    return ReconstructableJob.for_file(str(path), name).get_python_origin()


def instance_in_files(folder: Path) -> DagsterInstance:
    """Keep an instance in files, and the events of all runs in one: else each run makes a database of its own."""
    events: dict[str, Any] = {
        "module": "dagster._core.storage.event_log",
        "class": "ConsolidatedSqliteEventLogStorage",
        "config": {"base_dir": str(folder)},
    }
    return DagsterInstance.local_temp(str(folder), overrides={"event_log_storage": events})
