"""A run that fetches one input of telemetry from its source; a sensor starts it when the source has something new.

The sensor `telemetry_inputs` observes and compares the files as if somebody had put them there by hand. A run that
fails has changed nothing and raises an alert.
"""

from collections.abc import Iterator

from dagster import (
    MAX_RUNTIME_SECONDS_TAG,
    Config,
    Failure,
    JobDefinition,
    OpExecutionContext,
    ResourceParam,
    in_process_executor,
    job,
    op,
)
from pydantic import Field

from broker_assets.database.turns import turn_is_free
from broker_assets.resources.database import Database
from broker_assets.resources.telemetry import Telemetry

FETCH_JOB = "fetch_inputs"
FETCH_OP = "fetch_input"
LONGEST = 6 * 3600
LOCK = "broker-assets fetch "
"""With the name of a source appended, the name of the lock of a fetch: two fetches would write the same files."""


class FetchConfig(Config):
    """Selects the source that is fetched."""

    source: str = Field(description="name of the source: that of its input, numbered where there are several")


def build_fetch_inputs() -> JobDefinition:
    """Build the job."""

    @op(name=FETCH_OP, out={})
    def fetch_input(
        context: OpExecutionContext,
        config: FetchConfig,
        database: ResourceParam[Database],
        telemetry: ResourceParam[Telemetry],
    ) -> Iterator[None]:
        source = telemetry.source(config.source)
        with database.transaction() as connection:
            if not turn_is_free(connection, LOCK + source.name):
                context.log.info(f"another run is already fetching {source.name}")
                return
            try:
                done = source.fetch()
            except OSError as error:
                raise Failure(
                    f"{source.name} was not fetched, and the earlier version stays in use: {error}",
                    {"source": source.name, "error": str(error)},
                ) from error
        shown = ", ".join(done.new[:20]) + (" …" if len(done.new) > 20 else "")
        context.log.info(
            f"{source.name} is at {done.version}: {len(done.new)} files are new, {len(done.removed)} were removed"
            + (f" ({shown})" if shown else "")
        )
        yield from ()

    @job(
        name=FETCH_JOB,
        executor_def=in_process_executor,
        description="Fetches an input of telemetry from its source: kernels, plans, configuration, table of requests.",
        tags={MAX_RUNTIME_SECONDS_TAG: str(LONGEST)},
    )
    def fetch_inputs() -> None:
        fetch_input()

    return fetch_inputs
