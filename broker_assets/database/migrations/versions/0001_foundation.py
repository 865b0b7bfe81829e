"""Tables of objects, sources and the solar system, the ledger, provenance, and the views with Lasair's names."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL next to this file."""
    run_frozen_sql(__file__)
