"""Private names of Dagster: all are in one place, and each still means what we assume.

When a test here fails after an upgrade of Dagster, examine the code that uses the name before changing the test.
"""

from __future__ import annotations

import ast
import gc
import importlib
import inspect
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from dagster import (
    AssetCheckResult,
    AssetKey,
    DagsterEventType,
    DagsterInstance,
    Definitions,
    asset,
    asset_check,
    define_asset_job,
    materialize,
)
from dagster_leftovers import MODULE, StorageOfLivingInstance, forget_ended_instances

from broker_assets import dagster_internals
from broker_assets.dagster_internals import (
    CHECK_FAILED_ERROR,
    PRIORITY_TAG,
    AssetCheckEvaluationTargetMaterializationData,
    AssetCheckExecutionsTable,
    BulkActionsFilter,
    BulkActionStatus,
    CheckRunHealthResult,
    ConfigurableClass,
    ConfigurableClassData,
    DagsterGrpcClient,
    DagsterUserCodeUnreachableError,
    ExecuteRunArgs,
    InstigatorStatus,
    InstigatorType,
    LaunchRunContext,
    PartitionBackfill,
    QueuedRunCoordinator,
    RunLauncher,
    SensorExecutionData,
    SqlEventLogStorage,
    SqlEventLogStorageTable,
    SubmitRunContext,
    UnresolvedAssetJobDefinition,
    WorkerStatus,
    WorkspaceFileTarget,
    WorkspaceProcessContext,
    capture_interrupts,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
    grpc_server,
    pop_captured_interrupt,
)
from broker_assets.local.loaded_code import OPENS_DEFINITIONS
from broker_assets.local.processes import free_ports

ROOT = Path(__file__).parents[1]
ALLOWED = {
    ROOT / "broker_assets" / "dagster_internals.py",
    ROOT / "tests" / "peers" / "dagster_private.py",
    ROOT / "tests" / "peers" / "dagster_leftovers.py",
}

TESTED = {
    "AssetCheckEvaluationTargetMaterializationData",
    "AssetCheckExecutionsTable",
    "BulkActionStatus",
    "BulkActionsFilter",
    "CHECK_FAILED_ERROR",
    "CODE_VERSION_TAG",
    "COMMAND_LINE",
    "CheckRunHealthResult",
    "ConfigurableClass",
    "ConfigurableClassData",
    "DATA_VERSION_TAG",
    "DagsterGrpcClient",
    "DagsterUserCodeUnreachableError",
    "ExecuteRunArgs",
    "InstigatorStatus",
    "InstigatorType",
    "LaunchRunContext",
    "NULL_DATA_VERSION",
    "NULL_EVENT_POINTER",
    "PRIORITY_TAG",
    "PartitionBackfill",
    "QueuedRunCoordinator",
    "RunLauncher",
    "SensorExecutionData",
    "SqlEventLogStorage",
    "SqlEventLogStorageTable",
    "SubmitRunContext",
    "UnresolvedAssetJobDefinition",
    "WILL_RETRY_TAG",
    "WorkerStatus",
    "WorkspaceFileTarget",
    "WorkspaceProcessContext",
    "capture_interrupts",
    "get_input_data_version_tag",
    "get_input_event_pointer_tag",
    "grpc_server",
    "pop_captured_interrupt",
}
"""Names that a test below compares with what we rely on."""


