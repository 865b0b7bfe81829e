"""Which enrichments the platform has. A new one is added here, and nowhere else in the stream."""

from __future__ import annotations

from broker_assets.settings import Settings
from broker_assets.sky.matching import SkyMatching
from broker_assets.stream.enrichment import EnrichmentPlan


def enrichment_plan(settings: Settings) -> EnrichmentPlan:
    """The plan of all enrichments, with fresh ones: a process that runs long keeps its own."""
    return EnrichmentPlan([SkyMatching(settings.sky)])
