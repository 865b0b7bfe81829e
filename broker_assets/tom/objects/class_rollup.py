"""Roll-up of classifications: for each object and classifier, the four most probable classes in the newest message.

The newest message is that of the newest detection; of several messages about one detection, the one that was stored
last. `top_classes` is the definition; `update_classes` applies it to the objects that changed.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from psycopg import sql

from broker_assets.database.border import Conditions
from broker_assets.database.border_sql import MOST_BEYOND, across
from broker_assets.database.fetch import fetch
from broker_assets.database.number_arrays import distinct
from broker_assets.database.tables import diasources
from broker_assets.database.tables.tom import SOURCE_VIEW, diaobjectclassification
from broker_assets.tom.objects.rollup_rows import replace_rows

RANKS: Final = 4
"""Classes that are kept."""

KEYS: Final = pa.schema(
    [
        ("diaobject_id", pa.int64()),
        ("classifier_id", pa.int64()),
        ("brokermessage_id", pa.int64()),
        ("midpointtai", pa.float64()),
    ]
)
"""The newest message about an object from a classifier."""

PROBABILITIES: Final = pa.schema(
    [("brokermessage_id", pa.int64()), ("classid", pa.int16()), ("probability", pa.float32())]
)
"""Classes in messages, one row for each."""

# Messages about the objects, by detection: detections of the survey, and those that only the stream has.
_NEWEST: Final = (
    "SELECT DISTINCT ON (source.diaobject_id, message.classifier_id) source.diaobject_id, message.classifier_id,"
    " message.brokermessage_id, source.midpointtai FROM elasticc2_diasource AS source"
    " JOIN elasticc2_diaobjectdetails AS details ON details.diaobject_id = source.diaobject_id"
    " JOIN elasticc2_brokermessage AS message ON message.diasource_id = source.diasource_id"
    " JOIN elasticc2_brokerclassifier AS classifier ON classifier.classifier_id = message.classifier_id"
    " WHERE source.diaobject_id = ANY({given}::bigint[]) AND cardinality(message.classid) > 0"
    " ORDER BY source.diaobject_id, message.classifier_id, source.midpointtai DESC, message.descingesttimestamp DESC,"
    " message.brokermessage_id DESC"
)


def top_classes(probabilities: pa.Table) -> pa.Table:
    """Find the most probable classes of messages.

    Parameters
    ----------
    probabilities : pyarrow.Table
        Columns `PROBABILITIES`, in any order. Of equally probable classes the one with the smaller number comes first;
        NaN and null are least probable. A class that a message lists twice counts with its larger probability. A null
        in place of a class counts nowhere.

    Returns
    -------
    pyarrow.Table
        `brokermessage_id`, `latestclass1id` to `latestclass4id`, `latestclass1prob` to `latestclass4prob`, by message.

    Examples
    --------
    >>> given = pa.table({"brokermessage_id": [7, 7, 7], "classid": [2222, 200, 2223],
    ...                   "probability": [0.5, 0.125, 0.375]}).cast(PROBABILITIES)
    >>> row = top_classes(given).to_pylist()[0]
    >>> row["latestclass1id"], row["latestclass2id"], row["latestclass3prob"], row["latestclass4id"]
    (2222, 2223, 0.125, None)
    """
    given = probabilities.cast(PROBABILITIES)
    # The columns for the most probable class must not be null: one such message would end every import.
    given = given.filter(pc.is_valid(given["classid"]))
    given = given.set_column(2, PROBABILITIES.field(2), pc.fill_null(given["probability"], float("nan")))
    message, number = given["brokermessage_id"].to_numpy(), given["classid"].to_numpy()
    probability = given["probability"].to_numpy()
    order = np.lexsort((number, np.where(np.isnan(probability), np.inf, -probability), message))
    message, number = message[order], number[order]
    # The first row of a class in a message has its largest probability.
    first = np.zeros(len(order), bool)
    _, places = np.unique(np.stack([message, number.astype(np.int64)]), axis=1, return_index=True)
    first[places] = True
    order, message = order[first], message[first]
    identifiers, begins, group = np.unique(message, return_index=True, return_inverse=True)
    rank = np.arange(len(message)) - begins[group] if len(message) else np.zeros(0, np.int64)
    columns: dict[str, pa.Array] = {"brokermessage_id": pa.array(identifiers, pa.int64())}
    for name, values in (("id", given["classid"]), ("prob", given["probability"])):
        for place in range(RANKS):
            at = np.full(len(identifiers), -1)
            chosen = rank == place
            at[group[chosen]] = order[chosen]
            columns[f"latestclass{place + 1}{name}"] = pc.take(values, pa.array(at, mask=at < 0))
    return pa.table(columns)


def update_classes(connection: psycopg.Connection[Any], objects: NDArray[np.int64]) -> int:
    """Bring the roll-ups of some objects up to date with the stored messages.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    objects : (n,) int64 array
        Objects about which messages may have arrived; those that are not in `elasticc2_diaobject` are ignored.

    Returns
    -------
    int
        Rows of `elasticc2_diaobjectclassification` that were written.
    """
    if not len(objects):
        return 0
    given = sql.Literal(distinct(objects).tolist())
    of_objects: Conditions = [[("diaobjectid", "in", objects)]]
    query = across(
        connection, sql.SQL(_NEWEST).format(given=given), {diasources: of_objects}, most=MOST_BEYOND, views=SOURCE_VIEW
    )
    newest = fetch(connection, query, KEYS)  # type: ignore[arg-type]
    wanted = sql.Literal(newest["brokermessage_id"].to_pylist())
    probabilities = fetch(
        connection,
        sql.SQL(
            "SELECT brokermessage_id, class.id, class.probability FROM elasticc2_brokermessage,"
            " unnest(classid, probability) AS class (id, probability)"
            " WHERE brokermessage_id = ANY({}::bigint[])"
        ).format(wanted),
        PROBABILITIES,
    )
    rows = newest.join(top_classes(probabilities), "brokermessage_id", join_type="inner")
    return replace_rows(connection, diaobjectclassification, "classifier_id", rows, objects)
