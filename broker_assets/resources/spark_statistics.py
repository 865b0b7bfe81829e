"""The process of a rebuild of the whole archive: Spark reads the tables of the cold store and distributes objects.

Dagster Pipes starts it and shows its log. It needs `pip install broker_assets[spark]` and Java. Workers of Spark read
the files of the tables as all other programs of the platform do: from any store, with the options of their processes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
from dagster_pipes import open_dagster_pipes

from broker_assets.database.cold_files import read_files, scan_of, scan_schema
from broker_assets.lightcurves import archive_features
from broker_assets.lightcurves.archive_features import ALERTS, dust_map, features_of_points
from broker_assets.lightcurves.archive_statistics import KINDS, POINTS, statistics_of_points

JOB: Final = "job"
_OF_OBJECTS: Final = "reduction = 0 and diaobjectid <> 0"


def rebuild(job: Mapping[str, Any]) -> dict[str, int]:
    """Compute statistics and features of every object, and write them as Parquet.

    Parameters
    ----------
    job : mapping
        `locations` (metadata file of each table of the cold store), `target` (folder), `master` and `parts`;
        `fit_days` and `dust` (`files`, `scale`, `column`) as in the settings of the stream.

    Returns
    -------
    dict of str to int
        Rows in the folders `statistics` and `features` of the target.
    """
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = (
        SparkSession.builder.master(job["master"])
        .appName("broker-assets rebuild")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", str(job["parts"]))
    )
    # Workers on other machines have to reach this process; those of this machine alone need no address of it.
    if str(job["master"]).startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        for name in ("spark.driver.bindAddress", "spark.driver.host"):
            builder = builder.config(name, "127.0.0.1")
    spark = builder.getOrCreate()
    try:
        return {
            name: _write(spark, made, f"{job['target']}/{name}")
            for name, made in (("statistics", _statistics(spark, job)), ("features", _features(spark, job)))
            if made is not None
        }
    finally:
        spark.stop()


def _statistics(spark: Any, job: Mapping[str, Any]) -> Any:
    """Statistics of all current light curves."""
    from pyspark.sql import functions as f

    points = None
    of_curves = f"{_OF_OBJECTS} and timewithdrawnmjdtai is null"
    for number, (table, (flux, error)) in enumerate(KINDS.items()):
        names = dict.fromkeys(["diaobjectid", "midpointmjdtai", flux, error, "band"])
        rows = _table(spark, job, table, list(names), of_curves)
        if rows is None:
            continue
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
        return None

    def of_part(rows: pa.Table) -> pa.Table:
        return statistics_of_points(rows.select(POINTS.names).cast(POINTS))

    # An empty table, for the columns of the result.
    schema = _spark_type(statistics_of_points(POINTS.empty_table()).schema)
    return _shared(points, job).groupBy("part").applyInArrow(of_part, schema)


def _features(spark: Any, job: Mapping[str, Any]) -> Any:
    """Features of all alerts."""
    from pyspark.sql import functions as f

    points = None
    for number, table in enumerate(archive_features.KINDS):
        given = ["reliability"] if table == "diasources" else []
        names = ["diaobjectid", "midpointmjdtai", "band", "broughtbymjdtai", "timewithdrawnmjdtai"]
        rows = _table(spark, job, table, [*names, "psfflux", *given], _OF_OBJECTS)
        if rows is None:
            continue
        reliability = f.col("reliability") if given else f.lit(None)
        chosen = rows.select(
            *names,
            f.lit(number).cast("int").alias("kind"),
            f.col("psfflux").cast("double").alias("flux"),
            reliability.cast("double").alias("reliability"),
        )
        points = chosen if points is None else points.unionByName(chosen)
    alerts = _alerts(spark, job)
    if alerts is None or points is None:
        return None
    fit_days, dust = float(job["fit_days"]), job["dust"]

    def of_part(left: pa.Table, right: pa.Table) -> pa.Table:
        points = right.select(archive_features.POINTS.names).cast(archive_features.POINTS)
        alerts = left.select(ALERTS.names).cast(ALERTS)
        # Once in each process, by a function of another module: those of this one are sent by value.
        known = dust_map(tuple(dust["files"]), dust["scale"], dust["column"])
        return features_of_points(alerts, points, fit_days=fit_days, dust=known)

    empty = features_of_points(ALERTS.empty_table(), archive_features.POINTS.empty_table(), fit_days=fit_days)
    grouped = _shared(alerts, job).groupBy("part").cogroup(_shared(points, job).groupBy("part"))
    return grouped.applyInArrow(of_part, _spark_type(empty.schema))


def _alerts(spark: Any, job: Mapping[str, Any]) -> Any:
    """Sources with a packet of their own, with what was known of their objects then; None if there are none."""
    from pyspark.sql import functions as f

    own = ["diaobjectid", "diasourceid", "night", "survey", "midpointmjdtai"]
    rows = _table(spark, job, "diasources", own, f"{_OF_OBJECTS} and archivefileid is not null")
    if rows is None:
        return None
    # Only the cold store is read: the survey's first time and E(B−V) are stored with earlier features, the position
    # with the object as it was after the night.
    joined = {
        "object_features": (["diaobjectid", "diasourceid", "night"], ["firstdiasourcemjdtai", "ebv"]),
        "objects": (["diaobjectid", "night"], ["ra", "decl"]),
        "context_matches": (
            ["diaobjectid", "diasourceid", "night"],
            ["classification", "best_distance", "z", "photoz"],
        ),
    }
    for name, (keys, columns) in joined.items():
        known = _table(spark, job, name, [*keys, *columns], "diaobjectid <> 0")
        if known is not None:
            rows = rows.join(known, keys, "left")
        else:
            rows = rows.withColumns({column: f.lit(None) for column in columns})
    return rows.select(*(f.col(item.name).cast(_sql_type(item)).alias(item.name) for item in ALERTS))


def _table(spark: Any, job: Mapping[str, Any], name: str, columns: Sequence[str], where: str) -> Any:
    """Some columns of a table of the cold store; None if there is none."""
    location = job["locations"].get(name)
    if location is None:
        return None
    scan = scan_of(location, columns, where)
    files = list(scan.plan_files())
    sent = spark.sparkContext.broadcast(files)

    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            chosen = (sent.value[number] for number in batch["id"].to_pylist())
            yield from read_files(scan_of(location, columns, where), chosen)

    # A file is the least that is shared out.
    numbers = spark.range(0, len(files), 1, max(1, min(len(files), int(job["parts"]))))
    return numbers.mapInArrow(read, _spark_type(scan_schema(scan)))


def _shared(rows: Any, job: Mapping[str, Any]) -> Any:
    """Add the partition to which all rows of an object go."""
    from pyspark.sql import functions as f

    return rows.withColumn("part", f.pmod(f.hash("diaobjectid"), f.lit(int(job["parts"]))))


def _write(spark: Any, rows: Any, target: str) -> int:
    rows.write.mode("overwrite").parquet(target)
    return int(spark.read.parquet(target).count())


def _sql_type(item: pa.Field) -> str:
    types = {pa.int32(): "int", pa.int64(): "bigint", pa.float64(): "double", pa.date32(): "date"}
    return types.get(item.type, "string")


def _spark_type(schema: pa.Schema) -> Any:
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema)


def main(compute: Callable[[Mapping[str, Any]], Mapping[str, int]] = rebuild) -> None:
    """Run the job in the extras of the Pipes session, and report the number of rows of each folder.

    Parameters
    ----------
    compute : callable
        The function that runs the job.
    """
    with open_dagster_pipes() as pipes:
        numbers = compute(pipes.get_extra(JOB))
        pipes.log.info(", ".join(f"{number} rows of {name}" for name, number in numbers.items()))
        pipes.report_custom_message({"rows": numbers})


if __name__ == "__main__":
    main()
