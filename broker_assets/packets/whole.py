"""A whole packet as a dictionary, for people to look at; the stream reads columns (`reader`)."""

from __future__ import annotations

import io
from typing import Any, Final, cast

import fastavro

from broker_assets.packets.named_types import AvroSchema
from broker_assets.packets.reader import PacketReader

WHOLE_ITEMS: Final = 100_000
"""Items of arrays in a packet that is shown, at most; a year of Rubin's history has a hundredth of that."""
WHOLE_BYTES: Final = 16 << 20
"""Bytes of a packet that is shown, at most."""


class WholePacketError(ValueError):
    """The packet is not shown; the message says why."""


def read_whole(datum: bytes, schema: AvroSchema) -> dict[str, Any]:
    """Read every field of a packet.

    Parameters
    ----------
    datum : bytes
        Its Avro datum.
    schema : dict
        Its schema.

    Returns
    -------
    dict
        By field. Times are `datetime`; if any time in the packet cannot be one, all are numbers as written.

    Raises
    ------
    WholePacketError
        If the packet is damaged, or larger than `WHOLE_BYTES` or `WHOLE_ITEMS`.
    """
    if len(datum) > WHOLE_BYTES:
        raise WholePacketError(f"the packet has {len(datum)} bytes; at most {WHOLE_BYTES} are shown")
    # Its bounds are checked before a dictionary is made: items of arrays may have no bytes.
    walked = PacketReader(schema, {"": []}, to_end=True, maximum_items=WHOLE_ITEMS).read([datum])
    if walked.failures:
        raise WholePacketError(f"the packet cannot be shown: {walked.failures[0].reason}")
    reasons = []
    for keep_logical in (True, False):
        try:
            parsed = fastavro.parse_schema(_for_reading(schema, keep_logical=keep_logical))
            return cast("dict[str, Any]", fastavro.schemaless_reader(io.BytesIO(datum), parsed, None))
        except Exception as error:  # noqa: BLE001 (isolation boundary: a value may have no Python object)
            reasons.append(f"{type(error).__name__}: {error}")
    raise WholePacketError(f"the packet cannot be shown: {reasons[-1]}")


def _for_reading(schema: Any, *, keep_logical: bool) -> Any:
    """A schema without attributes that only matter to writers and are often wrong, optionally without logical types."""
    if isinstance(schema, list):
        return [_for_reading(branch, keep_logical=keep_logical) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    left_out = {"default", "doc"} if keep_logical else {"default", "doc", "logicalType"}
    return {
        key: _for_reading(value, keep_logical=keep_logical) if key in ("type", "items", "values", "fields") else value
        for key, value in schema.items()
        if key not in left_out
    }
