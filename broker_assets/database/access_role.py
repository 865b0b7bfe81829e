"""The role of the web application that writes what users change: accounts, filters, lists, annotators, annotations."""

from __future__ import annotations

from sqlalchemy.engine import URL

from broker_assets.database.roles import grant
from broker_assets.database.sql_roles import LOCKING

ACCOUNTS = (
    "GRANT CONNECT ON DATABASE {database} TO {role}",
    "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
    "GRANT USAGE ON SCHEMA access TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA access TO {role}",
    "GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA access TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA access GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA access GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {role}",
    "GRANT USAGE ON SCHEMA public TO {role}",
    "GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO {role}",
    LOCKING,
)
"""Rights for accounts."""

ANNOTATING = (
    "GRANT SELECT ON objects, ingest_batch, revision_counter, annotators TO {role}",
    # To lock the annotator; none of its columns is changed.
    "GRANT UPDATE (revision) ON annotators TO {role}",
    "GRANT UPDATE ON revision_counter TO {role}",
    "GRANT INSERT, UPDATE ON ingest_batch TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON annotations, annotation_history, annotation_due, annotation_waiting"
    " TO {role}",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
)
"""Rights for annotating an object."""

DESK = (
    "GRANT TEMPORARY ON DATABASE {database} TO {role}",  # cones that replace others are first compared with them
    "GRANT SELECT, INSERT, UPDATE, DELETE ON watchlists, watchlist_cones, watchlist_cone_gone, watchlist_periods,"
    " areas, area_periods, filters, filter_periods, filter_sinks, annotators, annotator_history TO {role}",
    "GRANT SELECT, INSERT ON filter_versions, rematch, owner_messages TO {role}",
    "GRANT SELECT, DELETE ON watchlist_hits, area_hits TO {role}",
    "GRANT SELECT, UPDATE ON deliveries, owner_contacts TO {role}",
    "GRANT UPDATE (tns_name) ON objects TO {role}",  # set from hits of the TNS list
    "GRANT EXECUTE ON FUNCTION shared_with(text, text) TO {role}",
    "GRANT SELECT, INSERT ON snapshots TO {role}",
    "GRANT SELECT ON crossmatch_tns, filter_runs, ingest_batch_night, ingest_batch_facts TO {role}",
)
"""Rights for changing filters, lists and annotators."""

UPLOADING = (
    "GRANT SELECT, INSERT ON elasticc2_brokerclassifier, elasticc2_brokermessage, elasticc2_brokersourceids,"
    " message_uploads TO {role}",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
)
"""Rights for storing classifications of brokers; the right to make temporary tables is in `DESK`."""

SPECTRA = (
    "GRANT SELECT ON elasticc2_diaobjectdetails TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON elasticc2_wantedspectra, elasticc2_plannedspectra TO {role}",
    "GRANT SELECT, INSERT ON elasticc2_spectruminfo, spectrum_facilities TO {role}",
    "GRANT DELETE ON spectrum_facilities TO {role}",
    "GRANT SELECT ON root_diaobject TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON wantedspectra, plannedspectra TO {role}",
    "GRANT SELECT, INSERT ON spectruminfo TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON db_queryqueue TO {role}",
)
"""Rights for wanted, planned and reported spectra, and for queued SQL."""

FIRST_CAMPAIGN = (
    "GRANT SELECT, INSERT ON elasticc_diaobject, elasticc_diasource, elasticc_diaforcedsource, elasticc_diatruth,"
    " elasticc_diaobjecttruth, elasticc_diaalert TO {role}",
    'GRANT UPDATE ("alertSentTimestamp") ON elasticc_diaalert TO {role}',
)
"""Rights for the loader of the first campaign."""

LEAVING = (
    "GRANT SELECT, UPDATE, DELETE ON filter_versions, owner_messages, owner_contacts, change_feeds TO {role}",
    "GRANT EXECUTE ON FUNCTION shared_with(text, text) TO {role}",
)
"""Additional rights for what is removed along with an account."""


def create_access_role(owner: str | URL, access: str | URL) -> None:
    """Create the role of a URL, or give an existing one its password and rights; see `roles.grant`."""
    rights = (*ACCOUNTS, *ANNOTATING, *DESK, *UPLOADING, *SPECTRA, *FIRST_CAMPAIGN, *LEAVING)
    grant(owner, access, "BROKER_DATABASE__ACCESS_URL", rights)
