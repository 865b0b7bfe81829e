"""Every private name of Dagster that the package uses, and no other module does (`tests/test_dagster_internals.py`).

What Dagster exports, its users may rely on; these names it may move or change in any release. They are collected here
so that an upgrade breaks in one place, where a test compares each with what we rely on. Only re-exports and names
derived from them belong here; what is done with them does not.

Where Dagster exports an equivalent, that is used instead and the name leaves this module.
"""

from __future__ import annotations

from typing import Final

from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_TAG,
    NULL_DATA_VERSION,
    NULL_EVENT_POINTER,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.errors import DagsterAssetCheckFailedError, DagsterUserCodeUnreachableError
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, RunLauncher, WorkerStatus
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._core.scheduler.instigation import InstigatorStatus
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.tags import PRIORITY_TAG, WILL_RETRY_TAG
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._grpc import server as grpc_server
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster._utils.interrupts import capture_interrupts, pop_captured_interrupt

CHECK_FAILED_ERROR: Final = f"{DagsterAssetCheckFailedError.__module__}.{DagsterAssetCheckFailedError.__qualname__}"
"""Beginning of the message of the error that fails a run after a blocking check."""

COMMAND_LINE: Final = "dagster._cli"
"""Module of Dagster's command line, which the process of a run executes."""

__all__ = [
    "CHECK_FAILED_ERROR",
    "CODE_VERSION_TAG",
    "COMMAND_LINE",
    "DATA_VERSION_TAG",
    "NULL_DATA_VERSION",
    "NULL_EVENT_POINTER",
    "PRIORITY_TAG",
    "WILL_RETRY_TAG",
    "AssetCheckEvaluationTargetMaterializationData",
    "AssetCheckExecutionsTable",
    "BulkActionStatus",
    "BulkActionsFilter",
    "CheckRunHealthResult",
    "ConfigurableClass",
    "ConfigurableClassData",
    "DagsterGrpcClient",
    "DagsterUserCodeUnreachableError",
    "ExecuteRunArgs",
    "InstigatorStatus",
    "InstigatorType",
    "LaunchRunContext",
    "PartitionBackfill",
    "QueuedRunCoordinator",
    "RunLauncher",
    "SensorExecutionData",
    "SqlEventLogStorage",
    "SqlEventLogStorageTable",
    "SubmitRunContext",
    "UnresolvedAssetJobDefinition",
    "WorkerStatus",
    "WorkspaceFileTarget",
    "WorkspaceProcessContext",
    "capture_interrupts",
    "get_input_data_version_tag",
    "get_input_event_pointer_tag",
    "grpc_server",
    "pop_captured_interrupt",
]