def private_names(path: Path) -> Iterator[str]:
    """Where a module imports a private name of Dagster, or has the path of one in a string."""
    for node in ast.walk(ast.parse(path.read_text())):
        found = []
        if isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            found = [f"{node.module}.{name.name}" for name in node.names]
        elif isinstance(node, ast.Import):
            found = [name.name for name in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = [node.value.split()[0]] if node.value.startswith("dagster") else []
        elif (
            isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("dagster", "dg")
        ):
            found = [f"dagster.{node.attr}"]
        for name in found:
            line = getattr(node, "lineno", 0)
            parts = name.split(".")
            if parts[0] == "dagster" and any(part.startswith("_") for part in parts[1:]):
                yield f"{path.relative_to(ROOT)}:{line}: {name}"


def test_no_other_module_uses_private_names() -> None:
    modules = [path for folder in ("broker_assets", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    assert len(modules) > 300
    assert [use for path in modules if path not in ALLOWED for use in private_names(path)] == []


def test_private_names_are_found_however_they_are_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    module = tmp_path / "module.py"
    uses = [
        "from dagster._core.launcher import RunLauncher",
        "from dagster import _check",
        "import dagster._grpc",
        "import dagster as dg; dg._check.not_none(1)",
        "name = 'dagster._core.errors.DagsterError'",
    ]
    for use in uses:
        module.write_text(use)
        assert list(private_names(module)), use
    module.write_text("from dagster import asset\nname = 'dagster/data_version'\nimport dagster\ndagster.asset\n")
    assert list(private_names(module)) == []


def test_every_name_is_tested() -> None:
    assert set(dagster_internals.__all__) == TESTED
    assert len(dagster_internals.__all__) == len(TESTED)
    assert all(hasattr(dagster_internals, name) for name in TESTED)


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_command_line_has_the_entry_that_runs_use() -> None:
    assert callable(importlib.import_module(dagster_internals.COMMAND_LINE).main)


def test_code_server_opens_the_process_with_the_definitions_by_one_function() -> None:
    """`local.loaded_code.fork_definitions` puts another in its place."""
    assert "open_ipc_subprocess(subprocess_args, cwd=cwd, env=env)" in inspect.getsource(
        grpc_server.open_server_process
    )
    assert callable(getattr(grpc_server, OPENS_DEFINITIONS))


def test_tags_are_those_of_events_that_are_stored() -> None:
    """These values are in databases: they must not change with the name."""
    assert dagster_internals.DATA_VERSION_TAG == "dagster/data_version"
    assert dagster_internals.CODE_VERSION_TAG == "dagster/code_version"
    assert dagster_internals.NULL_DATA_VERSION.value == "NULL"
    assert dagster_internals.NULL_EVENT_POINTER == "NULL"
    assert dagster_internals.WILL_RETRY_TAG == "dagster/will_retry"
    key = AssetKey(["a", "b"])
    assert get_input_data_version_tag(key) == "dagster/input_data_version/a/b"
    assert get_input_event_pointer_tag(key) == "dagster/input_event_pointer/a/b"


def test_launcher_is_the_interface_that_ours_implements() -> None:
    assert RunLauncher.__abstractmethods__ == {"launch_run", "terminate"}
    assert parameters(RunLauncher.launch_run) == ["self", "context"]
    assert parameters(RunLauncher.terminate) == ["self", "run_id"]
    assert parameters(RunLauncher.join) == ["self", "timeout"]
    assert parameters(RunLauncher.dispose) == ["self"]
    assert parameters(RunLauncher.check_run_worker_health) == ["self", "run"]
    assert parameters(RunLauncher.get_run_worker_debug_info) == ["self", "run", "include_container_logs"]
    assert isinstance(RunLauncher.supports_check_run_worker_health, property)
    assert isinstance(RunLauncher._instance, property)
    assert LaunchRunContext._fields[0] == "dagster_run"
    assert parameters(CheckRunHealthResult) == ["status", "msg", "transient", "run_worker_id"]
    assert {"RUNNING", "FAILED"} <= set(WorkerStatus.__members__)


def test_configurable_class_is_the_interface_that_our_launcher_implements() -> None:
    assert ConfigurableClass.__abstractmethods__ == {"config_type", "inst_data", "from_config_value"}
    assert parameters(ConfigurableClass.from_config_value) == ["inst_data", "config_value"]
    assert parameters(ConfigurableClass.config_type) == []
    assert parameters(ConfigurableClassData)[:2] == ["module_name", "class_name"]


def test_arguments_of_a_run_worker() -> None:
    expected = ["job_origin", "run_id", "instance_ref", "set_exit_code_on_failure"]
    assert parameters(ExecuteRunArgs) == expected


def test_code_locations_of_a_webserver() -> None:
    assert list(WorkspaceFileTarget(paths=["workspace.yaml"]).paths) == ["workspace.yaml"]
    assert parameters(WorkspaceProcessContext)[:4] == ["instance", "workspace_load_target", "version", "read_only"]
    assert parameters(DagsterInstance.optimize_for_webserver)[1:3] == ["statement_timeout", "pool_recycle"]


def test_job_of_assets_is_unresolved() -> None:
    assert type(define_asset_job("some")) is UnresolvedAssetJobDefinition
    assert UnresolvedAssetJobDefinition.name is not None


def test_target_of_a_check_evaluation() -> None:
    target = AssetCheckEvaluationTargetMaterializationData(storage_id=1, run_id="run", timestamp=2.0)
    assert (target.storage_id, target.run_id, target.timestamp) == (1, "run", 2.0)


def test_failed_backfills_and_what_they_lack() -> None:
    assert {"FAILED", "COMPLETED_FAILED"} <= set(BulkActionStatus.__members__)
    assert {"statuses", "created_after"} <= set(BulkActionsFilter.__annotations__)
    fields = {"backfill_id", "title", "error", "asset_selection", "asset_backfill_data", "backfill_timestamp"}
    assert fields <= set(PartitionBackfill._fields)


def test_event_log_has_the_columns_that_are_pruned_by() -> None:
    events = {"id", "run_id", "dagster_event_type", "timestamp", "asset_key", "partition"}
    assert events <= set(SqlEventLogStorageTable.c.keys())
    executions = {"id", "asset_key", "check_name", "partition", "create_timestamp"}
    assert executions <= set(AssetCheckExecutionsTable.c.keys())
    assert parameters(SqlEventLogStorage.index_connection) == ["self"]


def test_state_of_a_sensor() -> None:
    assert {"RUNNING", "STOPPED", "DECLARED_IN_CODE"} <= set(InstigatorStatus.__members__)
    assert "SENSOR" in InstigatorType.__members__
    assert parameters(DagsterInstance.all_instigator_state)[3] == "instigator_type"


def test_interrupts_are_captured_and_popped_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with capture_interrupts():
        assert not pop_captured_interrupt()
        os.kill(os.getpid(), signal.SIGINT)
        assert pop_captured_interrupt()
        assert not pop_captured_interrupt()
    assert signal.getsignal(signal.SIGINT) is before


def test_code_server_that_is_not_there_is_unreachable() -> None:
    assert parameters(DagsterGrpcClient)[:3] == ["port", "socket", "host"]
    client = DagsterGrpcClient(host="127.0.0.1", port=free_ports(1)[0])
    with pytest.raises(DagsterUserCodeUnreachableError):
        client.ping("")


def test_error_of_a_run_that_a_blocking_check_fails() -> None:
    @asset
    def thing() -> None:
        pass

    @asset_check(asset=thing, blocking=True)
    def never() -> AssetCheckResult:
        return AssetCheckResult(passed=False)

    with DagsterInstance.ephemeral() as instance:
        result = materialize([thing, never], instance=instance, raise_on_error=False)  # type: ignore[list-item]
        assert not result.success
        [record] = instance.get_records_for_run(result.run_id, of_type=DagsterEventType.STEP_FAILURE).records
        event = record.event_log_entry.dagster_event
        assert event is not None
        assert event.step_failure_data.error is not None
        assert event.step_failure_data.error.message.startswith(CHECK_FAILED_ERROR)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("fetch_materializations", ["records_filter", "limit", "cursor", "ascending"]),
        ("fetch_run_status_changes", ["records_filter", "limit", "cursor", "ascending"]),
        ("get_freshness_state_records", ["keys"]),
        ("get_latest_storage_id_by_partition", ["asset_key", "event_type", "partitions"]),
        ("get_records_for_run", ["run_id", "cursor", "of_type", "limit", "ascending"]),
        ("report_run_canceling", ["run", "message"]),
        ("report_run_canceled", ["dagster_run", "message"]),
        ("report_engine_event", None),
        ("get_ref", []),
        ("upgrade", None),
    ],
)
def test_methods_of_the_instance_that_are_not_documented(method: str, expected: list[str] | None) -> None:
    found = parameters(getattr(DagsterInstance, method))[1:]
    assert found if expected is None else found[: len(expected)] == expected


def test_a_run_enters_the_queue_with_its_priority() -> None:
    assert PRIORITY_TAG == "dagster/priority"
    assert list(inspect.signature(QueuedRunCoordinator.submit_run).parameters) == ["self", "context"]
    assert "dagster_run" in SubmitRunContext._fields


def test_a_tick_that_is_left_out_has_a_reason_and_keeps_its_cursor() -> None:
    skipped = SensorExecutionData(skip_message="nothing to do", cursor="here")
    assert (skipped.skip_message, skipped.cursor, skipped.run_requests) == ("nothing to do", "here", None)


def test_contexts_that_end_in_another_order_leave_nothing(tmp_path: Path) -> None:
    forget_ended_instances()
    first, second = ExitStack(), ExitStack()
    for name, stack in (("first", first), ("second", second)):
        (tmp_path / name).mkdir()
        stack.enter_context(DagsterInstance.local_temp(str(tmp_path / name)))
    first.close()
    second.close()
    gc.collect()
    variable = sys.modules[MODULE]._current_storage
    assert isinstance(variable, StorageOfLivingInstance)
    left = variable.variable.get()
    assert left is not None
    assert left._instance_weakref() is None
    assert variable.get() is None
    assert Definitions().get_repository_def().get_all_jobs() == []
