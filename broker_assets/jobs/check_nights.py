"""All checks of some nights in one run, including those that are too slow for drain runs.

This is a job with one op and not a selection of asset checks: Dagster 1.13 cannot run partitioned checks without their
assets, and a run per night would cost more than the checks.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    Config,
    JobDefinition,
    OpExecutionContext,
    ResourceParam,
    in_process_executor,
    job,
    op,
)
from pydantic import Field

from broker_assets.checks.definition import NightCheck, night_evaluations
from broker_assets.partitions import known_nights
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore

CHECK_OP = "judge_nights"
"""Name of the single op of the job."""


class CheckConfig(Config):
    """Selects the nights that are checked."""

    nights: list[str] = Field(description="keys YYYY-MM-DD")


def check_config(nights: Sequence[str]) -> dict[str, Any]:
    """Run configuration of the job."""
    return {"ops": {CHECK_OP: {"config": {"nights": list(nights)}}}}


def build_check_nights(checks: Sequence[NightCheck]) -> JobDefinition:
    """The job that the nightly schedule starts."""

    @op(name=CHECK_OP, out={})
    def judge_nights(
        context: OpExecutionContext,
        config: CheckConfig,
        database: ResourceParam[Database],
        object_store: ResourceParam[ObjectStore],
    ) -> Iterator[AssetCheckEvaluation]:
        known, unknown = known_nights(config.nights)
        if unknown:
            context.log.warning(f"not partitions of Dagster: {', '.join(unknown)}")
        yield from night_evaluations(checks, context.instance, database, object_store, known)

    @job(
        name="check_nights",
        executor_def=in_process_executor,
        description="Runs every check of the alert stream on some nights.",
    )
    def check_nights() -> None:
        judge_nights()

    return check_nights
