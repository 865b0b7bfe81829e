"""Tables and views of the target and observation manager, under the names that DESC's TOM gives them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from broker_assets.database.tables.tom import elasticc1, fastdb_views, local, processing, taxonomy
from broker_assets.database.tables.tom.columns import HASH_PARTITIONS, tom_metadata
from broker_assets.database.tables.tom.local import (
    diaobjectclassification,
    diaobjectdetails,
    diaobjectinfo,
    diaobjectoftarget,
)
from broker_assets.database.tables.tom.messages import (
    brokerclassifier,
    brokermessage,
    brokersourceids,
    importppdbrunning,
    message_uploads,
)
from broker_assets.database.tables.tom.opinions import object_opinions
from broker_assets.database.tables.tom.processing import (
    base_processing_version,
    base_procver_of_procver,
    diaobject,
    diaobject_host_match,
    host_galaxy,
    processing_version,
    processing_version_alias,
    reassigned_sources,
    reduced_positions,
    root_diaobject,
    root_plannedspectra,
    root_spectruminfo,
    root_wantedspectra,
)
from broker_assets.database.tables.tom.queries import queryqueue
from broker_assets.database.tables.tom.simulation import (
    HASHED,
    diaobjecttruth,
    ppdbalert,
    ppdbdiaforcedsource,
    ppdbdiaobject,
    ppdbdiasource,
    trainingalert,
    trainingdiaforcedsource,
    trainingdiaobject,
    trainingdiaobjecttruth,
    trainingdiasource,
)
from broker_assets.database.tables.tom.spectra import (
    plannedspectra,
    spectrum_facilities,
    spectrum_night_plans,
    spectruminfo,
    wantedspectra,
)
from broker_assets.database.tables.tom.survey import alert_sendings, sent_nights, simulation_files
from broker_assets.database.tables.tom.tallies import (
    classifier_answers,
    classifier_delays,
    classifier_messages,
    classifier_scores,
    classifier_tally,
    classifier_waiting,
)
from broker_assets.database.tables.tom.taxonomy import (
    taxonomy_classes,
    taxonomy_exact,
    taxonomy_matches,
    taxonomy_versions,
)

TOM_HASHED = (*HASHED, brokermessage)
"""Tables that are partitioned by a hash of the object or the alert."""

TOM_VIEWS: dict[str, tuple[sa.Select[Any], str]] = {
    **local.VIEWS,
    **taxonomy.VIEWS,
    **elasticc1.VIEWS,
    **processing.VIEWS,
    **fastdb_views.VIEWS,
}
"""View name: its query and comment."""
POINT_VIEWS = {name: local.VIEWS[name][0] for name in ("elasticc2_diasource", "elasticc2_diaforcedsource")}
"""Views of points of ELAsTiCC, of which readers also need the rows in the cold store (`database.border_sql`)."""
SOURCE_VIEW = {"elasticc2_diasource": POINT_VIEWS["elasticc2_diasource"]}

__all__ = [
    "HASH_PARTITIONS",
    "POINT_VIEWS",
    "SOURCE_VIEW",
    "TOM_HASHED",
    "TOM_VIEWS",
    "alert_sendings",
    "base_processing_version",
    "base_procver_of_procver",
    "brokerclassifier",
    "brokermessage",
    "brokersourceids",
    "classifier_answers",
    "classifier_delays",
    "classifier_messages",
    "classifier_scores",
    "classifier_tally",
    "classifier_waiting",
    "diaobject",
    "diaobject_host_match",
    "diaobjectclassification",
    "diaobjectdetails",
    "diaobjectinfo",
    "diaobjectoftarget",
    "diaobjecttruth",
    "host_galaxy",
    "importppdbrunning",
    "message_uploads",
    "object_opinions",
    "plannedspectra",
    "ppdbalert",
    "ppdbdiaforcedsource",
    "ppdbdiaobject",
    "ppdbdiasource",
    "processing_version",
    "processing_version_alias",
    "queryqueue",
    "reassigned_sources",
    "reduced_positions",
    "root_diaobject",
    "root_plannedspectra",
    "root_spectruminfo",
    "root_wantedspectra",
    "sent_nights",
    "simulation_files",
    "spectrum_facilities",
    "spectrum_night_plans",
    "spectruminfo",
    "taxonomy_classes",
    "taxonomy_exact",
    "taxonomy_matches",
    "taxonomy_versions",
    "tom_metadata",
    "trainingalert",
    "trainingdiaforcedsource",
    "trainingdiaobject",
    "trainingdiaobjecttruth",
    "trainingdiasource",
    "wantedspectra",
]
