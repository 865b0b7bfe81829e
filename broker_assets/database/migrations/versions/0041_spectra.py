"""Facilities of spectra, one plan of each object and facility, and owners and progress of queued queries."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0041"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
