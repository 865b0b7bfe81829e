"""Private names of Dagster that tests use and the package does not; see `broker_assets.dagster_internals`."""

from __future__ import annotations

from dagster._config import validate_config
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.instance.config import dagster_instance_config_schema
from dagster._core.loader import LoadingContextForTest

__all__ = [
    "CachingStaleStatusResolver",
    "FreshnessState",
    "FreshnessStateChange",
    "LoadingContextForTest",
    "dagster_instance_config_schema",
    "validate_config",
]
