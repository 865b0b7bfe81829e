"""Every table and view of the broker, with the meaning and unit of each column; one module per subject."""

from broker_assets.database.tables.columns import BANDS, PROVENANCE, metadata
from broker_assets.database.tables.ledger import (
    archive_file,
    ingest_batch,
    ingest_batch_facts,
    ingest_batch_night,
    ingest_batch_range,
    notification,
    quarantine,
    stream_gap,
    stream_offset,
)
from broker_assets.database.tables.objects import objects
from broker_assets.database.tables.provenance import artefact, artefact_history, artefact_input, code, revision_counter
from broker_assets.database.tables.publication import (
    publication,
    publication_mirror,
    publication_receipt,
    publication_run,
)
from broker_assets.database.tables.sky import (
    area_facts,
    area_hits,
    area_periods,
    areas,
    crossmatch_tns,
    mma_area_hits,
    mma_areas,
    mma_retractions,
    quarantined_line,
    rematch,
    sky_map_facts,
    tns_file,
    watchlist_cone_gone,
    watchlist_cones,
    watchlist_facts,
    watchlist_hits,
    watchlist_periods,
    watchlists,
)
from broker_assets.database.tables.solar_system import mpc_orbits, ssobjects, sssources
from broker_assets.database.tables.sources import PARTITIONED, diaforcedsources, dianondetectionlimits, diasources
from broker_assets.database.tables.telemetry import (
    product_file,
    product_file_input,
    telemetry_file,
    telemetry_file_day,
    telemetry_quarantine,
)
from broker_assets.database.tables.views import VIEWS, create_views

SURVEYS = {"rubin": 1, "ztf": 2, "elasticc": 3}
"""Value of the column `survey`."""

__all__ = [
    "BANDS",
    "PARTITIONED",
    "PROVENANCE",
    "SURVEYS",
    "VIEWS",
    "archive_file",
    "area_facts",
    "area_hits",
    "area_periods",
    "areas",
    "artefact",
    "artefact_history",
    "artefact_input",
    "code",
    "create_views",
    "crossmatch_tns",
    "diaforcedsources",
    "dianondetectionlimits",
    "diasources",
    "ingest_batch",
    "ingest_batch_facts",
    "ingest_batch_night",
    "ingest_batch_range",
    "metadata",
    "mma_area_hits",
    "mma_areas",
    "mma_retractions",
    "mpc_orbits",
    "notification",
    "objects",
    "product_file",
    "product_file_input",
    "publication",
    "publication_mirror",
    "publication_receipt",
    "publication_run",
    "quarantine",
    "quarantined_line",
    "rematch",
    "revision_counter",
    "sky_map_facts",
    "ssobjects",
    "sssources",
    "stream_gap",
    "stream_offset",
    "telemetry_file",
    "telemetry_file_day",
    "telemetry_quarantine",
    "tns_file",
    "watchlist_cone_gone",
    "watchlist_cones",
    "watchlist_facts",
    "watchlist_hits",
    "watchlist_periods",
    "watchlists",
]
