"""Messages of brokers as Avro datums of the campaigns, many at a time by the compiled reader.

Both versions of the schema are read at once: what is not a datum of the newer version may be one of the older, in which
each probability names its classifier, so that a message may become several rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.packets.reader import PacketReader
from broker_assets.tom.messages.storing import MESSAGES
from broker_assets.tom.survey.schemas import classification_schema

VERSIONS: Final = ("0.9.1", "0.9")
"""Versions of the schema, in the order in which they are tried."""
CONTENT: Final = pa.schema(
    [
        pa.field("message", pa.int32()),
        *(field for field in MESSAGES if field.name not in {
            "streammessage_id", "topicname", "kafka_partition", "msghdrtimestamp",
        }),
    ]
)  # fmt: skip
"""Columns of the content of messages: `message` is the index of the message from which a row comes."""
LONGEST: Final = {"brokername": 100, "classifiername": 200}
"""Longest names, characters."""
LAST_MS: Final = 253_402_300_800_000
"""Beginning of the year 10000, milliseconds since 1970."""


@dataclass(frozen=True)
class ReadMessages:
    """The content of some messages."""

    rows: pa.Table
    """Columns `CONTENT`, in the order of the messages."""
    refused: dict[int, str]
    """Why messages cannot be used, by index; they have no rows."""


def read_datums(values: Sequence[bytes], versions: Sequence[str] = VERSIONS) -> ReadMessages:
    """Read messages.

    Parameters
    ----------
    values : sequence of bytes
        The messages.
    versions : sequence of str
        Versions of the schema to try, in this order.

    Returns
    -------
    ReadMessages
        A message that fits no version is refused with the reason for the first one.
    """
    reasons: dict[int, str] = {}
    refused: dict[int, str] = {}
    parts: list[pa.Table] = []
    left = np.arange(len(values))
    for version in versions:
        if not len(left):
            break
        decoded = _reader(version).read([values[int(number)] for number in left])
        rows = _ROWS[version](decoded.tables)
        failed = {int(left[failure.packet]): failure.reason for failure in decoded.failures}
        rows = rows.set_column(0, "message", pa.array(left[rows["message"].to_numpy()].astype(np.int32)))
        good, wrong = checked(rows)
        parts.append(good)
        empty = set(left.tolist()) - failed.keys() - wrong.keys() - set(good["message"].to_pylist())
        refused |= wrong | dict.fromkeys(empty, "the message has no classification, and so names no classifier")
        for number, reason in failed.items():
            reasons.setdefault(number, f"the message is not a datum of version {version}: {reason}")
        left = np.array(sorted(failed), np.int64)
    refused |= {int(number): reasons[int(number)] for number in left}
    rows = pa.concat_tables(parts) if parts else CONTENT.empty_table()
    return ReadMessages(rows.sort_by("message") if len(parts) > 1 else rows, refused)


def checked(rows: pa.Table) -> tuple[pa.Table, dict[int, str]]:
    """Separate rows that can be stored from those that cannot, with all rows of their messages.

    Parameters
    ----------
    rows : pyarrow.Table
        Columns `CONTENT`, with classes of any integer type.

    Returns
    -------
    (pyarrow.Table, dict)
        Good rows, and why messages are refused, by index.
    """
    refused: dict[int, str] = {}
    number = rows["message"].to_numpy()

    def refuse(wrong: NDArray[np.bool_], reason: str) -> None:
        for one in np.unique(number[wrong]).tolist():
            refused.setdefault(one, reason)

    for name, longest in LONGEST.items():
        long = np.asarray(pc.fill_null(pc.greater(pc.utf8_length(rows[name]), longest), False))
        refuse(long, f"{name} is longer than {longest} characters")
    owner = number[_owners(rows["classid"])]
    classes = pc.list_flatten(rows["classid"]).to_numpy()
    for one in np.unique(owner[(classes < -(2**15)) | (classes >= 2**15)]).tolist():
        refused.setdefault(one, "a classId does not fit 16 bits")
    probabilities = pc.list_flatten(rows["probability"]).to_numpy()
    for one in np.unique(owner[~np.isfinite(probabilities)]).tolist():
        refused.setdefault(one, "a probability is not finite")
    for name in ("elasticcpublishtimestamp", "brokeringesttimestamp"):
        moment = pc.fill_null(rows[name].cast(pa.int64()), 0).to_numpy()
        refuse((moment < 0) | (moment >= LAST_MS * 1000), f"{name} is not a time in milliseconds since 1970")
    kept = rows if not refused else rows.filter(pa.array(~np.isin(number, list(refused))))
    return kept.cast(CONTENT), refused


def _owners(lists: pa.ChunkedArray) -> NDArray[np.int64]:
    counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    return np.repeat(np.arange(len(counts)), counts)


@lru_cache(maxsize=4)
def _reader(version: str) -> PacketReader:
    return PacketReader(classification_schema(version, times=False), to_end=True)


def _times(milliseconds: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times, UTC; numbers that are not valid become times far away, so that they are refused."""
    outside = pc.or_(pc.less(milliseconds, 0), pc.greater(milliseconds, LAST_MS))
    kept = pc.if_else(outside, LAST_MS, milliseconds)
    return pc.multiply(kept, 1000).cast(pa.timestamp("us", tz="UTC"))


def _common(root: pa.Table) -> dict[str, Any]:
    return {
        "alert_id": root["alertId"],
        "diasource_id": root["diaSourceId"],
        "elasticcpublishtimestamp": _times(root["elasticcPublishTimestamp"]),
        "brokeringesttimestamp": _times(root["brokerIngestTimestamp"]),
        "brokername": root["brokerName"],
        "brokerversion": root["brokerVersion"],
        "document": pa.nulls(root.num_rows, pa.string()),
    }


def _ordered(columns: dict[str, Any]) -> pa.Table:
    return pa.table({name: columns[name] for name in CONTENT.names})


def _rows_of_messages(tables: dict[str, pa.Table]) -> pa.Table:
    """Version 0.9.1: a row for each message."""
    root, items = tables[""], tables["classifications"]
    counts = root["classifications@count"].to_numpy()
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
    return _ordered(
        _common(root)
        | {
            "message": root["packet"],
            "classifiername": root["classifierName"],
            "classifierparams": root["classifierParams"],
            "classid": pa.ListArray.from_arrays(offsets, _flat(items["classId"])),
            "probability": pa.ListArray.from_arrays(offsets, _flat(items["probability"])),
        }
    )


def _rows_of_classifiers(tables: dict[str, pa.Table]) -> pa.Table:
    """Version 0.9: a row for each classifier of each message."""
    root, items = tables[""], tables["classifications"]
    grouped = items.group_by(["packet", "classifierName", "classifierParams"], use_threads=False).aggregate(
        [("classId", "list"), ("probability", "list")]
    )
    place = np.searchsorted(root["packet"].to_numpy(), grouped["packet"].to_numpy())
    return _ordered(
        _common(root.take(pa.array(place)))
        | {
            "message": grouped["packet"],
            "classifiername": grouped["classifierName"],
            "classifierparams": grouped["classifierParams"],
            "classid": grouped["classId_list"],
            "probability": grouped["probability_list"],
        }
    )


def _flat(column: pa.ChunkedArray) -> pa.Array:
    flat = column.combine_chunks()
    if isinstance(flat, pa.ChunkedArray):
        flat = flat.chunk(0) if flat.num_chunks else pa.array([], column.type)
    return flat


_ROWS: Final[dict[str, Callable[[dict[str, pa.Table]], pa.Table]]] = {
    "0.9.1": _rows_of_messages,
    "0.9": _rows_of_classifiers,
}
