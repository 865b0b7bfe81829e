"""The process of a rebuild over the whole archive: Spark reads the tables of the cold store and shares the objects out.

Dagster Pipes starts it and shows its log. It needs `pip install broker_assets[spark]` and Java; the Iceberg runtime is
a package that Spark resolves by its Maven coordinates.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
from dagster_pipes import open_dagster_pipes

from broker_assets.lightcurves.archive_statistics import KINDS, POINTS, statistics_of_points

PACKAGE: Final = "org.apache.iceberg:iceberg-spark-runtime-4.0_2.13:1.10.0"
"""Maven coordinates of Iceberg for Spark."""
JOB: Final = "job"


def rebuild(job: Mapping[str, Any]) -> int:
    """Compute the statistics of every object, and write them as Parquet; gives the number of rows.

    Parameters
    ----------
    job : mapping
        `locations` (metadata file of each table of points), `target` (folder), `master` and `parts`.
    """
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as f

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if str(job["master"]).startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    spark = (
        SparkSession.builder.master(job["master"])
        .appName("broker-assets statistics")
        .config("spark.jars.packages", PACKAGE)
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", str(job["parts"]))
        .getOrCreate()
    )
    try:
        points = None
        for number, (table, (flux, error)) in enumerate(KINDS.items()):
            if table not in job["locations"]:
                continue
            rows = spark.read.format("iceberg").load(job["locations"][table])
            rows = rows.where("reduction = 0 AND timewithdrawnmjdtai IS NULL AND diaobjectid <> 0")
            chosen = rows.select(
                "diaobjectid",
                f.lit(number).cast("int").alias("kind"),
                "midpointmjdtai",
                f.col(flux).cast("double").alias("flux"),
                f.col(error).cast("double").alias("error"),
                "band",
            )
            points = chosen if points is None else points.unionByName(chosen)
        if points is None:
            return 0
        shared = points.withColumn("part", f.pmod(f.hash("diaobjectid"), f.lit(int(job["parts"]))))
        # Of an empty table: the columns of the result.
        schema = _spark_type(statistics_of_points(POINTS.empty_table()).schema)

        def of_part(rows: pa.Table) -> pa.Table:
            return statistics_of_points(rows.select(POINTS.names).cast(POINTS))

        shared.groupBy("part").applyInArrow(of_part, schema).write.mode("overwrite").parquet(job["target"])
        return int(spark.read.parquet(job["target"]).count())
    finally:
        spark.stop()


def _spark_type(schema: pa.Schema) -> Any:
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema)


def main() -> None:
    """Run the job in the extras of the Pipes session."""
    with open_dagster_pipes() as pipes:
        number = rebuild(pipes.get_extra(JOB))
        pipes.log.info(f"{number} rows of statistics")
        pipes.report_custom_message({"rows": number})


if __name__ == "__main__":
    main()
