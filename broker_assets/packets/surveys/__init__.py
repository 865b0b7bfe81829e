"""Adapters from the packets of each survey to the internal tables."""

from __future__ import annotations

from typing import Final

from broker_assets.packets.named_types import AvroSchema
from broker_assets.packets.surveys.adapter import SurveyAdapter
from broker_assets.packets.surveys.elasticc import ElasticcAdapter
from broker_assets.packets.surveys.fields import leaf_fields
from broker_assets.packets.surveys.rubin import RubinAdapter
from broker_assets.packets.surveys.ztf import ZtfAdapter

ADAPTERS: Final[dict[str, SurveyAdapter]] = {
    adapter.survey: adapter for adapter in (RubinAdapter(), ZtfAdapter(), ElasticcAdapter())
}
"""Adapter of each survey."""


def adapter_of(schema: AvroSchema) -> SurveyAdapter:
    """The adapter that reads packets of a schema, recognised by its fields.

    Raises
    ------
    ValueError
        If no survey has such packets.
    """
    fields = leaf_fields(schema)
    for adapter in ADAPTERS.values():
        if adapter.recognises(fields):
            return adapter
    raise ValueError(f"no known survey has packets of schema {schema.get('name')!r}")
