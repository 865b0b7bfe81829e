"""Messages of brokers as Avro datums of the campaigns' schema 0.9.1, written many at a time."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from broker_assets.tom.survey.encoding import encode, varint
from broker_assets.tom.survey.fields import Field

_MESSAGE: Final = (
    Field("alertId", "long", "alert_id"),
    Field("diaSourceId", "long", "diasource_id"),
    Field("elasticcPublishTimestamp", "long", "elasticcpublishtimestamp"),
    Field("brokerIngestTimestamp", "long?", "brokeringesttimestamp"),
    Field("brokerName", "string", "brokername"),
    Field("brokerVersion", "string", "brokerversion"),
    Field("classifierName", "string", "classifiername"),
    Field("classifierParams", "string", "classifierparams"),
)
_CLASS: Final = (Field("classId", "long", "classid"), Field("probability", "float", "probability"))


def classification_datums(rows: pa.Table) -> list[bytes]:
    """Write messages.

    Parameters
    ----------
    rows : pyarrow.Table
        A row for each message, with the columns of `elasticc2_brokermessage` and `elasticc2_brokerclassifier`; times
        are integers, milliseconds since 1970.

    Examples
    --------
    >>> row = {"alert_id": 1, "diasource_id": 1, "elasticcpublishtimestamp": 0, "brokeringesttimestamp": None,
    ...     "brokername": "B", "brokerversion": "", "classifiername": "C", "classifierparams": "",
    ...     "classid": [1], "probability": [1.0]}
    >>> classification_datums(pa.Table.from_pylist([row]))
    [b'\\x02\\x02\\x00\\x00\\x02B\\x00\\x02C\\x00\\x02\\x02\\x00\\x00\\x80?\\x00']
    """
    heads = encode(_MESSAGE, rows)
    items = encode(
        _CLASS,
        pa.table({name: pc.list_flatten(rows[name]) for name in ("classid", "probability")}),
    )
    counts = pc.list_value_length(rows["classid"]).to_numpy()
    ends = items.offsets[np.concatenate([[0], np.cumsum(counts)])].tolist()
    return [
        heads.row(number) + (varint(count) + items.data[first:last] if count else b"") + b"\x00"
        for number, (count, first, last) in enumerate(zip(counts.tolist(), ends, ends[1:], strict=False))
    ]
