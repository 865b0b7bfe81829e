"""A job in which Spark computes the statistics and features of every object from the cold store."""

import importlib.util
import sys

from dagster import Failure, JobDefinition, OpExecutionContext, PipesSubprocessClient, ResourceParam, job, op

from broker_assets.database.engine import connect
from broker_assets.lightcurves.archive_statistics import KINDS
from broker_assets.monitoring.alerts import NEXT_STEP
from broker_assets.resources.database import Database
from broker_assets.resources.spark_statistics import JOB
from broker_assets.settings import FeatureSettings

TABLES = [*KINDS, "objects", "object_features", "context_matches"]
"""Tables of the cold store that the job reads."""
CONFIG = {"target": str, "master": str, "parts": int}


def build_rebuild_statistics(settings: FeatureSettings) -> JobDefinition:
    """The job, with the settings that the features of the stream have; operators start it."""
    stream = {
        "fit_days": settings.fit_unclassified_days,
        "dust": {
            "files": [str(path) for path in settings.dust_map],
            "scale": settings.dust_scale,
            "column": settings.dust_column,
        },
    }

    @op(config_schema=CONFIG)
    def rebuild_statistics_of_all(context: OpExecutionContext, database: ResourceParam[Database]) -> None:
        if importlib.util.find_spec("pyspark") is None:
            raise Failure("Spark is not installed", {NEXT_STEP: "pip install 'broker_assets[spark]'"})
        with connect(database.url, application="broker-assets statistics") as connection:
            rows = connection.execute(
                "SELECT name, metadata_location FROM cold_tables WHERE name = ANY(%s)", (TABLES,)
            ).fetchall()
        if not rows:
            raise Failure("nothing is in the cold store", {NEXT_STEP: "materialise cold_night of some nights first"})
        invocation = PipesSubprocessClient().run(
            context=context,
            command=[sys.executable, "-m", "broker_assets.resources.spark_statistics"],
            extras={JOB: {"locations": dict(rows), **stream, **context.op_config}},
        )
        context.log.info(f"rows: {[answer.get('rows') for answer in invocation.get_custom_messages()]}")

    @job(
        description="Computes with Spark the statistics of every object of the archive and the features of every "
        "alert, and writes them as Parquet."
    )
    def rebuild_statistics() -> None:
        rebuild_statistics_of_all()

    made: JobDefinition = rebuild_statistics
    return made
